//! What comes while a transaction is under way shares the next one.
//!
//! A statement for thirty costs PostgreSQL little more than a statement for one, and the disk is asked once for all of
//! them. Nobody waits for others to come: who is alone has a transaction of his own. Each is answered by what the
//! database was asked after he came.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    hash::Hash,
    iter, mem, slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{PgPool, PgTransaction};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};

use super::retry::{TRIES, code, is_damage, retry};
use crate::StoreError;

/// A transaction for `count`: several do not wait for what somebody else has locked, but go alone then.
pub(super) async fn begin(
    pool: &PgPool,
    count: usize,
) -> Result<PgTransaction<'static>, StoreError> {
    let alone = count <= 1;
    super::begin(pool, if alone { "BEGIN" } else { "BEGIN; SET LOCAL lock_timeout = '250ms'" })
        .await
}

/// What can be done for several at once.
#[async_trait]
pub(super) trait Grouped: Sized + Send + Sync + 'static {
    type Answer: Send + 'static;

    /// Does it in one transaction, or for none: an answer each, in the same order. None for those of several that would
    /// have to wait for somebody else's transaction.
    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError>;
}

/// Who waits for a transaction.
pub(super) struct Groups<J: Grouped>(Arc<Inner<J>>);

struct Inner<J: Grouped> {
    pool: PgPool,
    waiting: Mutex<Waiting<J>>,
    /// For those who go alone: they must not take all connections from the others.
    alone: Semaphore,
}

struct Waiting<J: Grouped> {
    jobs: VecDeque<(Instant, Job<J>)>,
    is_worked_on: bool,
}

type Job<J> = (J, Reply<J>);
type Reply<J> = oneshot::Sender<Result<<J as Grouped>::Answer, StoreError>>;

impl<J: Grouped> Groups<J> {
    pub(super) fn new(pool: PgPool) -> Self {
        let waiting = Mutex::new(Waiting { jobs: VecDeque::new(), is_worked_on: false });
        Self(Arc::new(Inner { pool, waiting, alone: Semaphore::new(ALONE_AT_ONCE) }))
    }

    /// It is carried out even if nobody waits for the answer any more.
    pub(super) async fn run(&self, job: J) -> Result<J::Answer, StoreError> {
        let (reply, replied) = oneshot::channel();
        let is_worked_on = {
            let mut waiting = self.0.waiting();
            waiting.jobs.push_back((Instant::now(), (job, reply)));
            mem::replace(&mut waiting.is_worked_on, true)
        };
        if !is_worked_on {
            tokio::spawn(Arc::clone(&self.0).work());
        }
        replied.await.map_err(|_| StoreError::Closed)?
    }
}

impl<J: Grouped> fmt::Debug for Groups<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").finish_non_exhaustive()
    }
}

impl<J: Grouped> Inner<J> {
    async fn work(self: Arc<Self>) {
        while let Some(group) = self.next() {
            // A mistake in one group must not end what all the others wait for.
            if let Err(error) = tokio::spawn(Arc::clone(&self).see_to(group)).await {
                tracing::error!(error = %error, "a group of requests was not carried out");
            }
        }
    }

    /// None if nobody waits any more: whoever comes next has to see to it himself.
    fn next(&self) -> Option<Vec<Job<J>>> {
        let mut waiting = self.waiting();
        let mut group = Vec::new();
        while group.len() < GROUP
            && let Some((since, (job, reply))) = waiting.jobs.pop_front()
        {
            if since.elapsed() < LONGEST_WAIT {
                group.push((job, reply));
            } else {
                // What is behind it is younger, and has a chance to be of use.
                let _unheard = reply.send(Err(sqlx::Error::PoolTimedOut.into()));
            }
        }
        waiting.is_worked_on = !group.is_empty();
        waiting.is_worked_on.then_some(group)
    }

    async fn see_to(self: Arc<Self>, group: Vec<Job<J>>) {
        let (jobs, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let answers = match self.carry_out(&jobs).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map(Ok)).collect(),
            // Nothing of the group was written.
            Err(error) if jobs.len() > 1 && is_of_one(&error) => {
                jobs.iter().map(|_| None).collect()
            }
            Err(error) => {
                let others = iter::repeat_with(|| Some(Err(error.of_group())));
                let mut answers: Vec<_> = others.take(jobs.len()).collect();
                if let Some(first) = answers.first_mut() {
                    *first = Some(Err(error));
                }
                answers
            }
        };
        for ((job, reply), answer) in jobs.into_iter().zip(replies).zip(answers) {
            match answer {
                // Whoever asked may have left.
                Some(answer) => drop(reply.send(answer)),
                None => drop(tokio::spawn(Arc::clone(&self).see_to_one(job, reply))),
            }
        }
    }

    /// Apart from the others, who go on.
    async fn see_to_one(self: Arc<Self>, job: J, reply: Reply<J>) {
        let answer = match timeout(LONGEST_WAIT, self.alone.acquire()).await {
            Ok(_permit) => self
                .carry_out(slice::from_ref(&job))
                .await
                .and_then(|answers| answers.into_iter().flatten().next().ok_or(StoreError::Undone)),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        };
        let _unheard = reply.send(answer);
    }

    /// A connection that has died without a word must not hold up those who come later.
    async fn carry_out(&self, jobs: &[J]) -> Result<Vec<Option<J::Answer>>, StoreError> {
        timeout(PATIENCE, retry(|| J::carry_out(&self.pool, jobs)))
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of `left` who share nothing with one before them, so that all can be decided by what is found at the same time.
/// The others come after them, and see what these have written.
pub(super) fn wave<S: Eq + Hash>(left: &[usize], shared: impl Fn(usize) -> Vec<S>) -> Vec<usize> {
    let mut taken = HashSet::new();
    let mut wave = Vec::with_capacity(left.len());
    for &index in left {
        let shared = shared(index);
        if shared.iter().all(|shared| !taken.contains(shared)) {
            wave.push(index);
        }
        // Whoever waits for one of these is not overtaken either.
        taken.extend(shared);
    }
    wave
}

/// Waves that are enough for a group of `count`: the first of a wave is behind nobody, but what it is about may change
/// while it is looked at.
pub(super) fn rounds(count: usize) -> usize {
    count.saturating_add(TRIES)
}

/// Of what PostgreSQL counts from one.
pub(super) fn index_of(position: i64) -> usize {
    usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// Whether the fault is with what one of them asks for, or with the row of one of them, and not with the database
/// (PostgreSQL, appendix A: data, constraints, and rows that somebody else has locked for too long).
fn is_of_one(error: &StoreError) -> bool {
    code(error).is_some_and(|code| matches!(code.get(..2), Some("22" | "23" | "55")))
        || is_damage(error)
}

/// Longer than the database works on a statement, or waits for a lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who has waited so long is told that there is no room: he will not wait much longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const ALONE_AT_ONCE: usize = 2;
/// How long the first of them waits for the others.
const GROUP: usize = 32;

#[cfg(test)]
mod tests;
