use std::path::PathBuf;

use flexsecure_core::page::PagesError;

use crate::{ServerKeysError, TlsError};

/// The database failed: its disk is full, another process holds it too long, or it is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub struct StoreError(#[from] sqlx::Error);

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
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: StoreError,
    },
    /// There is no place for throwaway data.
    #[error("no temporary folder can be made")]
    TemporaryFolder(#[source] std::io::Error),
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
