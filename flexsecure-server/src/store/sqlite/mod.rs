//! SQLite: one file, one thread that writes, and every race decided by the order in which it does.

mod audit;
mod challenges;
mod condition;
mod connection;
mod directory;
mod keys;
mod outbox;
mod readers;
mod row;
mod start;
mod transfer;
mod users;
mod writer;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use rusqlite::Connection;

pub(crate) use self::condition::condition;
use self::{readers::Readers, writer::Writer};
use super::Store;
use crate::StoreError;

/// A database file that this process writes. Another one may too (the command line does), and waits its turn.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Sqlite {
    /// Opens the file, makes it if there is none, and brings it up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            let writer = connection::open_writer(&path)?;
            Ok(Self { writer: Writer::spawn(writer)?, readers: Arc::new(Readers::new(path)) })
        })
        .await
        .map_err(StoreError::interrupted)?
    }

    /// Runs `work` in a transaction of its own or of several, which is durable before this returns.
    async fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// A look-up takes microseconds: less than to hand it to another thread and back.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.with(work)
    }

    /// Several look-ups, of the same moment: the file is locked once for all of them.
    fn read_at_once<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.with(|connection| {
            connection.prepare_cached("BEGIN")?.execute([])?;
            let read = work(connection)?;
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(read)
        })
    }

    /// What reads many rows, away from the threads that answer requests.
    async fn read_much<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || readers.with(work))
            .await
            .map_err(StoreError::interrupted)?
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn ping(&self) -> Result<(), StoreError> {
        self.write(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }

    /// No other process serves a file.
    fn announce(&self, _challenge: i64) {}

    async fn announced(&self) {}
}
