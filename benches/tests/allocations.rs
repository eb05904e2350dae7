//! What a request that is let through allocates: the box of the extension it takes along.

use std::alloc::System;

use flexsecure_benches::{on_actix, on_axum, policies};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations<T>(act: impl FnOnce() -> T) -> usize {
    let region = Region::new(COUNTED);
    let done = act();
    let count = region.change().allocations;
    drop(done);
    count
}

/// One test, because the counter is that of the process.
#[test]
#[expect(clippy::print_stdout, reason = "what a decision costs is printed beside what a hit does")]
fn a_hit_allocates_once() {
    let (hit, nothing) = (on_axum::hit(), on_axum::nothing());
    let ours = allocations(|| on_axum::send(hit));
    assert_eq!(ours, allocations(|| on_axum::send(nothing)) + 1, "on axum");

    let (hit, nothing) = (on_actix::hit(), on_actix::nothing());
    let ours = allocations(|| on_actix::send(hit));
    assert_eq!(ours, allocations(|| on_actix::send(nothing)) + 1, "on actix");

    for (policy, asked) in policies::all() {
        let count = allocations(|| policies::decide(asked));
        println!("the gate alone, with {policy}: {count} allocations");
        assert!(policy != "a requirement" || count == 0, "the gate allocates nothing for a hit");
    }
}
