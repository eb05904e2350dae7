use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Postgres,
    answers::{Submitting, decide},
    lookups::{Looking, Polling, Presented},
    retry::retry,
    row,
    start::Starting,
};
use crate::{
    StoreError, UnixMillis,
    challenge::{Decision, Draft, Outcome, ServiceError, StartRequest},
    store::{
        AccountId, ApprovalRequest, Asked, ChallengeStore, CheckedChallenge, Event, KeyStore, Kind,
        Lookup, PinSubmission, SentMessage, Start, StoredApiKey, Submitted, Timeline,
    },
};

#[async_trait]
impl ChallengeStore for Postgres {
    async fn start(
        &self,
        request: Arc<StartRequest>,
        draft: Draft,
        now: UnixMillis,
    ) -> Result<Start, StoreError> {
        let _turn = self.turns.take((request.account, &request.auth_id)).await?;
        self.starts.run(Starting { request, draft, now }).await
    }

    async fn challenge(&self, lookup: &Lookup<'_>) -> Result<Option<CheckedChallenge>, StoreError> {
        let Lookup { account, asked } = *lookup;
        if asked.txn.is_some_and(unheard_of) {
            return Ok(None);
        }
        self.lookups.run(Looking { account, asked: asked.into() }).await
    }

    async fn presented(
        &self,
        prefix: &str,
        asked: &Asked<'_>,
        now: UnixMillis,
    ) -> Result<Option<(StoredApiKey, Option<CheckedChallenge>)>, StoreError> {
        if asked.txn.is_some_and(unheard_of) {
            let key = self.live_api_key(prefix, now).await?;
            return Ok(key.map(|key| (key, None)));
        }
        let presented = Presented { prefix: prefix.to_owned(), now };
        self.polls.run(Polling { presented, asked: (*asked).into() }).await
    }

    async fn claim(&self, challenge: i64, now: UnixMillis) -> Result<bool, StoreError> {
        let claimed = sqlx::query(
            "UPDATE challenges SET claimed = TRUE WHERE id = $1 AND NOT claimed
             AND state = 'authenticated' AND expires_at > $2",
        )
        .bind(challenge)
        .bind(now.as_millis())
        .execute(&self.pool)
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn submit(
        &self,
        submission: PinSubmission,
        now: UnixMillis,
    ) -> Result<Option<Submitted>, ServiceError> {
        if submission.txn.as_deref().is_some_and(unheard_of) {
            return Ok(None);
        }
        let _turn = self.turns.take((submission.account, &submission.auth_id)).await?;
        self.submissions.run(Submitting { submission, now }).await?
    }

    async fn approval_request(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<ApprovalRequest>, StoreError> {
        let found = sqlx::query(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.name, c.operation, c.ip, c.user_agent, c.created_at, c.opened_at IS NOT NULL
             FROM challenges c JOIN systems s ON s.id = c.system_id
             JOIN users u ON u.id = c.user_id WHERE c.token_hash = $1 AND NOT u.disabled",
        ))
        .bind(token_hash.as_slice())
        .try_map(|row: PgRow| {
            const NEXT: usize = row::CHALLENGE_COLUMNS;
            Ok(ApprovalRequest {
                challenge: row::challenge(&row)?,
                system: row.try_get(NEXT)?,
                operation: row.try_get(NEXT + 1)?,
                ip: row.try_get(NEXT + 2)?,
                user_agent: row.try_get(NEXT + 3)?,
                created_at: row::moment(&row, NEXT + 4)?,
                is_opened: row.try_get(NEXT + 5)?,
            })
        })
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }

    async fn opened(&self, challenge: i64, now: UnixMillis) -> Result<(), StoreError> {
        // Whoever has it locked notes the same, or ends it: many look at a page at once, and none is to wait.
        sqlx::query(
            "UPDATE challenges SET opened_at = $1 WHERE id =
                 (SELECT id FROM challenges WHERE id = $2 AND opened_at IS NULL
                  FOR NO KEY UPDATE SKIP LOCKED)",
        )
        .bind(now.as_millis())
        .bind(challenge)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn timeline(
        &self,
        account: AccountId,
        txn: &str,
    ) -> Result<Option<Timeline>, StoreError> {
        if unheard_of(txn) {
            return Ok(None);
        }
        let found = sqlx::query(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.name, u.auth_id, c.created_at, c.opened_at, c.ended_at
             FROM challenges c JOIN systems s ON s.id = c.system_id
             JOIN users u ON u.id = c.user_id WHERE c.account_id = $1 AND c.txn = $2",
        ))
        .bind(account.0)
        .bind(txn)
        .try_map(|row: PgRow| {
            const NEXT: usize = row::CHALLENGE_COLUMNS;
            Ok(Timeline {
                challenge: row::challenge(&row)?,
                system: row.try_get(NEXT)?,
                auth_id: row.try_get(NEXT + 1)?,
                created_at: row::moment(&row, NEXT + 2)?,
                opened_at: row::optional_moment(&row, NEXT + 3)?,
                ended_at: row::optional_moment(&row, NEXT + 4)?,
                messages: Vec::new(),
            })
        })
        .fetch_optional(&self.pool)
        .await?;
        let Some(mut timeline) = found else { return Ok(None) };
        timeline.messages = sqlx::query(
            "SELECT kind, channel, state, tries, provider, queued_at, accepted_at, delivered_at
             FROM outbox WHERE challenge_id = $1 ORDER BY id",
        )
        .bind(timeline.challenge.id)
        .try_map(|row: PgRow| {
            Ok(SentMessage {
                kind: row::parsed(&row, 0, Kind::parse)?,
                channel: row::channel(&row, 1)?,
                state: row.try_get(2)?,
                tries: row::integer(&row, 3)?,
                provider: row.try_get(4)?,
                queued_at: row::moment(&row, 5)?,
                accepted_at: row::optional_moment(&row, 6)?,
                delivered_at: row::optional_moment(&row, 7)?,
            })
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(Some(timeline))
    }

    async fn decide(
        &self,
        token_hash: [u8; 32],
        decision: Decision,
        now: UnixMillis,
    ) -> Result<(Option<i64>, Outcome), StoreError> {
        let _turn = self.turns.take(token_hash).await?;
        retry(|| decide(&self.pool, &token_hash, decision, now)).await
    }

    async fn sweep(
        &self,
        forget_before: UnixMillis,
        most: u32,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let expired = retry(|| self.expire(most, now)).await?;
        let forgotten = retry(|| self.forget(forget_before, most)).await?;
        let most = u64::from(most);
        Ok(expired >= most || forgotten >= most)
    }
}

impl Postgres {
    /// Whoever has one of them locked is changing it: it will be seen next time.
    async fn expire(&self, most: u32, now: UnixMillis) -> Result<u64, StoreError> {
        let expired = sqlx::query(
            "WITH due AS (
                 SELECT id FROM challenges
                 WHERE ended_at IS NULL AND state = 'pending' AND expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
             ), ended AS (
                 UPDATE challenges c SET state = 'expired', ended_at = $1 FROM due
                 WHERE c.id = due.id RETURNING c.id, c.account_id, c.system_id, c.user_id, c.ip
             )
             INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
             SELECT e.account_id, $1, $3, s.name, u.auth_id, e.id, e.ip
             FROM ended e JOIN systems s ON s.id = e.system_id JOIN users u ON u.id = e.user_id",
        )
        .bind(now.as_millis())
        .bind(i64::from(most))
        .bind(Event::Expired.as_str())
        .execute(&self.pool)
        .await?;
        Ok(expired.rows_affected())
    }

    async fn forget(&self, before: UnixMillis, most: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "WITH old AS (
                 SELECT id FROM challenges WHERE expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
             )
             DELETE FROM challenges c USING old WHERE c.id = old.id",
        )
        .bind(before.as_millis())
        .bind(i64::from(most))
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

/// PostgreSQL keeps every character but this one, and refuses to be asked for it.
fn unheard_of(txn: &str) -> bool {
    txn.contains('\0')
}
