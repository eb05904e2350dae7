//! How many requests are let through in a second, on one thread and on two.
//!
//! Sessions are those of different users, as in an app; the figures are printed and assert nothing.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use flexsecure_benches::{gate, requirement};
use flexsecure_core::{Check, Gate, Identity, Pass, PlainRequest, Policy, Verdict};

#[expect(clippy::print_stdout, reason = "it is what a bench is for")]
fn main() {
    let requirement = requirement();
    let identities = ["alice", "bob"].map(|user| Identity::new(user, user));
    let gate = gate(&requirement, &identities);
    let policy: Arc<dyn Policy> = Arc::new(requirement);
    // Once to warm up.
    together(&gate, &policy, &identities);
    let one = together(&gate, &policy, &identities[..1]);
    let two = together(&gate, &policy, &identities);
    println!("one thread: {one:.0} checks a second");
    println!("two threads: {two:.0} checks a second, {:.2} times as many", two / one);
}

/// Checks a second, over one thread for each of `identities`.
fn together(gate: &Gate, policy: &Arc<dyn Policy>, identities: &[Identity]) -> f64 {
    let start = Barrier::new(identities.len());
    thread::scope(|scope| {
        let check = |identity| alone(gate, policy, identity, &start);
        let threads: Vec<_> =
            identities.iter().map(|identity| scope.spawn(move || check(identity))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

fn alone(gate: &Gate, policy: &Arc<dyn Policy>, identity: &Identity, start: &Barrier) -> f64 {
    let request = PlainRequest { method: "GET", path: "/", headers: &[] };
    start.wait();
    let began = Instant::now();
    let mut checks = 0.0;
    while began.elapsed() < Duration::from_secs(1) {
        for _ in 0..1000 {
            let check = gate.check(policy, &request, Some(identity));
            assert!(matches!(black_box(check), Check::Done(Verdict::Pass(Pass::Elevated(_)))));
        }
        checks += 1000.0;
    }
    checks / began.elapsed().as_secs_f64()
}
