//! Where a server keeps its data, and what can be counted there.

mod postgres;
mod sqlite;

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use self::postgres::Postgres;
use self::sqlite::Sqlite;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A file, by the library in the server's own process
    Sqlite,
    /// A PostgreSQL server of its own, as durable as it is by default
    Postgres,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A store that is gone with this.
#[derive(Debug)]
pub(crate) enum Store {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What a store takes on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Once everything is where it stays.
    pub(crate) data: u64,
    /// What was written ahead since there is the store, if that is counted.
    pub(crate) log: Option<u64>,
}

impl Store {
    pub(crate) fn open(kind: Kind) -> Result<Self, String> {
        match kind {
            Kind::Sqlite => Sqlite::open().map(Self::Sqlite),
            Kind::Postgres => Postgres::open().map(Self::Postgres),
        }
    }

    /// What the server is told with `--database`.
    pub(crate) fn database(&self) -> String {
        match self {
            Self::Sqlite(sqlite) => sqlite.path().display().to_string(),
            Self::Postgres(postgres) => postgres.url(),
        }
    }

    /// A folder on the disk that is written to.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(sqlite) => sqlite.folder(),
            Self::Postgres(postgres) => postgres.folder(),
        }
    }

    /// In words, with what it promises.
    pub(crate) async fn description(&self) -> Result<String, String> {
        match self {
            Self::Sqlite(sqlite) => sqlite.description().await,
            Self::Postgres(postgres) => postgres.description(),
        }
    }

    /// How many transactions have written, each durable before it was answered.
    pub(crate) fn commits(&self) -> Result<u64, String> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commits(),
            Self::Postgres(postgres) => postgres.commits(),
        }
    }

    /// How often the write-ahead log went to the disk, where several commits can share that.
    pub(crate) async fn syncs(&self) -> Result<Option<u64>, String> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(postgres) => postgres.syncs().await.map(Some),
        }
    }

    /// The processor time of its own processes.
    pub(crate) fn cpu(&self) -> Duration {
        match self {
            Self::Sqlite(_) => Duration::ZERO,
            Self::Postgres(postgres) => postgres.cpu(),
        }
    }

    /// Brings everything to where it stays, and measures it.
    pub(crate) async fn size(&self) -> Result<Size, String> {
        match self {
            Self::Sqlite(sqlite) => sqlite.size().await,
            Self::Postgres(postgres) => postgres.size(),
        }
    }

    /// Runs a statement beside the server, and gives the first column of what it answers.
    pub(crate) async fn execute(&self, sql: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Sqlite(sqlite) => sqlite.execute(sql).await,
            Self::Postgres(postgres) => postgres.execute(sql),
        }
    }
}
