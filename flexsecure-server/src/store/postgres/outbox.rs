use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use super::{Postgres, audit::record_challenges, retry::retry, row};
use crate::{
    StoreError, UnixMillis,
    challenge::State,
    store::{Backlog, Due, Event, Kind, OutboxStore, Settled, Settlement},
};

/// Whether somebody still needs the message `o` at `$7`.
macro_rules! wanted {
    () => {
        "(o.kind <> 'challenge' OR EXISTS (
             SELECT 1 FROM challenges c
             WHERE c.id = o.challenge_id AND c.state = $15 AND c.expires_at > $7
         ))"
    };
}
#[async_trait]
impl OutboxStore for Postgres {
    async fn exchange(
        &self,
        settled: Vec<Settled>,
        room: u32,
        due_before: UnixMillis,
        lease: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Due>, StoreError> {
        let settled = Columns::from_rows(settled);
        retry(|| self.exchange_once(&settled, room, due_before, lease, now)).await
    }

    async fn receipt(
        &self,
        provider: &str,
        reference: &str,
        delivered: bool,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        retry(|| self.note_receipt(provider, reference, delivered, now)).await
    }

    async fn backlog(&self, now: UnixMillis) -> Result<Backlog, StoreError> {
        let backlog = sqlx::query(
            "SELECT count(*), min(queued_at) FROM outbox
             WHERE due_at IS NOT NULL AND state = 'queued'",
        )
        .try_map(|row: PgRow| {
            let oldest = row::optional_moment(&row, 1)?;
            Ok(Backlog {
                queued: row::count(&row, 0)?.into(),
                oldest: oldest.map_or(Duration::ZERO, |oldest| now.saturating_since(oldest)),
            })
        })
        .fetch_one(&self.pool)
        .await?;
        Ok(backlog)
    }
}

impl Postgres {
    /// One statement, as no row is in two parts of it: what is settled or given up by its lease is being sent, what is
    /// taken is queued and wanted, and what is given up besides is queued and not.
    ///
    /// Rows that another process has locked are skipped: it is taking them, or giving them up, just now.
    async fn exchange_once(
        &self,
        settled: &Columns,
        room: u32,
        due_before: UnixMillis,
        lease: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Due>, StoreError> {
        let taken = sqlx::query(concat!(
            "WITH settled AS (
                 UPDATE outbox o SET state = t.state, provider = t.provider,
                     reference = t.reference, due_at = t.due_at,
                     accepted_at = CASE t.state WHEN 'accepted' THEN $7::bigint END
                 FROM unnest($1, $2, $3, $4, $5, $6, $14)
                     AS t (id, state, provider, reference, due_at, event, tries)
                 WHERE o.id = t.id AND o.state = 'sending' AND o.tries = t.tries
                 RETURNING o.challenge_id, t.event, t.provider AS detail
             ), over AS (
                 SELECT o.id FROM outbox o
                 WHERE o.due_at <= $7 AND o.id <> ALL ($1)
                   AND (o.state = 'sending' OR NOT ",
            wanted!(),
            ")
                 LIMIT $11 FOR NO KEY UPDATE OF o SKIP LOCKED
             ), given_up AS (
                 UPDATE outbox o SET due_at = NULL,
                     state = CASE o.state WHEN 'sending' THEN 'unknown' ELSE 'failed' END
                 FROM over WHERE o.id = over.id
                 RETURNING o.challenge_id,
                     CASE o.state WHEN 'unknown' THEN $12 ELSE $13 END AS event, 'over' AS detail
             ), due AS (
                 SELECT o.id FROM outbox o WHERE o.due_at <= $8 AND o.state = 'queued' AND ",
            wanted!(),
            "
                 ORDER BY o.due_at LIMIT $9 FOR NO KEY UPDATE OF o SKIP LOCKED
             ), taken AS (
                 UPDATE outbox o SET state = 'sending', tries = o.tries + 1, due_at = $10
                 FROM due WHERE o.id = due.id
                 RETURNING o.id, o.challenge_id, o.user_id, o.kind, o.channel, o.address, o.tries
             ), trail AS (
                 INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip,
                     detail)
                 SELECT c.account_id, $7, e.event, s.name, u.auth_id, c.id, c.ip, e.detail
                 FROM (SELECT * FROM settled WHERE event IS NOT NULL
                       UNION ALL SELECT * FROM given_up) e
                 JOIN challenges c ON c.id = e.challenge_id
                 JOIN systems s ON s.id = c.system_id JOIN users u ON u.id = c.user_id
             )
             SELECT o.id, o.challenge_id, o.kind, o.channel, o.address, u.locale, o.tries, s.name,
                 c.operation, c.method, c.server_key, c.nonce, c.expires_at
             FROM taken o JOIN challenges c ON c.id = o.challenge_id
             JOIN users u ON u.id = o.user_id JOIN systems s ON s.id = c.system_id ORDER BY o.id",
        ))
        .bind(&settled.ids)
        .bind(&settled.states)
        .bind(&settled.providers)
        .bind(&settled.references)
        .bind(&settled.due)
        .bind(&settled.events)
        .bind(now.as_millis())
        .bind(due_before.as_millis())
        .bind(i64::from(room))
        .bind(now.saturating_add(lease).as_millis())
        .bind(GIVEN_UP_AT_ONCE)
        .bind(Event::SendUnknown.as_str())
        .bind(Event::SendFailed.as_str())
        .bind(&settled.tries)
        .bind(State::Pending.as_str())
        .try_map(|row: PgRow| {
            Ok(Due {
                id: row.try_get(0)?,
                challenge: row.try_get(1)?,
                kind: row::parsed(&row, 2, Kind::parse)?,
                channel: row::channel(&row, 3)?,
                address: row.try_get(4)?,
                locale: row.try_get(5)?,
                tries: row::integer(&row, 6)?,
                system: row.try_get(7)?,
                operation: row.try_get(8)?,
                method: row::method(&row, 9)?,
                server_key: row.try_get(10)?,
                nonce: row.try_get(11)?,
                expires_at: row::moment(&row, 12)?,
            })
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(taken)
    }

    async fn note_receipt(
        &self,
        provider: &str,
        reference: &str,
        delivered: bool,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let (state, event) = if delivered {
            ("delivered", Event::Delivered)
        } else {
            ("failed", Event::NotDelivered)
        };
        let mut transaction = self.begin().await?;
        let told: Vec<i64> = sqlx::query_scalar(
            "UPDATE outbox SET state = $1, delivered_at = CASE WHEN $2 THEN $3 END
             WHERE provider = $4 AND reference = $5 AND state = 'accepted' RETURNING challenge_id",
        )
        .bind(state)
        .bind(delivered)
        .bind(now.as_millis())
        .bind(provider)
        .bind(reference)
        .fetch_all(&mut *transaction)
        .await?;
        if !told.is_empty() {
            record_challenges(&mut transaction, &told, event, Some(provider), now).await?;
            transaction.commit().await?;
            return Ok(true);
        }
        // Providers tell the same thing twice.
        let known = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM outbox WHERE provider = $1 AND reference = $2)",
        )
        .bind(provider)
        .bind(reference)
        .fetch_one(&mut *transaction)
        .await?;
        Ok(known)
    }
}

/// What became of messages, column by column.
#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    tries: Vec<i32>,
    states: Vec<&'static str>,
    providers: Vec<Option<String>>,
    references: Vec<Option<String>>,
    due: Vec<Option<i64>>,
    events: Vec<Option<&'static str>>,
}

impl Columns {
    fn from_rows(settled: Vec<Settled>) -> Self {
        let mut columns = Self::default();
        for Settled { id, tries, settlement } in settled {
            let (state, provider, reference, due, event) = match settlement {
                Settlement::Accepted { provider, reference } => {
                    ("accepted", Some(provider), reference, None, Some(Event::Sent))
                }
                Settlement::Retry { at } => ("queued", None, None, Some(at.as_millis()), None),
                Settlement::Failed { undeliverable: true } => {
                    ("failed", None, None, None, Some(Event::Undeliverable))
                }
                Settlement::Failed { undeliverable: false } => {
                    ("failed", None, None, None, Some(Event::SendFailed))
                }
                Settlement::Unknown => ("unknown", None, None, None, Some(Event::SendUnknown)),
            };
            columns.ids.push(id);
            columns.tries.push(i32::try_from(tries).unwrap_or(i32::MAX));
            columns.states.push(state);
            columns.providers.push(provider);
            columns.references.push(reference);
            columns.due.push(due);
            columns.events.push(event.map(Event::as_str));
        }
        columns
    }
}

const GIVEN_UP_AT_ONCE: i64 = 500;
