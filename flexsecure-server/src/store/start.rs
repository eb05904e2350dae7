use std::{net::IpAddr, time::Duration};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Event, Store, api_keys,
    audit::{Subject, record, record_challenge},
    challenges::challenge,
    directory::method,
};
use crate::{
    Method, StoreError, UnixMillis,
    challenge::{Challenge, MatchNumber, StartRequest},
};

/// What a challenge is made of, drawn before it is known whether there will be one: a refusal costs the same.
#[derive(Debug)]
pub(crate) struct FreshChallenge<'a> {
    pub(crate) txn: String,
    pub(crate) server_key: &'a str,
    pub(crate) nonce: [u8; 32],
    pub(crate) token_hash: [u8; 32],
    pub(crate) match_number: MatchNumber,
    pub(crate) pin_life: Duration,
    pub(crate) link_life: Duration,
    pub(crate) resend_after: Duration,
}

/// What became of a start.
#[derive(Debug)]
pub(crate) enum Start {
    /// No such user or system, not assigned, disabled, or the policy is off.
    Refused,
    /// Nothing is to be sent.
    Repeated(Challenge),
    /// A message is due.
    Due(Challenge, Recipient),
}

/// Where the message of a challenge goes.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) email: Option<String>,
    pub(crate) sms: Option<String>,
}

struct Target {
    user: i64,
    system: i64,
    method: Method,
    recipient: Recipient,
}

impl Store {
    pub(crate) async fn start(
        &self,
        request: &StartRequest,
        fresh: &FreshChallenge<'_>,
        now: UnixMillis,
    ) -> Result<Start, StoreError> {
        let mut tx = self.begin().await?;
        api_keys::touch(&mut tx, request.api_key, now).await?;
        if let Some(challenge) = started_with_same_key(&mut tx, request, now).await? {
            tx.commit().await?;
            return Ok(Start::Repeated(challenge));
        }
        let Some(target) = target(&mut tx, request).await? else {
            let subject = Subject {
                system: Some(&request.system),
                auth_id: Some(&request.auth_id),
                api_key: None,
            };
            record(&mut tx, now, Event::StartRefused, subject).await?;
            tx.commit().await?;
            return Ok(Start::Refused);
        };
        end_what_is_over(&mut tx, request, &target, now).await?;
        let inserted = insert(&mut tx, request, fresh, &target, now).await?;
        let challenge = live(&mut tx, request, &target).await?;
        let due = if inserted {
            record_challenge(&mut tx, now, Event::Started, challenge.id).await?;
            true
        } else {
            resend(&mut tx, challenge.id, fresh.resend_after, now).await?
        };
        remember_key(&mut tx, request, challenge.id).await?;
        tx.commit().await?;
        Ok(if due { Start::Due(challenge, target.recipient) } else { Start::Repeated(challenge) })
    }
}

async fn started_with_same_key(
    connection: &mut SqliteConnection,
    request: &StartRequest,
    now: UnixMillis,
) -> Result<Option<Challenge>, StoreError> {
    let Some(key_hash) = &request.idempotency_key_hash else { return Ok(None) };
    let found = sqlx::query(
        "SELECT c.* FROM idempotency_keys i JOIN challenges c ON c.id = i.challenge_id
         WHERE i.api_key_id = ? AND i.key_hash = ? AND c.expires_at > ?",
    )
    .bind(request.api_key)
    .bind(key_hash.as_slice())
    .bind(now.as_millis())
    .try_map(|row: SqliteRow| challenge(&row))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

async fn remember_key(
    connection: &mut SqliteConnection,
    request: &StartRequest,
    challenge: i64,
) -> Result<(), StoreError> {
    let Some(key_hash) = &request.idempotency_key_hash else { return Ok(()) };
    sqlx::query(
        "INSERT INTO idempotency_keys (api_key_id, key_hash, challenge_id) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET challenge_id = excluded.challenge_id",
    )
    .bind(request.api_key)
    .bind(key_hash.as_slice())
    .bind(challenge)
    .execute(connection)
    .await?;
    Ok(())
}

async fn target(
    connection: &mut SqliteConnection,
    request: &StartRequest,
) -> Result<Option<Target>, StoreError> {
    let found = sqlx::query(
        "SELECT u.id AS user_id, s.id AS system_id, a.method, u.email, u.sms
         FROM assignments a JOIN users u ON u.id = a.user_id JOIN systems s ON s.id = a.system_id
         WHERE s.name = ? AND u.auth_id = ? AND u.disabled = 0
           AND CASE a.method WHEN 'pin' THEN s.pin ELSE s.passwordless END",
    )
    .bind(&request.system)
    .bind(&request.auth_id)
    .try_map(|row: SqliteRow| {
        Ok(Target {
            user: row.try_get("user_id")?,
            system: row.try_get("system_id")?,
            method: method(&row)?,
            recipient: Recipient { email: row.try_get("email")?, sms: row.try_get("sms")? },
        })
    })
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// Makes room under the unique index: what has run out, and what was started with the method the user had before.
async fn end_what_is_over(
    connection: &mut SqliteConnection,
    request: &StartRequest,
    target: &Target,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let ended: Vec<(i64, bool)> = sqlx::query_as(
        "UPDATE challenges
         SET state = CASE WHEN expires_at <= ?1 THEN 'expired' ELSE 'withdrawn' END
         WHERE system_id = ?2 AND user_id = ?3 AND operation = ?4 AND binding = ?5
           AND state = 'pending' AND (expires_at <= ?1 OR method <> ?6)
         RETURNING id, state = 'expired'",
    )
    .bind(now.as_millis())
    .bind(target.system)
    .bind(target.user)
    .bind(&request.operation)
    .bind(&request.binding)
    .bind(target.method.as_str())
    .fetch_all(&mut *connection)
    .await?;
    for (challenge, expired) in ended {
        let event = if expired { Event::Expired } else { Event::Withdrawn };
        record_challenge(connection, now, event, challenge).await?;
    }
    Ok(())
}

/// False if a live one is there: the unique index says so.
async fn insert(
    connection: &mut SqliteConnection,
    request: &StartRequest,
    fresh: &FreshChallenge<'_>,
    target: &Target,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let (life, token_hash, match_number) = match target.method {
        Method::Pin => (fresh.pin_life, None, None),
        Method::Passwordless => {
            (fresh.link_life, Some(fresh.token_hash.as_slice()), Some(fresh.match_number.as_u8()))
        }
    };
    let inserted = sqlx::query(
        "INSERT INTO challenges (txn, system_id, user_id, operation, binding, method, server_key,
             nonce, token_hash, match_number, ip, user_agent, created_at, sent_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14)
         ON CONFLICT (system_id, user_id, operation, binding) WHERE state = 'pending' DO NOTHING",
    )
    .bind(&fresh.txn)
    .bind(target.system)
    .bind(target.user)
    .bind(&request.operation)
    .bind(&request.binding)
    .bind(target.method.as_str())
    .bind(fresh.server_key)
    .bind(fresh.nonce.as_slice())
    .bind(token_hash)
    .bind(match_number)
    .bind(request.ip.as_ref().map(IpAddr::to_string))
    .bind(&request.user_agent)
    .bind(now.as_millis())
    .bind(now.saturating_add(life).as_millis())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Only the one of the same binding: whoever gets the `txn` of another can take its approval.
async fn live(
    connection: &mut SqliteConnection,
    request: &StartRequest,
    target: &Target,
) -> Result<Challenge, StoreError> {
    let found = sqlx::query(
        "SELECT * FROM challenges
         WHERE system_id = ? AND user_id = ? AND operation = ? AND binding = ?
           AND state = 'pending'",
    )
    .bind(target.system)
    .bind(target.user)
    .bind(&request.operation)
    .bind(&request.binding)
    .try_map(|row: SqliteRow| challenge(&row))
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// False within the cool-down.
async fn resend(
    connection: &mut SqliteConnection,
    challenge: i64,
    resend_after: Duration,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let due = sqlx::query("UPDATE challenges SET sent_at = ? WHERE id = ? AND sent_at <= ?")
        .bind(now.as_millis())
        .bind(challenge)
        .bind(now.saturating_sub(resend_after).as_millis())
        .execute(&mut *connection)
        .await?
        .rows_affected()
        == 1;
    if due {
        record_challenge(connection, now, Event::ResendAsked, challenge).await?;
    }
    Ok(due)
}
