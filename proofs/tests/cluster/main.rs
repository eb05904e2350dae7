//! A cluster in which everything goes wrong: three nodes, their store and their authority, in simulated
//! time on a simulated network, with the users between them.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "all of this is a test"
)]

mod authority;
mod faults;
mod judge;
mod node;
mod observed;
mod plan;
mod seeds;
mod simulation;
mod store;
mod users;
mod wire;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flexsecure_core::MemoryStore;
use tokio::sync::{Notify, broadcast, watch};

use self::authority::Logins;
use self::observed::{Observed, Poll};
use self::plan::Plan;
use self::store::Heard;

fn main() -> ExitCode {
    seeds::main()
}

/// All that the hosts of one simulation share; what they may not know of each other goes over the wire.
#[derive(Debug)]
struct Cluster {
    plan: Plan,
    /// A defence that is taken out.
    without: Option<Without>,
    store: MemoryStore,
    news: broadcast::Sender<Heard>,
    store_slowness: Slowness,
    logins: Mutex<Logins>,
    authority_slowness: Slowness,
    /// Told of whatever is approved.
    approved: Notify,
    /// The messages that users have read, by flow, with their PINs.
    seen: Mutex<BTreeMap<String, Option<String>>>,
    /// Whether everything is put right.
    healed: watch::Sender<bool>,
    observed: Arc<Mutex<Observed>>,
}

/// A defence that is taken out, to see that this is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// The store swaps whatever version it is given.
    Versions,
}

impl Cluster {
    fn new(seed: u64, without: Option<Without>) -> Self {
        let plan = Plan::of(seed);
        Self {
            without,
            store: MemoryStore::new(),
            news: broadcast::Sender::new(1_000),
            store_slowness: Slowness::default(),
            logins: Mutex::new(Logins::of(&plan)),
            authority_slowness: Slowness::default(),
            approved: Notify::new(),
            seen: Mutex::default(),
            healed: watch::Sender::new(false),
            observed: Arc::new(Mutex::new(Observed::default())),
            plan,
        }
    }

    fn slowness(&self, host: &str) -> &Slowness {
        match host {
            "store" => &self.store_slowness,
            _ => &self.authority_slowness,
        }
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap()
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.seen.lock().unwrap()
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap()
    }

    fn polling(&self, node: &'static str, login: &str) -> Poll {
        Poll::begin(&self.observed, node, login)
    }
}

/// How long a host takes over every answer, in milliseconds.
#[derive(Debug, Default)]
struct Slowness(AtomicU64);

impl Slowness {
    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }

    async fn half(&self) {
        let half = Duration::from_millis(self.0.load(Ordering::Relaxed) / 2);
        if !half.is_zero() {
            tokio::time::sleep(half).await;
        }
    }
}

/// The time since the simulation began, the same on every host.
fn now() -> Duration {
    turmoil::sim_elapsed().expect("only hosts of a simulation ask")
}
