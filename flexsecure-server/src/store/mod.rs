//! Where everything is kept: one trait a subject, one struct a database.
//!
//! | file | role |
//! | --- | --- |
//! | `challenges`, `outbox`, `keys`, `directory` | what a database has to do, and what a mistake in it would cost |
//! | `audit` | what the trail can say |
//! | `condition` | what it looks like to whoever does not want to change it |
//! | `transfer`, `location` | from one database to another |
//! | `sqlite` | one file, one process that serves |
//! | `postgres` | one database, many processes |
//!
//! Whatever is decided, is decided by plain functions over plain data in [`challenge`](crate::challenge) and
//! [`directory`](crate::directory): a store reads what they need, and writes what they say, in one transaction.

mod audit;
mod challenges;
mod condition;
mod directory;
mod keys;
mod location;
mod outbox;
mod postgres;
#[cfg(test)]
mod races;
mod sqlite;
mod transfer;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub(crate) use self::{
    audit::{Entry, Event},
    challenges::{
        ApprovalRequest, Asked, ChallengeStore, CheckedChallenge, Lookup, PinSubmission,
        SentMessage, Start, Submitted, Timeline,
    },
    condition::{Condition, condition},
    directory::{DirectoryStore, PolicyChange, Put, Selection},
    keys::{KeyStore, LAST_USED_PRECISION, NewApiKey, Replacement, StoredApiKey},
    outbox::{Backlog, Due, Kind, OutboxStore, Settled, Settlement},
    postgres::{Postgres, address},
    sqlite::Sqlite,
    transfer::TransferStore,
};
pub use self::{location::DatabaseLocation, transfer::TransferError};
use crate::StoreError;

/// A database that keeps all of it.
#[async_trait]
pub(crate) trait Store:
    ChallengeStore + OutboxStore + KeyStore + DirectoryStore + TransferStore + fmt::Debug
{
    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Tells the other processes on the database that a challenge changed. What gets lost costs a waiting client the
    /// rest of its wait, nothing else.
    fn announce(&self, challenge: i64);

    /// Returns when they have been told, or can't be: for a process that is about to end.
    async fn announced(&self);
}

/// However many hold it.
pub(crate) type SharedStore = Arc<dyn Store>;

/// A tenant. No query does without one, but those that find out which it is: by an API key, a link's token, or a row
/// of the outbox.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct AccountId(pub(crate) i64);
