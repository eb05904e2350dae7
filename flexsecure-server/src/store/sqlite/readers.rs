use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rusqlite::Connection;

use super::connection::open_reader;
use crate::StoreError;

/// Connections that only read: as many as read at the same moment, which is one a thread.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open_reader(&self.path), Ok)?;
        let result = work(&connection);
        // One whose transaction was not ended would show the same moment for ever.
        if connection.is_autocommit() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        result
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::connection::open_writer;

    #[test]
    fn a_connection_that_still_looks_at_one_moment_does_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flexsecure.db");
        let writer = open_writer(&path).unwrap();
        let readers = Readers::new(path);
        let version = || {
            readers.with(|reader| {
                Ok(reader.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?)
            })
        };
        let failed = readers.with(|reader| {
            reader.execute_batch("BEGIN; PRAGMA user_version")?;
            Err::<(), _>(StoreError::Undone)
        });
        assert!(matches!(failed, Err(StoreError::Undone)));
        writer.pragma_update(None, "user_version", 1_000).unwrap();
        assert_eq!(version().unwrap(), 1_000);
    }
}
