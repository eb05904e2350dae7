//! What users answer, decided and written down.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};

use super::{
    groups::{Grouped, begin, index_of, rounds, wave},
    keys::{touched, touched_before},
    lookups::find,
    retry::TRIES,
    row,
    start::counted_under,
};
use crate::{
    StoreError, UnixMillis,
    challenge::{
        Challenge, Decision, FailureChange, Outcome, ServiceError, State, Writes, judge_decision,
        judge_pin,
        limits::{self, Failures},
    },
    store::{Kind, PinSubmission, Submitted},
};

/// A PIN that waits for its transaction.
#[derive(Debug)]
pub(super) struct Submitting {
    pub(super) submission: PinSubmission,
    pub(super) now: UnixMillis,
}

#[async_trait]
impl Grouped for Submitting {
    /// None, if there is no such challenge.
    type Answer = Result<Option<Submitted>, ServiceError>;

    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError> {
        let now = group.iter().map(|submitting| submitting.now).max().unwrap_or_default();
        let mut transaction = begin(pool, group.len()).await?;
        let locked = lock(&mut transaction, group).await?;
        let mut answers = BTreeMap::new();
        let mut left: Vec<usize> = (0..group.len()).collect();
        for _ in 0..rounds(group.len()) {
            let wave = wave(&left, |index| group.get(index).map(Self::user).into_iter().collect());
            let lookups =
                wave.iter().filter_map(|&index| Some(group.get(index)?.submission.lookup()));
            let lookups: Vec<_> = lookups.collect();
            let mut found = find(&mut *transaction, &lookups).await?;
            let mut judged = Vec::with_capacity(wave.len());
            for (position, index) in wave.into_iter().enumerate() {
                let submitting = group.get(index).ok_or(StoreError::Undone)?;
                let Some((checked, failures)) = found.remove(&position) else {
                    answers.insert(index, Some(Ok(None)));
                    continue;
                };
                if !locked.contains(&index) {
                    answers.insert(index, None);
                    continue;
                }
                match judge_pin(&checked, failures, &submitting.submission.pin, now) {
                    Ok(judgement) => judged.push((index, checked.challenge, judgement)),
                    Err(error) => {
                        answers.insert(index, Some(Err(error)));
                    }
                }
            }
            let answered = judged.iter().filter_map(|(index, challenge, judgement)| {
                let api_key = group.get(*index).map(|submitting| submitting.submission.api_key);
                Some(Answered { challenge, writes: judgement.writes.as_ref()?, api_key })
            });
            let written = apply(&mut transaction, answered.collect(), now).await?;
            for (index, challenge, judgement) in judged {
                if judgement.writes.is_none() || written.contains(&challenge.id) {
                    let submitted = Submitted::new(challenge.id, &judgement);
                    answers.insert(index, Some(Ok(Some(submitted))));
                }
            }
            left.retain(|index| !answers.contains_key(index));
            if left.is_empty() {
                transaction.commit().await?;
                return Ok(answers.into_values().collect());
            }
        }
        Err(StoreError::Undone)
    }
}

impl Submitting {
    /// Two of the same are judged one after the other: a failure counts for all challenges of a user.
    fn user(&self) -> (i64, &str) {
        (self.submission.account.0, &self.submission.auth_id)
    }
}

/// Of several, only those are locked whom nobody else has: none is kept waiting by another's row.
async fn lock(
    connection: &mut PgConnection,
    group: &[Submitting],
) -> Result<HashSet<usize>, StoreError> {
    macro_rules! lock {
        ($others:literal) => {
            concat!(
                "SELECT r.position
                 FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY
                     AS r (account_id, auth_id, position)
                 JOIN users u ON u.id = (SELECT n.id FROM users n WHERE
                     n.account_id = r.account_id AND n.auth_id = r.auth_id)
                 WHERE NOT u.disabled ORDER BY u.id FOR NO KEY UPDATE OF u ",
                $others
            )
        };
    }
    let sql = if group.len() > 1 { lock!("SKIP LOCKED") } else { lock!("") };
    let (accounts, users): (Vec<_>, Vec<_>) = group.iter().map(Submitting::user).unzip();
    let locked: Vec<i64> =
        sqlx::query_scalar(sql).bind(accounts).bind(users).fetch_all(connection).await?;
    Ok(locked.into_iter().map(index_of).collect())
}

/// What the page of a link was told.
pub(super) async fn decide(
    pool: &PgPool,
    token_hash: &[u8; 32],
    decision: Decision,
    now: UnixMillis,
) -> Result<(Option<i64>, Outcome), StoreError> {
    let mut transaction = begin(pool, 1).await?;
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
        let answered = Answered { challenge: &challenge, writes: &writes, api_key: None };
        if !apply(&mut transaction, vec![answered], now).await?.is_empty() {
            transaction.commit().await?;
            return Ok((Some(challenge.id), outcome));
        }
    }
    Err(StoreError::Undone)
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

/// What an answer comes to.
struct Answered<'a> {
    challenge: &'a Challenge,
    writes: &'a Writes,
    /// By which it came.
    api_key: Option<i64>,
}

/// Writes it down, for those that are still as they were read: they are returned.
async fn apply(
    connection: &mut PgConnection,
    mut answered: Vec<Answered<'_>>,
    now: UnixMillis,
) -> Result<HashSet<i64>, StoreError> {
    if answered.is_empty() {
        return Ok(HashSet::new());
    }
    // The order in which all lock challenges.
    answered.sort_unstable_by_key(|answered| answered.challenge.id);
    let challenges = || answered.iter().map(|answered| answered.challenge);
    let writes = || answered.iter().map(|answered| answered.writes);
    let failures = || {
        writes().map(|writes| match writes.failures {
            FailureChange::Set(failures) => Some(failures),
            FailureChange::Keep | FailureChange::Clear => None,
        })
    };
    let events = writes().map(|writes| {
        let events: Vec<_> = writes.events.iter().map(|event| event.as_str()).collect();
        events.join(",")
    });
    let written: Vec<i64> = sqlx::query_scalar(concat!(
        "WITH judged AS (
             UPDATE challenges c SET attempts = r.attempts, state = r.state, claimed = r.claimed,
                 ended_at = CASE WHEN r.state <> 'pending' THEN $1 END
             FROM unnest($4::bigint[], $5::integer[], $6::text[], $7::boolean[], $8::integer[],
                     $9::boolean[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])
                 WITH ORDINALITY
                 AS r (id, attempts, state, claimed, read_attempts, clears, in_row, streak,
                     last_at, events, position)
             WHERE c.id = r.id AND c.state = $14 AND c.attempts = r.read_attempts
             RETURNING c.id, c.account_id, c.system_id, c.user_id, c.method, c.ip, r.clears,
                 r.in_row, r.streak, r.last_at, r.events, r.position
         ), cleared AS (
             DELETE FROM failures f USING judged j
             WHERE j.clears AND f.user_id = j.user_id AND f.method = j.method
         ), counted AS (
             INSERT INTO failures (user_id, method, in_row, streak, last_at)
             SELECT j.user_id, j.method, j.in_row, j.streak, j.last_at FROM judged j
             WHERE j.in_row IS NOT NULL
             ON CONFLICT (user_id, method)
             DO UPDATE SET in_row = excluded.in_row, streak = excluded.streak,
                 last_at = excluded.last_at
         ), trail AS (
             INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
             SELECT j.account_id, $1, e.event, s.name, u.auth_id, j.id, j.ip
             FROM judged j JOIN systems s ON s.id = j.system_id JOIN users u ON u.id = j.user_id
             CROSS JOIN LATERAL string_to_table(j.events, ',') WITH ORDINALITY AS e (event, step)
             ORDER BY j.position, e.step
         ), ",
        touched!(now: "$1", before: "$2", keys: "$3"),
        "
         SELECT id FROM judged"
    ))
    .bind(now.as_millis())
    .bind(touched_before(now))
    .bind(answered.iter().filter_map(|answered| answered.api_key).collect::<Vec<_>>())
    .bind(challenges().map(|challenge| challenge.id).collect::<Vec<_>>())
    .bind(writes().map(|writes| i32::from(writes.attempts)).collect::<Vec<_>>())
    .bind(
        writes().map(|writes| writes.state.unwrap_or(State::Pending).as_str()).collect::<Vec<_>>(),
    )
    .bind(writes().map(|writes| writes.claimed).collect::<Vec<_>>())
    .bind(challenges().map(|challenge| i32::from(challenge.attempts)).collect::<Vec<_>>())
    .bind(writes().map(|writes| writes.failures == FailureChange::Clear).collect::<Vec<_>>())
    .bind(failures().map(|set| set.map(|set| i64::from(set.in_row))).collect::<Vec<_>>())
    .bind(failures().map(|set| set.map(|set| i64::from(set.streak))).collect::<Vec<_>>())
    .bind(failures().map(|set| set.map(|set| set.last_at.as_millis())).collect::<Vec<_>>())
    .bind(events.collect::<Vec<_>>())
    .bind(State::Pending.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let written: HashSet<_> = written.into_iter().collect();
    for Answered { challenge, writes, .. } in answered {
        if writes.alert && written.contains(&challenge.id) {
            alert(connection, challenge, now).await?;
        }
    }
    Ok(written)
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
