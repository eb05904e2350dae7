use std::{error::Error, io, path::PathBuf};

use flexsecure_core::page::PagesError;

use crate::{ServerKeysError, TlsError};

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Its disk is full, another process holds it too long, it can't be reached, or it is damaged.
    #[error("the database failed")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// It was made by a later version of this program.
    #[error("the database is of a later version ({version}): it needs a later flexsecure-server")]
    TooNew {
        /// Of its tables.
        version: i64,
    },
    /// The address of the database is not one that is understood. It may hold a password, so it is not shown.
    #[error(
        "the address of the database must be like postgres://user:password@host/database?sslmode=verify-full"
    )]
    MalformedUrl,
    /// The database server can't be worked with, as it is said.
    #[error("the database server can't be used: {0}")]
    Unsuitable(&'static str),
    /// What was written with something else that failed was undone with it.
    #[error("the database undid what was written")]
    Undone,
    /// Nothing is written any more: the process has to be started again.
    #[error("the database is not written any more")]
    Closed,
    /// The operating system gave no thread.
    #[error("no thread can be started for the database")]
    Thread(#[source] io::Error),
}

impl StoreError {
    /// For those whose transaction another one's failure ended.
    pub(crate) fn of_group(&self) -> Self {
        Self::Undone
    }

    pub(crate) fn interrupted(error: tokio::task::JoinError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Why a server, or its directory, could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is neither an inbox nor a way to send: nobody could be asked.
    #[error("no way to send messages is configured")]
    NoDelivery,
    /// Its folder is missing or not writable, or it is not such a database.
    #[error("the database {path} can't be opened")]
    Database {
        /// The file, or the address without user and password.
        path: PathBuf,
        /// What the database said.
        source: StoreError,
    },
    /// There is no place for throwaway data.
    #[error("no temporary folder can be made")]
    TemporaryFolder(#[source] io::Error),
    /// The file with the server's keys can't be used.
    #[error(transparent)]
    Keys(#[from] ServerKeysError),
    /// The TLS certificate or its key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What is in the folder of [`Config::pages`](crate::Config::pages) can't be used.
    #[error(transparent)]
    Pages(#[from] PagesError),
}

/// Why a server can't be served.
#[derive(Debug, thiserror::Error)]
#[error("the server can't be served")]
pub struct ServeError(#[from] TlsError);

/// Why what a running server has read can't be replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The file with the server's keys can't be used.
    #[error(transparent)]
    Keys(#[from] ServerKeysError),
    /// The TLS certificate or its key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
