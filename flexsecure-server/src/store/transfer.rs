//! From one database to another: a copy, a backup and a restore are the same thing.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::SharedStore;
use crate::StoreError;

/// All that a database holds goes through this, as of one moment, table by table.
#[async_trait]
pub(crate) trait TransferStore: Send + Sync + 'static {
    /// Sends every row and then [`Batch::End`], while others go on to write: what they write meanwhile is not among it.
    async fn give(&self, batches: mpsc::Sender<Batch>) -> Result<(), StoreError>;

    /// Takes every row, all of them or none: without an end that fits there is nothing.
    async fn take(&self, batches: mpsc::Receiver<Batch>) -> Result<Counts, TransferError>;
}

pub(crate) enum Batch {
    Rows {
        table: &'static Table,
        /// In the order of its columns.
        rows: Vec<Vec<Value>>,
    },
    /// There are no more, and so many there were.
    End(Counts),
}

pub(crate) enum Value {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
}

/// How many rows each of [`TABLES`] has.
pub(crate) type Counts = [u64; TABLE_COUNT];

pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// Whether `id` is counted up by the database.
    pub(crate) has_id: bool,
}

impl Table {
    /// With a comma between two.
    pub(crate) fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// 64 bits.
    Long,
    /// 32 bits.
    Integer,
    Boolean,
    Text,
    Bytes,
}

/// Copies all of `from` into `to`, which has to be empty, and sees that nothing is missing.
pub(crate) async fn transfer(
    from: &SharedStore,
    to: &SharedStore,
) -> Result<Vec<(&'static str, u64)>, TransferError> {
    let (sender, receiver) = mpsc::channel(BATCHES_UNDER_WAY);
    let (given, taken) = tokio::join!(from.give(sender), to.take(receiver));
    match (given, taken) {
        (_, Ok(taken)) => Ok(TABLES.iter().map(|table| table.name).zip(taken).collect()),
        // Why it ended tells more than that it did.
        (Err(error), Err(TransferError::Incomplete)) => Err(TransferError::Source(error)),
        (_, Err(error)) => Err(error),
    }
}

/// Whether all that was given is there.
pub(crate) fn verify(given: &Counts, taken: &Counts) -> Result<(), TransferError> {
    for ((table, &given), &taken) in TABLES.iter().zip(given).zip(taken) {
        if given != taken {
            return Err(TransferError::Counts { table: table.name, given, taken });
        }
    }
    Ok(())
}

/// Why a database could not be copied. The target is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// It has rows: what is copied would be mixed with them.
    #[error("the target is not empty: it has rows in `{table}`")]
    NotEmpty {
        /// The first of such tables.
        table: &'static str,
    },
    /// What was read is not what was written.
    #[error("of `{table}` {given} rows were read and {taken} written: nothing has been copied")]
    Counts {
        /// The table.
        table: &'static str,
        /// Rows read from the source.
        given: u64,
        /// Rows in the target.
        taken: u64,
    },
    /// A database can't be opened.
    #[error("the database {database} can't be opened")]
    Open {
        /// Which.
        database: String,
        /// What it said.
        source: StoreError,
    },
    /// The source failed.
    #[error("the source can't be read")]
    Source(#[source] StoreError),
    /// Not all of the source came.
    #[error("the source ended too early")]
    Incomplete,
    /// The target failed.
    #[error("the target can't be written")]
    Target(#[from] StoreError),
}

/// Rows that go over at once.
pub(crate) const BATCH: usize = 500;
const BATCHES_UNDER_WAY: usize = 4;

const TABLE_COUNT: usize = 12;

/// Every table with every column, those first that others refer to.
pub(crate) static TABLES: [Table; TABLE_COUNT] = {
    use Kind::{Boolean, Bytes, Integer, Long, Text};
    [
        Table {
            name: "accounts",
            columns: &[
                ("id", Long),
                ("name", Text),
                ("sms_countries", Text),
                ("sms_daily_budget", Long),
                ("created_at", Long),
            ],
            has_id: true,
        },
        Table {
            name: "systems",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("name", Text),
                ("pin", Boolean),
                ("passwordless", Boolean),
                ("requires_txn", Boolean),
                ("created_at", Long),
            ],
            has_id: true,
        },
        Table {
            name: "users",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("auth_id", Text),
                ("locale", Text),
                ("disabled", Boolean),
                ("created_at", Long),
            ],
            has_id: true,
        },
        Table {
            name: "contacts",
            columns: &[
                ("user_id", Long),
                ("position", Integer),
                ("account_id", Long),
                ("channel", Text),
                ("address", Text),
            ],
            has_id: false,
        },
        Table {
            name: "assignments",
            columns: &[
                ("user_id", Long),
                ("system_id", Long),
                ("account_id", Long),
                ("method", Text),
            ],
            has_id: false,
        },
        Table {
            name: "api_keys",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("name", Text),
                ("prefix", Text),
                ("server_key", Text),
                ("mac", Bytes),
                ("scopes", Text),
                ("system_id", Long),
                ("created_at", Long),
                ("expires_at", Long),
                ("last_used_at", Long),
                ("replaced_at", Long),
                ("revoked_at", Long),
            ],
            has_id: true,
        },
        Table {
            name: "challenges",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("txn", Text),
                ("system_id", Long),
                ("user_id", Long),
                ("operation", Text),
                ("binding", Text),
                ("method", Text),
                ("server_key", Text),
                ("nonce", Bytes),
                ("token_hash", Bytes),
                ("match_number", Integer),
                ("ip", Text),
                ("network", Text),
                ("user_agent", Text),
                ("created_at", Long),
                ("expires_at", Long),
                ("sent_at", Long),
                ("sends", Integer),
                ("attempts", Integer),
                ("state", Text),
                ("opened_at", Long),
                ("ended_at", Long),
                ("claimed", Boolean),
            ],
            has_id: true,
        },
        Table {
            name: "idempotency_keys",
            columns: &[("api_key_id", Long), ("key_hash", Bytes), ("challenge_id", Long)],
            has_id: false,
        },
        Table {
            name: "failures",
            columns: &[
                ("user_id", Long),
                ("method", Text),
                ("in_row", Integer),
                ("streak", Integer),
                ("last_at", Long),
            ],
            has_id: false,
        },
        Table {
            name: "outbox",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("user_id", Long),
                ("challenge_id", Long),
                ("kind", Text),
                ("channel", Text),
                ("address", Text),
                ("state", Text),
                ("tries", Integer),
                ("queued_at", Long),
                ("due_at", Long),
                ("provider", Text),
                ("reference", Text),
                ("accepted_at", Long),
                ("delivered_at", Long),
            ],
            has_id: true,
        },
        Table {
            name: "sms_counts",
            columns: &[("account_id", Long), ("prefix", Text), ("day", Long), ("count", Integer)],
            has_id: false,
        },
        Table {
            name: "audit",
            columns: &[
                ("id", Long),
                ("account_id", Long),
                ("at", Long),
                ("event", Text),
                ("system", Text),
                ("auth_id", Text),
                ("challenge_id", Long),
                ("api_key", Text),
                ("ip", Text),
                ("detail", Text),
            ],
            has_id: true,
        },
    ]
};
