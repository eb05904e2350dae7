use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{Event, Store, api_keys, audit::record_challenge, directory::method};
use crate::{
    StoreError, UnixMillis,
    challenge::{Challenge, MAX_ATTEMPTS, MatchNumber, State},
};

/// What the approval page shows.
#[derive(Debug)]
pub(crate) struct ApprovalRequest {
    pub(crate) challenge: Challenge,
    pub(crate) system: String,
    pub(crate) operation: String,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: UnixMillis,
}

impl Store {
    /// With `txn`, that challenge; without, the newest of the user on the system.
    pub(crate) async fn challenge(
        &self,
        system: &str,
        auth_id: &str,
        txn: Option<&str>,
    ) -> Result<Option<Challenge>, StoreError> {
        let found = sqlx::query(
            "SELECT c.* FROM challenges c
             JOIN systems s ON s.id = c.system_id JOIN users u ON u.id = c.user_id
             WHERE s.name = ?1 AND u.auth_id = ?2 AND u.disabled = 0 AND (?3 IS NULL OR c.txn = ?3)
             ORDER BY c.id DESC LIMIT 1",
        )
        .bind(system)
        .bind(auth_id)
        .bind(txn)
        .try_map(|row: SqliteRow| challenge(&row))
        .fetch_optional(&self.readers)
        .await?;
        Ok(found)
    }

    /// Takes the one approval that a check without `txn` may have. False if it was taken.
    pub(crate) async fn claim(&self, challenge: i64, now: UnixMillis) -> Result<bool, StoreError> {
        let updated = sqlx::query(
            "UPDATE challenges SET claimed = 1
             WHERE id = ? AND claimed = 0 AND state = 'authenticated' AND expires_at > ?",
        )
        .bind(challenge)
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Counts an attempt. `None` if none may be made: the challenge is not live, or its attempts are used up.
    pub(crate) async fn attempt(
        &self,
        challenge: i64,
        api_key: i64,
        now: UnixMillis,
    ) -> Result<Option<Attempt>, StoreError> {
        let mut tx = self.begin().await?;
        let counted: Option<u8> = sqlx::query_scalar(
            "UPDATE challenges SET attempts = attempts + 1
             WHERE id = ? AND state = 'pending' AND expires_at > ? AND attempts < ?
             RETURNING attempts",
        )
        .bind(challenge)
        .bind(now.as_millis())
        .bind(MAX_ATTEMPTS)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(attempts) = counted else { return Ok(None) };
        api_keys::touch(&mut tx, api_key, now).await?;
        Ok(Some(Attempt { tx, challenge, attempts, now }))
    }

    pub(crate) async fn approval_request(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<ApprovalRequest>, StoreError> {
        let found = sqlx::query(
            "SELECT c.*, s.name AS system FROM challenges c
             JOIN systems s ON s.id = c.system_id JOIN users u ON u.id = c.user_id
             WHERE c.token_hash = ? AND u.disabled = 0",
        )
        .bind(token_hash.as_slice())
        .try_map(|row: SqliteRow| {
            Ok(ApprovalRequest {
                challenge: challenge(&row)?,
                system: row.try_get("system")?,
                operation: row.try_get("operation")?,
                ip: row.try_get("ip")?,
                user_agent: row.try_get("user_agent")?,
                created_at: UnixMillis::new(row.try_get("created_at")?),
            })
        })
        .fetch_optional(&self.readers)
        .await?;
        Ok(found)
    }

    /// Ends a live challenge. False if it was not live any more, or its user was disabled.
    pub(crate) async fn end(
        &self,
        challenge: i64,
        state: State,
        event: Event,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query(
            "UPDATE challenges SET state = ? WHERE id = ? AND state = 'pending' AND expires_at > ?
             AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_id AND u.disabled = 0)",
        )
        .bind(state.as_str())
        .bind(challenge)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if ended {
            record_challenge(&mut tx, now, event, challenge).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    pub(crate) async fn record(
        &self,
        challenge: i64,
        event: Event,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        record_challenge(&mut tx, now, event, challenge).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Marks what has run out, and forgets what ran out before `forget_before`.
    pub(crate) async fn sweep(
        &self,
        forget_before: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let expired: Vec<i64> = sqlx::query_scalar(
            "UPDATE challenges SET state = 'expired' WHERE state = 'pending' AND expires_at <= ?
             RETURNING id",
        )
        .bind(now.as_millis())
        .fetch_all(&mut *tx)
        .await?;
        for challenge in expired {
            record_challenge(&mut tx, now, Event::Expired, challenge).await?;
        }
        sqlx::query("DELETE FROM challenges WHERE expires_at <= ?")
            .bind(forget_before.as_millis())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// An attempt that has been counted. Dropped without a verdict, it has not been made, and nobody was told anything.
pub(crate) struct Attempt {
    tx: Transaction<'static, Sqlite>,
    challenge: i64,
    attempts: u8,
    now: UnixMillis,
}

impl Attempt {
    pub(crate) fn attempts_left(&self) -> u8 {
        MAX_ATTEMPTS.saturating_sub(self.attempts)
    }

    /// False if the challenge ended meanwhile. The caller is told of it, so the approval is claimed with it.
    pub(crate) async fn succeed(mut self) -> Result<bool, StoreError> {
        let updated = sqlx::query(
            "UPDATE challenges SET state = 'authenticated', claimed = 1
             WHERE id = ? AND state = 'pending' AND expires_at > ?",
        )
        .bind(self.challenge)
        .bind(self.now.as_millis())
        .execute(&mut *self.tx)
        .await?;
        let succeeded = updated.rows_affected() == 1;
        if succeeded {
            record_challenge(&mut self.tx, self.now, Event::Authenticated, self.challenge).await?;
        }
        self.tx.commit().await?;
        Ok(succeeded)
    }

    pub(crate) async fn fail(mut self) -> Result<(), StoreError> {
        record_challenge(&mut self.tx, self.now, Event::WrongPin, self.challenge).await?;
        if self.attempts_left() == 0 {
            sqlx::query("UPDATE challenges SET state = 'locked' WHERE id = ?")
                .bind(self.challenge)
                .execute(&mut *self.tx)
                .await?;
            record_challenge(&mut self.tx, self.now, Event::Locked, self.challenge).await?;
        }
        self.tx.commit().await?;
        Ok(())
    }
}

pub(super) fn challenge(row: &SqliteRow) -> Result<Challenge, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    Ok(Challenge {
        id: row.try_get("id")?,
        txn: row.try_get("txn")?,
        method: method(row)?,
        server_key: row.try_get("server_key")?,
        nonce: row.try_get("nonce")?,
        match_number: row.try_get::<Option<u8>, _>("match_number")?.map(MatchNumber::stored),
        expires_at: UnixMillis::new(row.try_get("expires_at")?),
        attempts: row.try_get("attempts")?,
        state: State::parse(state).ok_or_else(|| sqlx::Error::Decode("unknown state".into()))?,
        claimed: row.try_get("claimed")?,
    })
}
