use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Sqlite, audit::record_challenge, row};
use crate::{
    StoreError, UnixMillis,
    store::{Backlog, Due, Event, Kind, OutboxStore, Settled, Settlement},
};

#[async_trait]
impl OutboxStore for Sqlite {
    async fn exchange(
        &self,
        settled: Vec<Settled>,
        room: u32,
        due_before: UnixMillis,
        lease: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Due>, StoreError> {
        self.write(move |connection| {
            for settled in &settled {
                settle(connection, settled, now)?;
            }
            give_up(connection, now)?;
            take(connection, room, due_before, now.saturating_add(lease))
        })
        .await
    }

    async fn receipt(
        &self,
        provider: &str,
        reference: &str,
        delivered: bool,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let (provider, reference) = (provider.to_owned(), reference.to_owned());
        self.write(move |connection| {
            let (state, event) = if delivered {
                ("delivered", Event::Delivered)
            } else {
                ("failed", Event::NotDelivered)
            };
            let told: Option<i64> = connection
                .prepare_cached(
                    "UPDATE outbox SET state = ?1, delivered_at = iif(?1 = 'delivered', ?2, NULL)
                     WHERE provider = ?3 AND reference = ?4 AND state = 'accepted'
                     RETURNING challenge_id",
                )?
                .query_row(params![state, now.as_millis(), provider, reference], |row| row.get(0))
                .optional()?;
            if let Some(challenge) = told {
                record_challenge(connection, challenge, event, Some(&provider), now)?;
                return Ok(true);
            }
            // Providers tell the same thing twice.
            let known = connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM outbox WHERE provider = ? AND reference = ?)",
                )?
                .query_row(params![provider, reference], |row| row.get(0))?;
            Ok(known)
        })
        .await
    }

    async fn backlog(&self, now: UnixMillis) -> Result<Backlog, StoreError> {
        self.read(|connection| {
            let backlog = connection
                .prepare_cached(
                    "SELECT count(*), min(queued_at) FROM outbox
                     WHERE due_at IS NOT NULL AND state = 'queued'",
                )?
                .query_row([], |row| {
                    let oldest = row.get::<_, Option<i64>>(1)?.map(UnixMillis::new);
                    Ok(Backlog {
                        queued: row.get::<_, u32>(0)?.into(),
                        oldest: oldest
                            .map_or(Duration::ZERO, |oldest| now.saturating_since(oldest)),
                    })
                })?;
            Ok(backlog)
        })
    }
}

/// What is not being sent any more has been given up, and stays so: its lease was over.
fn settle(connection: &Connection, settled: &Settled, now: UnixMillis) -> Result<(), StoreError> {
    let (state, provider, reference, due_at, event) = match &settled.settlement {
        Settlement::Accepted { provider, reference } => {
            ("accepted", Some(provider), reference.as_ref(), None, Some(Event::Sent))
        }
        Settlement::Retry { at } => ("queued", None, None, Some(at.as_millis()), None),
        Settlement::Failed { undeliverable } => {
            let event = if *undeliverable { Event::Undeliverable } else { Event::SendFailed };
            ("failed", None, None, None, Some(event))
        }
        Settlement::Unknown => ("unknown", None, None, None, Some(Event::SendUnknown)),
    };
    let accepted_at = (state == "accepted").then(|| now.as_millis());
    let challenge: Option<i64> = connection
        .prepare_cached(
            "UPDATE outbox SET state = ?, provider = ?, reference = ?, due_at = ?, accepted_at = ?
             WHERE id = ? AND state = 'sending' AND tries = ? RETURNING challenge_id",
        )?
        .query_row(
            params![state, provider, reference, due_at, accepted_at, settled.id, settled.tries],
            |row| row.get(0),
        )
        .optional()?;
    if let (Some(challenge), Some(event)) = (challenge, event) {
        record_challenge(connection, challenge, event, provider.map(String::as_str), now)?;
    }
    Ok(())
}

/// What was taken and never settled, and what nobody needs any more.
fn give_up(connection: &Connection, now: UnixMillis) -> Result<(), StoreError> {
    let given_up = connection
        .prepare_cached(
            "UPDATE outbox SET due_at = NULL, state = iif(state = 'sending', 'unknown', 'failed')
             WHERE due_at <= ?1 AND (state = 'sending' OR kind = 'challenge' AND NOT EXISTS
                 (SELECT 1 FROM challenges c WHERE c.id = challenge_id
                  AND c.state = 'pending' AND c.expires_at > ?1))
             RETURNING challenge_id, state = 'unknown'",
        )?
        .query_map([now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, bool)>, _>>()?;
    for (challenge, unknown) in given_up {
        let event = if unknown { Event::SendUnknown } else { Event::SendFailed };
        record_challenge(connection, challenge, event, Some("over"), now)?;
    }
    Ok(())
}

fn take(
    connection: &Connection,
    room: u32,
    due_before: UnixMillis,
    lease_ends: UnixMillis,
) -> Result<Vec<Due>, StoreError> {
    let taken = connection
        .prepare_cached(
            "UPDATE outbox SET state = 'sending', tries = tries + 1, due_at = ?
             WHERE id IN (SELECT id FROM outbox WHERE due_at <= ? AND state = 'queued'
                          ORDER BY due_at LIMIT ?)
             RETURNING id",
        )?
        .query_map(params![lease_ends.as_millis(), due_before.as_millis(), room], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    let mut due = connection.prepare_cached(
        "SELECT o.id, o.challenge_id, o.kind, o.channel, o.address, u.locale, o.tries, s.name,
             c.operation, c.method, c.server_key, c.nonce, c.expires_at
         FROM outbox o JOIN challenges c ON c.id = o.challenge_id
         JOIN users u ON u.id = o.user_id JOIN systems s ON s.id = c.system_id WHERE o.id = ?",
    )?;
    let mut rows = Vec::with_capacity(taken.len());
    for id in taken {
        rows.push(due.query_row([id], |row| {
            Ok(Due {
                id: row.get(0)?,
                challenge: row.get(1)?,
                kind: row::parsed(row, 2, Kind::parse)?,
                channel: row::channel(row, 3)?,
                address: row.get(4)?,
                locale: row.get(5)?,
                tries: row.get(6)?,
                system: row.get(7)?,
                operation: row.get(8)?,
                method: row::method(row, 9)?,
                server_key: row.get(10)?,
                nonce: row.get(11)?,
                expires_at: row::moment(row, 12)?,
            })
        })?);
    }
    Ok(rows)
}
