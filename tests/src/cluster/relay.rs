//! A wire between a program and what it depends on, which can be stopped at a named moment: a program
//! that is killed then is killed there, and has no part in it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::framing::Protocol;

/// A relay that runs until this value ends.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// When a relay stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request is here, and goes no further.
    Asked,
    /// The request has been answered, and the answer goes no further.
    Answered,
}

/// A moment that is still to come.
#[derive(Debug)]
#[must_use]
pub struct Stop(oneshot::Receiver<()>);

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// As it was written.
    pub request: String,
    /// When it came.
    pub asked: Instant,
    /// What was answered and when, if that came as far as here.
    pub answered: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    protocol: Protocol,
    is_frozen: watch::Sender<bool>,
    in_vain: watch::Sender<usize>,
    seen: watch::Sender<usize>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    exchanges: Vec<Exchange>,
    stops: Vec<Armed>,
}

struct Armed {
    moment: Moment,
    matches: Box<dyn Fn(&str) -> bool + Send>,
    to_come: usize,
    reached: Option<oneshot::Sender<()>>,
}

/// The places in the list of those requests of one connection that are not answered yet.
type Pending = Arc<Mutex<VecDeque<usize>>>;

impl Relay {
    /// To whoever listens at `target`.
    pub async fn to(target: SocketAddr, protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            target,
            protocol,
            is_frozen: watch::Sender::new(false),
            in_vain: watch::Sender::new(0),
            seen: watch::Sender::new(0),
            inner: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(Arc::clone(&serving), client));
            }
        });
        Self { address, shared, server }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops everything, in both directions, at the `number`th request from now on that `matches`, or at
    /// the answer to it.
    pub fn stop(
        &self,
        moment: Moment,
        number: usize,
        matches: impl Fn(&str) -> bool + Send + 'static,
    ) -> Stop {
        let (reached, stop) = oneshot::channel();
        let armed =
            Armed { moment, matches: Box::new(matches), to_come: number, reached: Some(reached) };
        self.shared.lock().stops.push(armed);
        Stop(stop)
    }

    /// Lets everything go on.
    pub fn resume(&self) {
        self.shared.is_frozen.send_replace(false);
    }

    /// What has come by so far and `matches`, in its order.
    #[must_use]
    pub fn exchanges(&self, matches: impl Fn(&str) -> bool) -> Vec<Exchange> {
        let inner = self.shared.lock();
        inner.exchanges.iter().filter(|it| matches(&it.request)).cloned().collect()
    }

    /// Waits until somebody has been turned away because nobody listens at the other end.
    pub async fn was_in_vain(&self) {
        let mut in_vain = self.shared.in_vain.subscribe();
        let waited = tokio::time::timeout(LONGEST_WAIT, in_vain.wait_for(|count| *count > 0)).await;
        assert!(matches!(waited, Ok(Ok(_))), "nobody has come in vain");
    }

    /// Waits until `count` requests that `matches` have come by.
    pub async fn has_seen(&self, count: usize, matches: impl Fn(&str) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        let enough = async {
            while self.exchanges(&matches).len() < count {
                seen.changed().await.expect("it runs");
            }
        };
        let waited = tokio::time::timeout(LONGEST_WAIT, enough).await;
        waited.unwrap_or_else(|_| panic!("not {count} of them: {:#?}", self.exchanges(|_| true)));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stop {
    /// Waits until it is there.
    pub async fn reached(self) {
        let reached = tokio::time::timeout(LONGEST_WAIT, self.0).await;
        assert!(matches!(reached, Ok(Ok(()))), "the moment to stop at has not come");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics under this lock")
    }

    /// Waits while everything is stopped, which this moment itself may be the reason for.
    async fn pass(&self, moment: Moment, request: &str) {
        {
            let mut inner = self.lock();
            for stop in &mut inner.stops {
                if stop.moment == moment && stop.to_come > 0 && (stop.matches)(request) {
                    stop.to_come -= 1;
                    if stop.to_come == 0 {
                        self.is_frozen.send_replace(true);
                        // Nobody may wait for it any more.
                        let _ = stop.reached.take().map(|reached| reached.send(()));
                    }
                }
            }
        }
        self.thawed().await;
    }

    async fn thawed(&self) {
        let mut is_frozen = self.is_frozen.subscribe();
        is_frozen.wait_for(|is_frozen| !is_frozen).await.expect("it runs");
    }

    fn note_request(&self, request: &str) -> usize {
        let mut inner = self.lock();
        let request = request.to_owned();
        inner.exchanges.push(Exchange { request, asked: Instant::now(), answered: None });
        let place = inner.exchanges.len() - 1;
        drop(inner);
        self.seen.send_modify(|count| *count += 1);
        place
    }

    fn note_reply(&self, place: usize, reply: &[u8]) -> String {
        let mut inner = self.lock();
        let exchange = &mut inner.exchanges[place];
        exchange.answered = Some((Instant::now(), String::from_utf8_lossy(reply).into_owned()));
        let request = exchange.request.clone();
        drop(inner);
        self.seen.send_modify(|count| *count += 1);
        request
    }
}

impl std::fmt::Debug for Armed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Armed").field("moment", &self.moment).finish_non_exhaustive()
    }
}

async fn connect(shared: Arc<Shared>, client: TcpStream) {
    // Whoever cannot be reached is told by an end of the connection.
    let Ok(server) = TcpStream::connect(shared.target).await else {
        shared.in_vain.send_modify(|count| *count += 1);
        return;
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a socket");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pending = Pending::default();
    tokio::join!(
        ask(&shared, from_client, to_server, &pending),
        answer(&shared, from_server, to_client, &pending),
    );
}

async fn ask(shared: &Shared, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pending: &Pending) {
    let mut bytes = Vec::new();
    while let Ok(1..) = from.read_buf(&mut bytes).await {
        while let Some(length) = shared.protocol.request(&bytes) {
            let message: Vec<u8> = bytes.drain(..length).collect();
            let request = String::from_utf8_lossy(&message).into_owned();
            let place = shared.note_request(&request);
            shared.pass(Moment::Asked, &request).await;
            pending.lock().expect("nothing panics under this lock").push_back(place);
            if to.write_all(&message).await.is_err() {
                return;
            }
        }
    }
    shared.thawed().await;
}

async fn answer(
    shared: &Shared,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    pending: &Pending,
) {
    let mut bytes = Vec::new();
    while let Ok(1..) = from.read_buf(&mut bytes).await {
        while let Some(length) = shared.protocol.reply(&bytes) {
            let message: Vec<u8> = bytes.drain(..length).collect();
            if shared.protocol.is_reply(&message) {
                let place = pending.lock().expect("nothing panics under this lock").pop_front();
                let request = place.map(|place| shared.note_reply(place, &message));
                if let Some(request) = request
                    && !shared.protocol.is_to_be_repeated(&message)
                {
                    shared.pass(Moment::Answered, &request).await;
                }
            }
            shared.thawed().await;
            if to.write_all(&message).await.is_err() {
                return;
            }
        }
    }
    shared.thawed().await;
}

const LONGEST_WAIT: Duration = Duration::from_secs(90);
