use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Postgres,
    keys::{touched, touched_before},
    retry::{TRIES, retry},
    row,
    start::counted_under,
};
use crate::{
    StoreError, UnixMillis,
    challenge::{
        Challenge, Decision, Draft, FailureChange, Outcome, ServiceError, StartRequest, State,
        Writes, judge_decision, judge_pin,
        limits::{self, Failures},
    },
    store::{
        AccountId, ApprovalRequest, ChallengeStore, CheckedChallenge, Event, Kind, Lookup,
        PinSubmission, SentMessage, Start, Submitted, Timeline,
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
        retry(|| self.start_once(&request, &draft, now)).await
    }

    async fn challenge(&self, lookup: &Lookup<'_>) -> Result<Option<CheckedChallenge>, StoreError> {
        let Some(query) = find(lookup) else { return Ok(None) };
        let found = query.try_map(|row: PgRow| checked(&row)).fetch_optional(&self.pool).await?;
        Ok(found)
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
        let _turn = self.turns.take((submission.account, &submission.auth_id)).await?;
        retry(|| self.submit_once(&submission, now)).await
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
        if txn.contains('\0') {
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
        retry(|| self.decide_once(&token_hash, decision, now)).await
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
    async fn submit_once(
        &self,
        submission: &PinSubmission,
        now: UnixMillis,
    ) -> Result<Option<Submitted>, ServiceError> {
        let lookup = submission.lookup();
        let mut transaction = self.begin().await?;
        let user = sqlx::query(
            "SELECT id FROM users WHERE account_id = $1 AND auth_id = $2 AND NOT disabled
             FOR NO KEY UPDATE",
        )
        .bind(lookup.account.0)
        .bind(lookup.auth_id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(StoreError::from)?;
        if user.is_none() {
            return Ok(None);
        }
        for _ in 0..TRIES {
            let Some((found, failures)) = find_locked(&mut transaction, &lookup).await? else {
                return Ok(None);
            };
            let challenge = &found.challenge;
            let judgement = judge_pin(&found, failures, &submission.pin, now)?;
            let answer = Some(Submitted::new(challenge.id, &judgement));
            let Some(writes) = &judgement.writes else { return Ok(answer) };
            let key = Some(submission.api_key);
            if apply(&mut transaction, challenge, writes, key, now).await? {
                transaction.commit().await.map_err(StoreError::from)?;
                return Ok(answer);
            }
        }
        Err(StoreError::Undone.into())
    }

    async fn decide_once(
        &self,
        token_hash: &[u8; 32],
        decision: Decision,
        now: UnixMillis,
    ) -> Result<(Option<i64>, Outcome), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "SELECT u.id FROM challenges c JOIN users u ON u.id = c.user_id
             WHERE c.token_hash = $1 FOR NO KEY UPDATE OF u",
        )
        .bind(token_hash.as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
        for _ in 0..TRIES {
            let found = find_decided(&mut transaction, token_hash).await?;
            let Some((challenge, failures)) = found else { return Ok((None, Outcome::Gone)) };
            let (outcome, writes) = judge_decision(&challenge, failures, decision, now);
            let Some(writes) = writes else { return Ok((None, outcome)) };
            if apply(&mut transaction, &challenge, &writes, None, now).await? {
                transaction.commit().await?;
                return Ok((Some(challenge.id), outcome));
            }
        }
        Err(StoreError::Undone)
    }

    /// Whoever has one of them locked is changing it: it will be seen next time.
    async fn expire(&self, most: u32, now: UnixMillis) -> Result<u64, StoreError> {
        let expired = sqlx::query(
            "WITH due AS (
                 SELECT id FROM challenges WHERE state = 'pending' AND expires_at <= $1
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

type Query<'a> = sqlx::query::Query<'a, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// What a look-up reads: the columns of a challenge, and `requires_txn`, `in_row`, `streak`, `last_at`.
macro_rules! find {
    ($which:literal) => {
        concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.requires_txn, f.in_row, f.streak, f.last_at FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = $3
             JOIN challenges c ON c.user_id = u.id AND c.system_id = s.id
             LEFT JOIN failures f ON f.user_id = u.id AND f.method = c.method
             WHERE s.account_id = $1 AND s.name = $2 AND NOT u.disabled ",
            $which,
        )
    };
}

/// None, if nothing can be called that.
fn find<'a>(lookup: &Lookup<'a>) -> Option<Query<'a>> {
    let bound =
        |sql| sqlx::query(sql).bind(lookup.account.0).bind(lookup.system).bind(lookup.auth_id);
    match lookup.txn {
        Some(txn) if txn.contains('\0') => None,
        Some(txn) => Some(bound(find!("AND c.txn = $4")).bind(txn)),
        None => Some(bound(find!("ORDER BY c.id DESC LIMIT 1"))),
    }
}

fn checked(row: &PgRow) -> sqlx::Result<CheckedChallenge> {
    Ok(CheckedChallenge {
        challenge: row::challenge(row)?,
        requires_txn: row.try_get(row::CHALLENGE_COLUMNS)?,
    })
}

async fn find_locked(
    connection: &mut PgConnection,
    lookup: &Lookup<'_>,
) -> Result<Option<(CheckedChallenge, Failures)>, StoreError> {
    let Some(query) = find(lookup) else { return Ok(None) };
    let found = query
        .try_map(|row: PgRow| {
            Ok((checked(&row)?, row::failures(&row, row::CHALLENGE_COLUMNS + 1)?))
        })
        .fetch_optional(connection)
        .await?;
    Ok(found)
}

async fn find_decided(
    connection: &mut PgConnection,
    token_hash: &[u8; 32],
) -> Result<Option<(Challenge, Failures)>, StoreError> {
    let found = sqlx::query(concat!(
        "SELECT ",
        row::challenge_columns!(),
        ", f.in_row, f.streak, f.last_at
         FROM challenges c JOIN users u ON u.id = c.user_id
         LEFT JOIN failures f ON f.user_id = u.id AND f.method = c.method
         WHERE c.token_hash = $1 AND NOT u.disabled",
    ))
    .bind(token_hash.as_slice())
    .try_map(|row: PgRow| Ok((row::challenge(&row)?, row::failures(&row, row::CHALLENGE_COLUMNS)?)))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// False if the challenge is not any more as it was read: then nothing was written.
async fn apply(
    connection: &mut PgConnection,
    challenge: &Challenge,
    writes: &Writes,
    api_key: Option<i64>,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let set = match writes.failures {
        FailureChange::Set(failures) => Some(failures),
        FailureChange::Keep | FailureChange::Clear => None,
    };
    let events: Vec<_> = writes.events.iter().map(|event| event.as_str()).collect();
    let judged = sqlx::query(concat!(
        "WITH judged AS (
             UPDATE challenges SET attempts = $5, state = $6, claimed = $7, ended_at = $8
             WHERE id = $1 AND state = 'pending' AND attempts = $9
             RETURNING id, account_id, system_id, user_id, method, ip
         ), cleared AS (
             DELETE FROM failures f USING judged j
             WHERE $10 AND f.user_id = j.user_id AND f.method = j.method
         ), counted AS (
             INSERT INTO failures (user_id, method, in_row, streak, last_at)
             SELECT j.user_id, j.method, $11, $12, $13 FROM judged j WHERE $11::integer IS NOT NULL
             ON CONFLICT (user_id, method)
             DO UPDATE SET in_row = excluded.in_row, streak = excluded.streak,
                 last_at = excluded.last_at
         ), trail AS (
             INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
             SELECT j.account_id, $2, e.event, s.name, u.auth_id, j.id, j.ip
             FROM judged j JOIN systems s ON s.id = j.system_id JOIN users u ON u.id = j.user_id
             CROSS JOIN unnest($14) WITH ORDINALITY AS e (event, position) ORDER BY e.position
         ), ",
        touched!(),
        " SELECT id FROM judged",
    ))
    .bind(challenge.id)
    .bind(now.as_millis())
    .bind(api_key)
    .bind(touched_before(now))
    .bind(i32::from(writes.attempts))
    .bind(writes.state.unwrap_or(State::Pending).as_str())
    .bind(writes.claimed)
    .bind(writes.state.map(|_| now.as_millis()))
    .bind(i32::from(challenge.attempts))
    .bind(writes.failures == FailureChange::Clear)
    .bind(set.map(|failures| i64::from(failures.in_row)))
    .bind(set.map(|failures| i64::from(failures.streak)))
    .bind(set.map(|failures| failures.last_at.as_millis()))
    .bind(events)
    .fetch_optional(&mut *connection)
    .await?
    .is_some();
    if judged && writes.alert {
        alert(connection, challenge, now).await?;
    }
    Ok(judged)
}

/// To where the challenge was sent: that way is known to be allowed.
async fn alert(
    connection: &mut PgConnection,
    challenge: &Challenge,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let queued = sqlx::query(
        "INSERT INTO outbox (account_id, user_id, challenge_id, kind, channel, address, queued_at,
             due_at)
         SELECT account_id, user_id, challenge_id, $2, channel, address, $3, $3 FROM outbox
         WHERE challenge_id = $1 ORDER BY id DESC LIMIT 1
         RETURNING channel, address",
    )
    .bind(challenge.id)
    .bind(Kind::Alert.as_str())
    .bind(now.as_millis())
    .try_map(|row: PgRow| Ok((row::channel(&row, 0)?, row.try_get::<String, _>(1)?)))
    .fetch_optional(&mut *connection)
    .await?;
    let Some((channel, address)) = queued else { return Ok(()) };
    sqlx::query(
        "INSERT INTO sms_counts (account_id, prefix, day, count)
         SELECT $1, prefix, $2, 1 FROM unnest($3) AS prefix
         ON CONFLICT (account_id, prefix, day) DO UPDATE SET count = sms_counts.count + 1",
    )
    .bind(challenge.account.0)
    .bind(limits::day(now).0)
    .bind(counted_under(channel, &address))
    .execute(connection)
    .await?;
    Ok(())
}
