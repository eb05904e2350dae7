//! How many requests are let through in a second.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_benches::throughput::together;
use flexsecure_benches::{gate, requirement};
use flexsecure_core::Policy;

use crate::Scale;
use crate::population::identity;
use crate::report::{Report, rate};

pub(crate) fn measure(scale: Scale, report: &mut Report) {
    report.part("Requests let through by the memory store, gate alone");
    let identities = [0, 1].map(identity);
    let gate = gate(&requirement(), &identities);
    let policy: Arc<dyn Policy> = Arc::new(requirement());
    let checks = |threads: usize| {
        let identities: Vec<_> = identities.iter().take(threads).cloned().collect();
        let done = together(&gate, &policy, &identities, Duration::from_millis(scale.rate));
        assert_eq!(done.misses, 0, "everybody is let through");
        done.per_second
    };
    // Once to warm up; then the best of some rounds, because a machine does other things as well.
    checks(2);
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (checks(1), checks(2))).collect();
    let one = rounds.iter().map(|round| round.0).fold(0.0, f64::max);
    let two = rounds.iter().map(|round| round.1).fold(0.0, f64::max);
    report.row("one thread", rate(one));
    report.row("two threads", rate(two));
    report.row("times as many on two threads", format!("{:.2}", two / one));
    report.promise("reads scale 1.6 times from one thread to two", two >= 1.6 * one);
}

const ROUNDS: usize = 5;
