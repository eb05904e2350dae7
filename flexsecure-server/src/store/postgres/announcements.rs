//! What changed in one process, told to the others, so that whoever waits there need not ask the database.

use std::{
    collections::HashSet,
    fmt::Write as _,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{StoreError, challenge::Waiters, secret::random_bytes};

/// Ends its tasks when dropped.
pub(super) struct Announcements {
    outgoing: Arc<Outgoing>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Announcements {
    pub(super) fn new(pool: PgPool) -> Result<Self, StoreError> {
        let origin = random_bytes().map_err(|error| StoreError::Database(Box::new(error)))?;
        let outgoing = Arc::new(Outgoing {
            pool,
            origin: format!("{:016x}", u64::from_ne_bytes(origin)),
            waiting: Mutex::default(),
            more: Notify::new(),
            telling: AsyncMutex::default(),
        });
        let announcements = Self { outgoing: Arc::clone(&outgoing), tasks: Mutex::default() };
        announcements.spawn(async move { outgoing.run().await });
        Ok(announcements)
    }

    /// Wakes `waiters` by what others announce from now on.
    pub(super) async fn listen(
        &self,
        options: PgConnectOptions,
        waiters: Arc<Waiters>,
    ) -> Result<(), StoreError> {
        let incoming = Incoming { options, origin: self.outgoing.origin.clone(), waiters };
        let listener = incoming.connect().await?;
        self.spawn(incoming.run(listener));
        Ok(())
    }

    pub(super) fn announce(&self, challenge: i64) {
        self.outgoing.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(challenge);
        self.outgoing.more.notify_one();
    }

    /// Returns when what was announced before has been told, or can't be.
    pub(super) async fn tell(&self) {
        self.outgoing.tell().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task).abort_handle();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            task.abort();
        }
    }
}

struct Outgoing {
    pool: PgPool,
    /// By which a process knows its own announcements.
    origin: String,
    waiting: Mutex<HashSet<i64>>,
    more: Notify,
    telling: AsyncMutex<()>,
}

impl Outgoing {
    async fn run(&self) {
        loop {
            self.more.notified().await;
            sleep(GATHER).await;
            self.tell().await;
        }
    }

    /// All that waits in one statement: while it is under way, more can gather. It is outside of any transaction that
    /// writes, as PostgreSQL lets only one at a time commit of those that notify.
    async fn tell(&self) {
        let _telling = self.telling.lock().await;
        let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let told = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2) AS payload")
            .bind(CHANNEL)
            .bind(payloads(&self.origin, waiting))
            .execute(&self.pool)
            .await;
        if let Err(error) = told {
            tracing::warn!(error = %error, "other processes can't be told what changed");
        }
    }
}

/// The origin and then challenges, with a space between two.
fn payloads(origin: &str, challenges: impl IntoIterator<Item = i64>) -> Vec<String> {
    let mut payloads = Vec::new();
    let mut payload = String::from(origin);
    for challenge in challenges {
        if payload.len() >= PAYLOAD_LENGTH {
            payloads.push(mem::replace(&mut payload, String::from(origin)));
        }
        // Writing to a string does not fail.
        let _written = write!(payload, " {challenge}");
    }
    payloads.push(payload);
    payloads
}

struct Incoming {
    options: PgConnectOptions,
    origin: String,
    waiters: Arc<Waiters>,
}

impl Incoming {
    /// A connection of its own, which is not one of those that are shared.
    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    async fn run(self, mut listener: PgListener) {
        loop {
            self.follow(&mut listener).await;
            tracing::warn!("the connection that tells of changes was lost");
            drop(listener);
            listener = self.reconnect().await;
            // What was announced meanwhile is lost: whoever waits has to look for himself.
            self.waiters.wake_all();
        }
    }

    /// Returns when the connection is lost.
    async fn follow(&self, listener: &mut PgListener) {
        listener.eager_reconnect(false);
        loop {
            match timeout(TESTED_EVERY, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.wake(&notification),
                Ok(Ok(None) | Err(_)) => return,
                // Silence may be that of a server that is gone without a word.
                Err(_) => {
                    let test = sqlx::query("SELECT 1").execute(&mut *listener);
                    if !matches!(timeout(ANSWER_TIMEOUT, test).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn wake(&self, notification: &PgNotification) {
        let mut words = notification.payload().split(' ');
        if words.next() == Some(&self.origin) {
            return;
        }
        for challenge in words.filter_map(|word| word.parse().ok()) {
            self.waiters.wake(challenge);
        }
    }

    async fn reconnect(&self) -> PgListener {
        loop {
            match self.connect().await {
                Ok(listener) => return listener,
                Err(error) => {
                    tracing::warn!(error = %error, "changes are not told of yet");
                    sleep(BETWEEN_TRIES).await;
                }
            }
        }
    }
}

/// What changes in this time is told in one transaction.
const GATHER: Duration = Duration::from_millis(10);
const CHANNEL: &str = "flexsecure_challenges";
/// PostgreSQL takes less than 8,000 bytes.
const PAYLOAD_LENGTH: usize = 7_900;
const TESTED_EVERY: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
