//! What a run costs, seen from outside of the server.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::load::Run;
use crate::process;
use crate::store::{Size, Store};

/// A server and its store, of which counters are read before and after.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    pub(crate) server: u32,
    pub(crate) store: &'a Store,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    server: Duration,
    database: Duration,
    commits: u64,
}

/// What was taken between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) server: Duration,
    pub(crate) database: Duration,
    pub(crate) commits: u64,
    pub(crate) syncs: Option<u64>,
    pub(crate) data: Option<u64>,
    pub(crate) log: Option<u64>,
}

impl Meter<'_> {
    pub(crate) fn read(&self) -> Result<Reading, String> {
        let (server, database) = (process::cpu(self.server), self.store.cpu());
        Ok(Reading { server, database, commits: self.store.commits()? })
    }

    pub(crate) fn resident(&self) -> u64 {
        process::resident(self.server).unwrap_or_default()
    }

    /// What `run` costs, with all that is still done for it once it has its answers.
    pub(crate) async fn cost(
        &self,
        run: impl Future<Output = Result<Run, String>>,
    ) -> Result<(Run, Cost), String> {
        self.quiet().await?;
        let before = self.read()?;
        let run = run.await?;
        self.quiet().await?;
        let after = self.read()?;
        Ok((run, between(before, after)))
    }

    /// The same, with what stays on the disk.
    pub(crate) async fn whole_cost(
        &self,
        run: impl Future<Output = Result<Run, String>>,
    ) -> Result<(Run, Cost), String> {
        self.quiet().await?;
        let syncs = self.store.syncs().await?;
        let size = self.store.size().await?;
        let (run, mut cost) = self.cost(run).await?;
        let grown = self.store.size().await?;
        cost.data = Some(grown.data.saturating_sub(size.data));
        cost.log = log(grown).zip(log(size)).map(|(after, before)| after.saturating_sub(before));
        let synced = self.store.syncs().await?;
        cost.syncs = synced.zip(syncs).map(|(after, before)| after.saturating_sub(before));
        Ok((run, cost))
    }

    /// Returns once nothing has been written for a while.
    async fn quiet(&self) -> Result<(), String> {
        let began = Instant::now();
        let mut commits = self.store.commits()?;
        while began.elapsed() < LONGEST_QUIET {
            sleep(QUIET).await;
            let now = self.store.commits()?;
            if now == commits {
                break;
            }
            commits = now;
        }
        Ok(())
    }
}

const fn log(size: Size) -> Option<u64> {
    size.log
}

fn between(before: Reading, after: Reading) -> Cost {
    Cost {
        server: after.server.saturating_sub(before.server),
        database: after.database.saturating_sub(before.database),
        commits: after.commits.saturating_sub(before.commits),
        ..Cost::default()
    }
}

const QUIET: Duration = Duration::from_millis(250);
const LONGEST_QUIET: Duration = Duration::from_secs(10);
