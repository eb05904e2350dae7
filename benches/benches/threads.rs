//! How many requests are let through in a second, on one thread and on two.
//!
//! Sessions are those of different users, as in an app; the figures are printed and assert nothing.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_benches::throughput::together;
use flexsecure_benches::{gate, requirement};
use flexsecure_core::{Identity, Policy};

#[expect(clippy::print_stdout, reason = "it is what a bench is for")]
fn main() {
    let requirement = requirement();
    let identities = ["alice", "bob"].map(|user| Identity::new(user, user));
    let gate = gate(&requirement, &identities);
    let policy: Arc<dyn Policy> = Arc::new(requirement);
    let checks = |identities: &[Identity]| {
        let done = together(&gate, &policy, identities, Duration::from_secs(1));
        assert_eq!(done.misses, 0, "everybody is let through");
        done.per_second
    };
    // Once to warm up.
    checks(&identities);
    let (one, two) = (checks(&identities[..1]), checks(&identities));
    println!("one thread: {one:.0} checks a second");
    println!("two threads: {two:.0} checks a second, {:.2} times as many", two / one);
}
