use std::{io, path::PathBuf, sync::Arc};

use secrecy::SecretString;

use super::{Postgres, SharedStore, Sqlite, TransferError, transfer::transfer};
use crate::{StoreError, config::Place};

/// A database by itself, without the server's keys.
#[derive(Clone, Debug)]
pub struct DatabaseLocation(Place);

impl DatabaseLocation {
    /// A file of SQLite.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// A database of PostgreSQL, such as `postgres://user:password@host/database`.
    #[must_use]
    pub fn postgres(url: impl Into<SecretString>) -> Self {
        Self(Place::Postgres(url.into()))
    }

    /// Copies all that is here, as of one moment and while it is served, into `target`, which has to be empty: all of
    /// it or nothing, with the number of rows compared. Says how many rows each table has.
    ///
    /// The keys of the server are in a file of their own, and not copied: the target needs the same ones.
    ///
    /// # Errors
    /// One of them can't be opened, read or written, the target is not empty, or not all of it came over.
    pub async fn copy_to(&self, target: &Self) -> Result<Vec<(&'static str, u64)>, TransferError> {
        if let Place::File(path) = &self.0
            && !path.exists()
        {
            let missing = io::Error::from(io::ErrorKind::NotFound);
            return Err(self.unopened(StoreError::Database(Box::new(missing))));
        }
        let from = self.open().await?;
        let to = target.open().await?;
        transfer(&from, &to).await
    }

    async fn open(&self) -> Result<SharedStore, TransferError> {
        let opened: Result<SharedStore, StoreError> = match &self.0 {
            Place::File(path) => Sqlite::open(path).await.map(|store| Arc::new(store) as _),
            Place::Postgres(url) => {
                Postgres::open(url, None).await.map(|store| Arc::new(store) as _)
            }
        };
        opened.map_err(|source| self.unopened(source))
    }

    fn unopened(&self, source: StoreError) -> TransferError {
        TransferError::Open { database: self.0.told(), source }
    }
}
