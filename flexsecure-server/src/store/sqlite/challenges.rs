use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Sqlite,
    audit::record_challenge,
    keys::{live_key, touch},
    row,
    start::{end, failures, queue, start},
};
use crate::{
    StoreError, UnixMillis,
    challenge::{
        Challenge, ContactFacts, Decision, Draft, FailureChange, Outcome, ServiceError,
        StartRequest, State, Writes, judge_decision, judge_pin,
    },
    store::{
        AccountId, ApprovalRequest, Asked, ChallengeStore, CheckedChallenge, Kind, Lookup,
        PinSubmission, SentMessage, Start, StoredApiKey, Submitted, Timeline,
    },
};

#[async_trait]
impl ChallengeStore for Sqlite {
    async fn start(
        &self,
        request: Arc<StartRequest>,
        draft: Draft,
        now: UnixMillis,
    ) -> Result<Start, StoreError> {
        self.write(move |connection| start(connection, &request, &draft, now)).await
    }

    async fn challenge(&self, lookup: &Lookup<'_>) -> Result<Option<CheckedChallenge>, StoreError> {
        self.read(|connection| find(connection, lookup))
    }

    async fn presented(
        &self,
        prefix: &str,
        asked: &Asked<'_>,
        now: UnixMillis,
    ) -> Result<Option<(StoredApiKey, Option<CheckedChallenge>)>, StoreError> {
        self.read_at_once(|connection| {
            let Some(key) = live_key(connection, prefix, now)? else { return Ok(None) };
            let found = find(connection, &Lookup { account: key.account, asked: *asked })?;
            Ok(Some((key, found)))
        })
    }

    async fn claim(&self, challenge: i64, now: UnixMillis) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let claimed = connection
                .prepare_cached(
                    "UPDATE challenges SET claimed = 1 WHERE id = ? AND claimed = 0
                     AND state = 'authenticated' AND expires_at > ?",
                )?
                .execute(params![challenge, now.as_millis()])?;
            Ok(claimed == 1)
        })
        .await
    }

    async fn submit(
        &self,
        submission: PinSubmission,
        now: UnixMillis,
    ) -> Result<Option<Submitted>, ServiceError> {
        self.write(move |connection| {
            let Some(found) = find(connection, &submission.lookup())? else { return Ok(None) };
            let challenge = &found.challenge;
            let failures = failures(connection, challenge.user, challenge.method)?;
            let judgement = judge_pin(&found, failures, &submission.pin, now)?;
            if let Some(writes) = &judgement.writes {
                touch(connection, submission.api_key, now)?;
                apply(connection, challenge, writes, now)?;
            }
            Ok(Some(Submitted::new(challenge.id, &judgement)))
        })
        .await
    }

    async fn approval_request(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<ApprovalRequest>, StoreError> {
        self.read(|connection| approval_request(connection, token_hash))
    }

    async fn opened(&self, challenge: i64, now: UnixMillis) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE challenges SET opened_at = ? WHERE id = ? AND opened_at IS NULL",
                )?
                .execute(params![now.as_millis(), challenge])?;
            Ok(())
        })
        .await
    }

    async fn timeline(
        &self,
        account: AccountId,
        txn: &str,
    ) -> Result<Option<Timeline>, StoreError> {
        self.read(|connection| timeline(connection, account, txn))
    }

    async fn decide(
        &self,
        token_hash: [u8; 32],
        decision: Decision,
        now: UnixMillis,
    ) -> Result<(Option<i64>, Outcome), StoreError> {
        self.write(move |connection| {
            let Some(request) = approval_request(connection, &token_hash)? else {
                return Ok((None, Outcome::Gone));
            };
            let challenge = request.challenge;
            let failures = failures(connection, challenge.user, challenge.method)?;
            let (outcome, writes) = judge_decision(&challenge, failures, decision, now);
            if let Some(writes) = &writes {
                apply(connection, &challenge, writes, now)?;
            }
            Ok((writes.map(|_| challenge.id), outcome))
        })
        .await
    }

    async fn sweep(
        &self,
        forget_before: UnixMillis,
        most: u32,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let expired = connection
                .prepare_cached(
                    "SELECT id FROM challenges WHERE state = 'pending' AND expires_at <= ? LIMIT ?",
                )?
                .query_map(params![now.as_millis(), most], |row| row.get(0))?
                .collect::<Result<Vec<i64>, _>>()?;
            for &challenge in &expired {
                end(connection, challenge, State::Expired, now)?;
            }
            let forgotten = connection
                .prepare_cached(
                    "DELETE FROM challenges WHERE id IN
                     (SELECT id FROM challenges WHERE expires_at <= ? LIMIT ?)",
                )?
                .execute(params![forget_before.as_millis(), most])?;
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            Ok(expired.len() >= most || forgotten >= most)
        })
        .await
    }
}

fn find(
    connection: &Connection,
    lookup: &Lookup<'_>,
) -> Result<Option<CheckedChallenge>, StoreError> {
    let Lookup { account, asked: Asked { system, auth_id, txn } } = lookup;
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.requires_txn FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = ?3
             JOIN challenges c ON c.user_id = u.id AND c.system_id = s.id
             WHERE s.account_id = ?1 AND s.name = ?2 AND u.disabled = 0
               AND (?4 IS NULL OR c.txn = ?4)
             ORDER BY c.id DESC LIMIT 1",
        ))?
        .query_row(params![account.0, system, auth_id, txn], |row| {
            Ok(CheckedChallenge {
                challenge: row::challenge(row)?,
                requires_txn: row.get(row::CHALLENGE_COLUMNS)?,
            })
        })
        .optional()?;
    Ok(found)
}

fn approval_request(
    connection: &Connection,
    token_hash: &[u8; 32],
) -> Result<Option<ApprovalRequest>, StoreError> {
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.name, c.operation, c.ip, c.user_agent, c.created_at, c.opened_at IS NOT NULL
             FROM challenges c JOIN systems s ON s.id = c.system_id
             JOIN users u ON u.id = c.user_id WHERE c.token_hash = ? AND u.disabled = 0",
        ))?
        .query_row([token_hash], |row| {
            const NEXT: usize = row::CHALLENGE_COLUMNS;
            Ok(ApprovalRequest {
                challenge: row::challenge(row)?,
                system: row.get(NEXT)?,
                operation: row.get(NEXT + 1)?,
                ip: row.get(NEXT + 2)?,
                user_agent: row.get(NEXT + 3)?,
                created_at: row::moment(row, NEXT + 4)?,
                is_opened: row.get(NEXT + 5)?,
            })
        })
        .optional()?;
    Ok(found)
}

fn timeline(
    connection: &Connection,
    account: AccountId,
    txn: &str,
) -> Result<Option<Timeline>, StoreError> {
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", s.name, u.auth_id, c.created_at, c.opened_at, c.ended_at
             FROM challenges c JOIN systems s ON s.id = c.system_id
             JOIN users u ON u.id = c.user_id WHERE c.account_id = ? AND c.txn = ?",
        ))?
        .query_row(params![account.0, txn], |row| {
            const NEXT: usize = row::CHALLENGE_COLUMNS;
            Ok(Timeline {
                challenge: row::challenge(row)?,
                system: row.get(NEXT)?,
                auth_id: row.get(NEXT + 1)?,
                created_at: row::moment(row, NEXT + 2)?,
                opened_at: row::optional_moment(row, NEXT + 3)?,
                ended_at: row::optional_moment(row, NEXT + 4)?,
                messages: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut timeline) = found else { return Ok(None) };
    timeline.messages = connection
        .prepare_cached(
            "SELECT kind, channel, state, tries, provider, queued_at, accepted_at, delivered_at
             FROM outbox WHERE challenge_id = ? ORDER BY id",
        )?
        .query_map([timeline.challenge.id], |row| {
            Ok(SentMessage {
                kind: row::parsed(row, 0, Kind::parse)?,
                channel: row::channel(row, 1)?,
                state: row.get(2)?,
                tries: row.get(3)?,
                provider: row.get(4)?,
                queued_at: row::moment(row, 5)?,
                accepted_at: row::optional_moment(row, 6)?,
                delivered_at: row::optional_moment(row, 7)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Some(timeline))
}

/// The challenge was read in the same transaction, and no other writes meanwhile.
fn apply(
    connection: &Connection,
    challenge: &Challenge,
    writes: &Writes,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let state = writes.state.unwrap_or(State::Pending);
    let ended_at = writes.state.map(|_| now.as_millis());
    connection
        .prepare_cached(
            "UPDATE challenges SET attempts = ?, state = ?, claimed = ?, ended_at = ? WHERE id = ?",
        )?
        .execute(params![
            writes.attempts,
            state.as_str(),
            writes.claimed,
            ended_at,
            challenge.id
        ])?;
    match writes.failures {
        FailureChange::Keep => {}
        FailureChange::Clear => {
            connection
                .prepare_cached("DELETE FROM failures WHERE user_id = ? AND method = ?")?
                .execute(params![challenge.user, challenge.method.as_str()])?;
        }
        FailureChange::Set(failures) => {
            connection
                .prepare_cached(
                    "INSERT INTO failures (user_id, method, in_row, streak, last_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET in_row = ?3, streak = ?4, last_at = ?5",
                )?
                .execute(params![
                    challenge.user,
                    challenge.method.as_str(),
                    failures.in_row,
                    failures.streak,
                    failures.last_at.as_millis(),
                ])?;
        }
    }
    for &event in &writes.events {
        record_challenge(connection, challenge.id, event, None, now)?;
    }
    if writes.alert {
        alert(connection, challenge, now)?;
    }
    Ok(())
}

/// To where the challenge was sent: that way is known to be allowed.
fn alert(
    connection: &Connection,
    challenge: &Challenge,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let contact = connection
        .prepare_cached(
            "SELECT channel, address FROM outbox WHERE challenge_id = ? ORDER BY id DESC LIMIT 1",
        )?
        .query_row([challenge.id], |row| {
            Ok(ContactFacts {
                channel: row::channel(row, 0)?,
                address: row.get(1)?,
                sent: Vec::new(),
                prefix_today: 0,
            })
        })
        .optional()?;
    queue(connection, challenge, contact.as_ref(), Kind::Alert, now)
}
