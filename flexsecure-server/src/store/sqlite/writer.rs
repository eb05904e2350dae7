#[cfg(test)]
mod tests;

use std::{
    error::Error as _,
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::{StoreError, metrics};

/// The thread that owns the connection that writes.
///
/// What waits when a transaction begins, and what comes while it runs, shares its commit: the disk is asked once for
/// all of them. Each job is undone alone if it fails, and nobody is told anything before the commit.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn spawn(connection: Connection) -> Result<Self, StoreError> {
        let (sender, jobs) = mpsc::channel(WAITING);
        thread::Builder::new()
            .name("flexsecure-sqlite".to_owned())
            .spawn(move || write(&connection, jobs))
            .map_err(StoreError::Thread)?;
        Ok(Self { jobs: sender })
    }

    pub(super) async fn run<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // What it logs belongs to whoever asks.
        let span = Span::current();
        let work = move |connection: &Connection| span.in_scope(|| work(connection));
        let (reply, replied) = oneshot::channel();
        let job = Work { work: Some(work), result: None, reply: Some(reply) };
        self.jobs.send(Box::new(job)).await.map_err(|_| StoreError::Closed)?;
        replied.await.map_err(|_| StoreError::Closed)?
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

trait Job: Send {
    /// True if what it wrote is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Called once, when it is known whether the transaction is durable.
    fn reply(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Work<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
}

impl<F, T, E> Job for Work<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = work(connection);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn reply(mut self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result.take()) {
            // An error of its own is what it is, whatever became of the others.
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(done)) => done,
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(StoreError::Closed.into()),
        };
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have left.
            let _unheard = reply.send(result);
        }
    }
}

fn write(connection: &Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = Vec::new();
        let committed = commit_group(connection, first, &mut jobs, &mut group);
        if committed.is_err() && !connection.is_autocommit() {
            let _undone = connection.execute_batch("ROLLBACK");
        }
        if let Err(error) = &committed {
            // Whoever asks is told that it was undone; why is told here.
            let source = error.source();
            tracing::error!(error = %error, source, calls = group.len(), "a transaction failed");
        }
        for job in group {
            job.reply(committed.as_ref().copied().map_err(StoreError::of_group));
        }
    }
}

fn commit_group(
    connection: &Connection,
    first: Box<dyn Job>,
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    let mut next = Some(first);
    let begun =
        connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
    if let Err(error) = begun {
        group.extend(next);
        // Who came meanwhile has waited too: one after the other, the last would wait for all of them.
        group.extend(iter::from_fn(|| jobs.try_recv().ok()));
        return Err(error.into());
    }
    while let Some(mut job) = next {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        // A mistake in one job must not end the thread that all depend on.
        let run = AssertUnwindSafe(|| job.run(connection));
        let keep = catch_unwind(run).unwrap_or(false);
        group.push(job);
        if connection.is_autocommit() {
            // A full disk ends the whole transaction.
            return Err(StoreError::Undone);
        }
        if !keep {
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
        next = (group.len() < GROUP).then(|| jobs.try_recv().ok()).flatten();
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    metrics::committed();
    Ok(())
}

/// Jobs that share a commit, at most: how long the first of them waits for the others.
const GROUP: usize = 256;

/// Jobs that wait; whoever comes then waits to be let in.
const WAITING: usize = 4_096;
