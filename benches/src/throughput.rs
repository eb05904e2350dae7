//! Requests that are let through by several threads at once.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use flexsecure_core::{Check, Gate, Identity, Pass, PlainRequest, Policy, Verdict};

/// What several threads got through together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Throughput {
    /// How many checks were made in a second.
    pub per_second: f64,
    /// How many of all of them were no hits: that could not be said at once, or not to pass.
    pub misses: u64,
}

/// Checks for `time`, over one thread for each of `identities`.
#[must_use]
pub fn together(
    gate: &Gate,
    policy: &Arc<dyn Policy>,
    identities: &[Identity],
    time: Duration,
) -> Throughput {
    let start = Barrier::new(identities.len());
    thread::scope(|scope| {
        let check = |identity| alone(gate, policy, identity, &start, time);
        let threads: Vec<_> =
            identities.iter().map(|identity| scope.spawn(move || check(identity))).collect();
        let done = threads.into_iter().filter_map(|thread| thread.join().ok());
        done.fold(Throughput::default(), |all, one| Throughput {
            per_second: all.per_second + one.per_second,
            misses: all.misses.saturating_add(one.misses),
        })
    })
}

fn alone(
    gate: &Gate,
    policy: &Arc<dyn Policy>,
    identity: &Identity,
    start: &Barrier,
    time: Duration,
) -> Throughput {
    let request = PlainRequest { method: "GET", path: "/", headers: &[] };
    start.wait();
    let began = Instant::now();
    let (mut checks, mut misses) = (0.0, 0_u64);
    while began.elapsed() < time {
        for _ in 0..1000 {
            let check = gate.check(policy, &request, Some(identity));
            if !matches!(black_box(check), Check::Done(Verdict::Pass(Pass::Elevated(_)))) {
                misses = misses.saturating_add(1);
            }
        }
        checks += 1000.0;
    }
    Throughput { per_second: checks / began.elapsed().as_secs_f64(), misses }
}
