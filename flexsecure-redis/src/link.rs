use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Value};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::alarm;
use crate::breaker::Breaker;
use crate::fault::Fault;
use crate::scripts::Call;
use crate::server::Server;

/// The connection that all verbs share, and the limits that keep a bad server from spreading.
///
/// Answers come in the order of the questions, and each is handed to whoever asked, also when the
/// one before has gone away.
pub(crate) struct Link {
    state: Arc<watch::Sender<State>>,
    in_flight: Semaphore,
    breaker: Breaker,
    one_try: Duration,
    keeper: JoinHandle<()>,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Arc<Established>),
    Down(Fault),
}

struct Established {
    connection: Connection,
    /// How many operations in a row got no answer.
    late: AtomicU32,
}

#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn send(&mut self, command: &Cmd) -> Result<Value, Fault> {
        let sent = match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        let value = sent?;
        if let Value::ServerError(error) = value {
            return Err(redis::RedisError::from(error).into());
        }
        Ok(value)
    }
}

impl Link {
    /// Begins to connect, and goes on trying for as long as it exists.
    pub(crate) fn open(server: Arc<Server>, one_try: Duration) -> Self {
        let state = Arc::new(watch::Sender::new(State::Connecting));
        let keeper = tokio::spawn(keep_connected(server, Arc::clone(&state)));
        let in_flight = Semaphore::new(IN_FLIGHT);
        Self { state, in_flight, breaker: Breaker::default(), one_try, keeper }
    }

    /// Runs a script, and once more if nobody knows what came of the first try.
    pub(crate) async fn call(&self, call: &Call, limit: Instant) -> Result<Value, Fault> {
        self.breaker.admit(std::time::Instant::now())?;
        let tried = timeout_at(limit, self.call_twice(call, limit)).await;
        let outcome = tried.unwrap_or(Err(Fault::TimedOut));
        match &outcome {
            Err(fault) if fault.is_outage() => {
                self.breaker.failed(std::time::Instant::now());
                alarm::refused(fault);
            }
            _ => self.breaker.succeeded(),
        }
        outcome
    }

    async fn call_twice(&self, call: &Call, limit: Instant) -> Result<Value, Fault> {
        let _permit = self.in_flight.acquire().await.map_err(|_| Fault::TimedOut)?;
        match self.call_once(call, limit).await {
            Err(fault) if fault.is_worth_another_try() => self.call_once(call, limit).await,
            outcome => outcome,
        }
    }

    async fn call_once(&self, call: &Call, limit: Instant) -> Result<Value, Fault> {
        let now = Instant::now();
        let in_time = now.checked_add(self.one_try).unwrap_or(now).min(limit);
        let established = timeout_at(in_time, self.established()).await;
        let established = established.unwrap_or(Err(Fault::TimedOut))?;
        let mut connection = established.connection.clone();
        let answered = timeout_at(in_time, async {
            match connection.send(&call.by_hash()).await {
                Err(fault) if fault.is("NOSCRIPT") => connection.send(&call.in_full()).await,
                outcome => outcome,
            }
        });
        let outcome = answered.await.unwrap_or(Err(Fault::TimedOut));
        self.judge(&established, &outcome);
        outcome
    }

    async fn established(&self) -> Result<Arc<Established>, Fault> {
        let mut states = self.state.subscribe();
        loop {
            match &*states.borrow_and_update() {
                State::Up(established) => return Ok(Arc::clone(established)),
                State::Down(fault) => return Err(fault.clone()),
                State::Connecting => {}
            }
            if states.changed().await.is_err() {
                return Err(Fault::Disconnected(std::io::ErrorKind::NotConnected));
            }
        }
    }

    /// Gives up a connection that is broken, or from which two operations in a row got no answer: a
    /// partition leaves connections that look alive.
    fn judge(&self, established: &Arc<Established>, outcome: &Result<Value, Fault>) {
        let late = match outcome {
            Err(Fault::TimedOut) => established.late.fetch_add(1, Ordering::Relaxed) >= 1,
            Err(Fault::Disconnected(_)) => match &established.connection {
                Connection::Single(_) => true,
                // It mends itself, unless it does not.
                Connection::Cluster(_) => established.late.fetch_add(1, Ordering::Relaxed) >= 1,
            },
            Ok(_)
            | Err(
                Fault::Refused { .. } | Fault::Resting | Fault::Unexpected | Fault::NoRandomness,
            ) => {
                established.late.store(0, Ordering::Relaxed);
                false
            }
        };
        if late {
            self.state.send_if_modified(|state| {
                let is_same = matches!(state, State::Up(up) if Arc::ptr_eq(up, established));
                if is_same {
                    *state = State::Connecting;
                }
                is_same
            });
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep_connected(server: Arc<Server>, state: Arc<watch::Sender<State>>) {
    let mut states = state.subscribe();
    let mut told = None;
    loop {
        let connected = timeout(CONNECT, server.connect()).await;
        match connected.unwrap_or(Err(Fault::TimedOut)) {
            Ok(connection) => {
                told = None;
                let established = Established { connection, late: AtomicU32::new(0) };
                state.send_replace(State::Up(Arc::new(established)));
                let lost = states.wait_for(|state| !matches!(state, State::Up(_))).await;
                if lost.is_err() {
                    return;
                }
            }
            Err(fault) => {
                if told.as_ref() != Some(&fault) {
                    alarm::refused(&fault);
                    told = Some(fault.clone());
                }
                state.send_replace(State::Down(fault));
                sleep(BETWEEN_CONNECTS).await;
            }
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) one_try: Duration,
    pub(crate) verb: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { one_try: TRY, verb: Duration::from_secs(1) }
    }
}

pub(crate) const TRY: Duration = Duration::from_millis(500);

const CONNECT: Duration = Duration::from_secs(1);

const BETWEEN_CONNECTS: Duration = Duration::from_millis(250);

/// More wait for their turn: a server that is slow is not to be buried.
const IN_FLIGHT: usize = 1024;
