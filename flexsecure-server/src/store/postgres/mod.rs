//! PostgreSQL: one database, many processes, and every race decided by a row that is locked.
//!
//! 1. Whatever changes a challenge on behalf of its user locks the user's row first, in a statement of its own. What is
//!    decided by is read in a later one, whose snapshot is after the wait: an earlier one would not show what the
//!    transaction that was waited for has written.
//! 2. What others change too (they withdraw and expire challenges) is updated on the condition that it is still as it
//!    was read, and the number of rows says whether it was.
//! 3. Locks are taken in one order: the user, what limits count under, the system, challenges by their id, counters.
//!    Nobody else waits with a lock that these need.

mod announcements;
mod audit;
mod challenges;
mod condition;
mod connection;
mod directory;
mod keys;
mod outbox;
mod retry;
mod row;
mod start;
mod transfer;
mod turns;
mod users;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::{PgPool, PgTransaction};

use self::{announcements::Announcements, turns::Turns};
pub(crate) use self::{condition::condition, connection::address};
use super::Store;
use crate::{StoreError, challenge::Waiters};

/// A database that other processes may serve at the same time.
pub(crate) struct Postgres {
    pool: PgPool,
    announcements: Announcements,
    turns: Turns,
}

impl Postgres {
    /// Opens the database and brings it up to date. With `waiters`, they are woken by what other processes announce.
    pub(crate) async fn open(
        url: &SecretString,
        waiters: Option<Arc<Waiters>>,
    ) -> Result<Self, StoreError> {
        let options = connection::options(url)?;
        connection::migrate(&options).await?;
        let pool = connection::pool(options.clone()).await?;
        let announcements = Announcements::new(pool.clone())?;
        if let Some(waiters) = waiters {
            announcements.listen(options, waiters).await?;
        }
        Ok(Self { pool, announcements, turns: Turns::default() })
    }

    async fn begin(&self) -> Result<PgTransaction<'static>, StoreError> {
        Ok(self.pool.begin().await?)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("connections", &self.pool.size()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Postgres {
    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    fn announce(&self, challenge: i64) {
        self.announcements.announce(challenge);
    }

    async fn announced(&self) {
        self.announcements.tell().await;
    }
}
