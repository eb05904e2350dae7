//! Requests that are let through by a store in Redis: by a copy of what it has, and by asking it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flexsecure_benches::requirement;
use flexsecure_benches::throughput::together;
use flexsecure_core::{Check, Clock, Gate, Identity, PlainRequest, Policy, SystemClock};
use flexsecure_redis::RedisStore;
use tokio::task::JoinSet;

use super::{AT_A_TIME, There};
use crate::crowd::Crowd;
use crate::population::{elevate, identity};
use crate::report::{Report, as_float, as_u64, rate, time};
use crate::request::passes;

pub(super) async fn measure(there: &mut There, report: &mut Report) {
    let identities: Vec<_> = (0..AT_A_TIME).map(identity).collect();
    let store = there.store();
    for number in 0..AT_A_TIME {
        elevate(&store, number, &requirement(), SystemClock.now()).await;
    }
    copied(there, store, &identities, report).await;
    asked(there, &identities, report).await;
}

async fn copied(
    there: &mut There,
    store: RedisStore,
    identities: &[Identity],
    report: &mut Report,
) {
    let (gate, policy) = (gate(store), policy());
    for identity in identities {
        until_copied(&gate, &policy, identity).await;
    }
    let lasting = Duration::from_millis(there.scale.rate);
    for threads in [1, 2] {
        let before = there.server.round_trips();
        let identities: Vec<_> = identities.iter().take(threads).cloned().collect();
        let done = together(&gate, &policy, &identities, lasting);
        let trips = there.server.round_trips().saturating_sub(before);
        let on = if threads == 1 { "one thread" } else { "two threads" };
        report.row(&format!("requests let through, by a copy, {on}"), rate(done.per_second));
        report.row("round trips for all of them", trips);
        report.row("requests for which the copy would not do", done.misses);
    }
}

async fn asked(there: &mut There, identities: &[Identity], report: &mut Report) {
    let gate = gate(there.builder().without_local_copies().connect().unwrap());
    let lasting = Duration::from_millis(there.scale.rate);
    for at_a_time in [1, AT_A_TIME] {
        let before = there.server.round_trips();
        let mut asking = JoinSet::new();
        let began = Instant::now();
        for identity in identities.iter().take(at_a_time).cloned() {
            asking.spawn(ask(gate.clone(), identity, began, lasting));
        }
        let done: u64 = asking.join_all().await.into_iter().sum();
        let (done, took) = (as_float(done), began.elapsed());
        let trips = as_float(there.server.round_trips().saturating_sub(before));
        let what = format!("requests let through, without copies, {at_a_time} at a time");
        report.row(&what, rate(done / took.as_secs_f64()));
        let each = took.mul_f64(as_float(as_u64(at_a_time)) / done);
        report.row("time and round trips of one", format!("{}, {:.2}", time(each), trips / done));
    }
}

/// How many requests of one user were let through, one after the other.
async fn ask(gate: Gate, identity: Identity, began: Instant, lasting: Duration) -> u64 {
    let (policy, mut done) = (policy(), 0_u64);
    while began.elapsed() < lasting {
        assert!(passes(&gate, &policy, &identity, &[]).await, "they have a proof");
        done = done.saturating_add(1);
    }
    done
}

/// Asks until what the server has is there in a copy: it may yet have to be connected to.
async fn until_copied(gate: &Gate, policy: &Arc<dyn Policy>, identity: &Identity) {
    let request = PlainRequest { method: "GET", path: "/", headers: &[] };
    let began = Instant::now();
    while matches!(gate.check(policy, &request, Some(identity)), Check::Pending(_)) {
        assert!(began.elapsed() < Duration::from_secs(10), "there is never a copy");
        assert!(passes(gate, policy, identity, &[]).await, "they have a proof");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn gate(store: RedisStore) -> Gate {
    Gate::builder(Crowd::new()).store(store).build().unwrap()
}

fn policy() -> Arc<dyn Policy> {
    Arc::new(requirement())
}
