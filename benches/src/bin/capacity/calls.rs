//! How often the authority and the store are asked until a flow is finished.
//!
//! Time is tokio's and stands still unless everybody waits for it, so a user who takes a minute
//! takes no time at all.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::{Clock, Gate, Policy, Requirement, Timestamp};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::nodes::SharedStore;
use crate::population::identity;
use crate::report::{Report, as_u64, time};
use crate::request::passes;

pub(crate) fn measure(report: &mut Report) {
    report.part("Calls of the authority for a finished flow");
    report.note("starts + checks, store operations, and how long after the answer all are let in");
    for (kind, authority) in [
        ("ours", ScriptedAuthority::passwordless as fn() -> _),
        ("v1", || ScriptedAuthority::v1(None)),
    ] {
        for nodes in [1, 3] {
            for seconds in [5, 20, 60] {
                let answer = Duration::from_secs(seconds);
                let finished = finish(|| by_link(authority(), nodes, answer));
                let waiting = if nodes == 1 { "waited for on one node" } else { "on three" };
                report.row(
                    &format!("{kind}, link, answer after {seconds} s, {waiting}"),
                    finished.to_string(),
                );
            }
        }
        let authority = || match kind {
            "ours" => ScriptedAuthority::pin(PIN),
            _ => ScriptedAuthority::v1(Some(PIN)),
        };
        let finished = finish(|| by_pin(authority()));
        report.row(&format!("{kind}, PIN with the repeated request"), finished.to_string());
    }
}

/// What it took.
struct Finished {
    starts: u64,
    checks: u64,
    operations: u64,
    late: Duration,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { starts, checks, operations, late } = self;
        write!(f, "{starts} + {checks}, {operations} ops, {}", time(*late))
    }
}

fn finish<F: Future<Output = Finished>>(run: impl FnOnce() -> F) -> Finished {
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { run().await })
}

/// A request is held on each of `nodes`, as often as it takes, until the user answers.
async fn by_link(authority: ScriptedAuthority, nodes: usize, answer: Duration) -> Finished {
    let store = SharedStore::default();
    let began = Instant::now();
    let mut held = JoinSet::new();
    for _ in 0..nodes {
        let gate = node(&authority, &store, began);
        held.spawn(async move {
            let user = identity(0);
            while !passes(&gate, &policy(), &user, &[("prefer", "wait=60")]).await {}
        });
    }
    let user = authority.clone();
    held.spawn(async move {
        sleep(answer).await;
        user.approve();
    });
    held.join_all().await;
    finished(&authority, &store, began.elapsed().saturating_sub(answer))
}

/// A request is refused, and repeated with a PIN.
async fn by_pin(authority: ScriptedAuthority) -> Finished {
    let store = SharedStore::default();
    let began = Instant::now();
    let gate = node(&authority, &store, began);
    let user = identity(0);
    assert!(!passes(&gate, &policy(), &user, &[]).await, "there is no proof");
    let answer = Duration::from_secs(20);
    sleep(answer).await;
    assert!(
        passes(&gate, &policy(), &user, &[("flexsecure-pin", PIN)]).await,
        "it is the right one"
    );
    finished(&authority, &store, began.elapsed().saturating_sub(answer))
}

fn finished(authority: &ScriptedAuthority, store: &SharedStore, late: Duration) -> Finished {
    Finished {
        starts: as_u64(authority.starts()),
        checks: as_u64(authority.checks()),
        operations: store.operations(),
        late,
    }
}

fn node(authority: &ScriptedAuthority, store: &SharedStore, began: Instant) -> Gate {
    let clock = SameClock(began);
    Gate::builder(authority.clone()).store(store.clone()).clock(clock).build().unwrap()
}

fn policy() -> Arc<dyn Policy> {
    Arc::new(Requirement::system("bank"))
}

/// A clock that goes with tokio's time.
#[derive(Debug)]
struct SameClock(Instant);

impl Clock for SameClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }
}

const PIN: &str = "48151623";
