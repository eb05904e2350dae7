//! How much one process takes: users in step-up, requests that wait, requests that are let through.
//!
//! ```sh
//! cargo run --release -p flexsecure-benches --bin capacity            # everything, some minutes
//! cargo run --release -p flexsecure-benches --bin capacity held calls # some parts
//! ```
//!
//! It stays on the loopback interface. The figures are explained in `benches/README.md`. It ends
//! with 1 if a promise about memory is broken or a held request is lost; of times it promises nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot be set up should fail loudly"
)]

mod calls;
mod crowd;
mod held;
mod hits;
mod memory;
mod nodes;
mod pending;
mod population;
mod redis;
mod report;
mod request;

use std::alloc::System;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::held::Adapter;
use crate::report::Report;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Prints how much one process takes.
#[derive(Debug, Parser)]
#[command(name = "capacity")]
struct Arguments {
    /// What to measure; everything unless named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// A hundredth of everything: shows that it runs, and measures nothing
    #[arg(long)]
    small: bool,
    /// Serves the requests that are to be held, for the other process of that part
    #[arg(long, hide = true, value_enum)]
    serve: Option<Adapter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Bytes of a pending flow and of an elevation, in memory
    Memory,
    /// 100,000 pending flows at one gate, and who is still served
    Pending,
    /// 10,000 requests held at a time, on axum and on actix
    Held,
    /// Requests let through in a second, on one thread and on two
    Hits,
    /// Calls of the authority for a finished flow
    Calls,
    /// The same in Redis, by a server of its own; left out where there is no `redis-server`
    Redis,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(adapter) = arguments.serve {
        return held::serve(adapter);
    }
    let scale = if arguments.small { Scale::SMALL } else { Scale::FULL };
    let wants = |part: &Part| arguments.parts.is_empty() || arguments.parts.contains(part);
    if wants(&Part::Held) {
        held::make_room(scale);
    }
    let mut report = Report::new(scale.is_judged);
    for part in Part::value_variants().iter().filter(|part| wants(part)) {
        match part {
            Part::Memory => memory::measure(scale, &mut report),
            Part::Pending => pending::measure(scale, &mut report),
            Part::Held => held::measure(scale, &mut report),
            Part::Hits => hits::measure(scale, &mut report),
            Part::Calls => calls::measure(&mut report),
            Part::Redis => redis::measure(scale, &mut report),
        }
    }
    report.exit_code()
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    flows: usize,
    held: usize,
    /// Over how many milliseconds a rate is taken.
    rate: u64,
    is_judged: bool,
}

impl Scale {
    const FULL: Self = Self { flows: 100_000, held: 10_000, rate: 1000, is_judged: true };

    const SMALL: Self = Self { flows: 1000, held: 100, rate: 20, is_judged: false };
}

/// How many bytes are kept since `region` began.
fn kept(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}
