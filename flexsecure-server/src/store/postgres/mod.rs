//! PostgreSQL: one database, many processes, and every race decided by a row that is locked.
//!
//! 1. Whatever changes a challenge on behalf of its user locks the user's row first, in a statement of its own. What is
//!    decided by is read in a later one, whose snapshot is after the wait: an earlier one would not show what the
//!    transaction that was waited for has written.
//! 2. What others change too (they withdraw and expire challenges) is updated on the condition that it is still as it
//!    was read, and the number of rows says whether it was.
//! 3. Locks are taken in one order: users by their id, what limits count under, systems, challenges by their id,
//!    counters. Nobody else waits with a lock that these need. Where several are decided one after the other in a
//!    transaction, the second may take what the first would have had to take before: PostgreSQL ends one of two that
//!    wait for each other, and that one is carried out again.
//! 4. Requests share statements and transactions, see `groups`. Two that concern the same user, address, network or
//!    budget are decided one after the other, and the second by what the first has written. Who would have to wait for
//!    somebody else's transaction waits alone.
//!
//! 5. A plan is made once, perhaps for empty tables. So that it can only be the right one, `state` is compared with a
//!    parameter, not with a literal, wherever a challenge is named by its id: a literal invites an index of all that is
//!    pending.
//!
//! | file | role |
//! | --- | --- |
//! | `connection`, `retry`, `turns`, `groups` | how the database is asked, and for how many at once |
//! | `lookups` | API keys and challenges that are only looked at |
//! | `start` | challenges and their messages come into being |
//! | `answers` | PINs, approvals and refusals |
//! | `challenges` | the rest of a challenge's life |
//! | `outbox`, `announcements` | what goes out: messages to users, changes to other processes |
//! | `directory`, `users`, `keys` | who and what is known |
//! | `audit`, `condition`, `transfer`, `row` | the trail, `doctor`, `store copy`, columns |

mod announcements;
mod answers;
mod audit;
mod challenges;
mod condition;
mod connection;
mod directory;
mod groups;
mod keys;
mod lookups;
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

use self::{
    announcements::Announcements,
    answers::Submitting,
    groups::Groups,
    lookups::{Looking, Polling, Presented},
    start::Starting,
    turns::Turns,
};
pub(crate) use self::{condition::condition, connection::address};
use super::Store;
use crate::{StoreError, challenge::Waiters};

/// A database that other processes may serve at the same time.
pub(crate) struct Postgres {
    pool: PgPool,
    announcements: Announcements,
    turns: Turns,
    presented: Groups<Presented>,
    lookups: Groups<Looking>,
    polls: Groups<Polling>,
    starts: Groups<Starting>,
    submissions: Groups<Submitting>,
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
        Ok(Self {
            announcements,
            turns: Turns::default(),
            presented: Groups::new(pool.clone()),
            lookups: Groups::new(pool.clone()),
            polls: Groups::new(pool.clone()),
            starts: Groups::new(pool.clone()),
            submissions: Groups::new(pool.clone()),
            pool,
        })
    }

    async fn begin(&self) -> Result<PgTransaction<'static>, StoreError> {
        begin(&self.pool, "BEGIN").await
    }
}

/// To its end, even if nobody waits for it any more: a connection whose `BEGIN` was given up half-way would come back to
/// the others with a transaction that nobody ends.
async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<PgTransaction<'static>, StoreError> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
    Ok(begun.map_err(StoreError::interrupted)??)
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
