//! What flows and elevations take in the memory of a process.

use flexsecure_core::{Clock, MemoryStore, Requirement, SystemClock};
use stats_alloc::Region;

use crate::population::{elevate, start, write_everywhere};
use crate::report::{Report, as_u64, each, grouped};
use crate::{COUNTED, Scale, kept};
use flexsecure_benches::at_once;
use std::time::Duration;

pub(crate) fn measure(scale: Scale, report: &mut Report) {
    report.part("Flows and elevations in memory");
    pending_flows(scale, report);
    elevations(scale, report);
}

fn pending_flows(scale: Scale, report: &mut Report) {
    let region = Region::new(COUNTED);
    let (store, now) = (MemoryStore::new(), SystemClock.now());
    for number in 0..scale.flows {
        at_once(start(&store, number, now));
    }
    let bytes = as_u64(kept(&region));
    let flows = as_u64(scale.flows);
    report.row("bytes of a pending flow", grouped(each(bytes, flows)));
    report.fits(&format!("{} pending flows", grouped(flows)), bytes, PENDING);
}

fn elevations(scale: Scale, report: &mut Report) {
    let region = Region::new(COUNTED);
    let (store, now) = (MemoryStore::new(), SystemClock.now());
    let sessions = as_u64(scale.flows);
    // The flows that brought them are forgotten long before they are.
    let mut later = now.after(Duration::from_secs(1800));
    let mut before = 0;
    for (system, what) in [("bank", "the first elevation of a session"), ("vault", "a further one")]
    {
        let requirement = Requirement::system(system);
        for number in 0..scale.flows {
            at_once(elevate(&store, number, &requirement, now));
        }
        at_once(write_everywhere(&store, later));
        later = later.after(Duration::from_secs(60));
        let bytes = as_u64(kept(&region));
        let taken = bytes.saturating_sub(before);
        report.row(&format!("bytes of {what}"), grouped(each(taken, sessions)));
        before = bytes;
    }
}

/// What is promised for as many pending flows as a store takes.
pub(crate) const PENDING: u64 = 128 * 1024 * 1024;
