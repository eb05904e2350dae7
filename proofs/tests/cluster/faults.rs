//! What goes wrong, when, and how it is put right.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use turmoil::Sim;

use crate::Cluster;

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing gets through between two hosts.
    Partition(&'static str, &'static str),
    /// Nothing gets through from the one to the other.
    OneWay(&'static str, &'static str),
    /// What is sent between two hosts arrives only when it is over.
    Hold(&'static str, &'static str),
    /// Messages are lost, and what is under way with them.
    Loss(&'static str, &'static str, f64),
    /// All that runs on a host ends at once; it is started again when it is over.
    Crash(&'static str),
    /// A host takes so long over every answer, in milliseconds.
    Slow(&'static str, u64),
}

pub(crate) fn draw(dice: &mut StdRng) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..dice.random_range(3..=10) {
        let from = dice.random_range(500..END_MILLIS - 1_000);
        let to = (from + dice.random_range(300..9_000)).min(END_MILLIS);
        let kind = draw_kind(dice);
        let fault =
            Fault { kind, from: Duration::from_millis(from), to: Duration::from_millis(to) };
        // One at a time for what they are about, or the end of one would be the end of another.
        if !faults.iter().any(|other| other.overlaps(&fault)) {
            faults.push(fault);
        }
    }
    faults
}

fn draw_kind(dice: &mut StdRng) -> Kind {
    let (a, b) = *PAIRS.choose(dice).unwrap();
    let (a, b) = if dice.random_bool(0.5) { (a, b) } else { (b, a) };
    match dice.random_range(0..11) {
        0..2 => Kind::Partition(a, b),
        2 => Kind::OneWay(a, b),
        3..5 => Kind::Hold(a, b),
        5..7 => Kind::Loss(a, b, *[0.02, 0.1, 0.3].choose(dice).unwrap()),
        7..9 => Kind::Crash(NODES.choose(dice).unwrap()),
        9 => match dice.random_range(0..3) {
            0 => Kind::Crash("authority"),
            _ => Kind::Slow("authority", *[800, 2_500, 6_000].choose(dice).unwrap()),
        },
        _ => Kind::Slow("store", *[200, 400, 900, 2_000].choose(dice).unwrap()),
    }
}

impl Fault {
    fn overlaps(&self, other: &Self) -> bool {
        let ((a, b), (c, d)) = (self.kind.place(), other.kind.place());
        let is_about_the_same = (a, b) == (c, d) || (a, b) == (d, c);
        is_about_the_same && self.from <= other.to && other.from <= self.to
    }

    /// Whether somebody on `node` may not get a timely answer of `host` meanwhile.
    pub(crate) fn is_between(&self, node: &str, host: &str) -> bool {
        match self.kind {
            Kind::Partition(a, b) | Kind::OneWay(a, b) | Kind::Hold(a, b) | Kind::Loss(a, b, _) => {
                (a, b) == (node, host) || (b, a) == (node, host)
            }
            Kind::Crash(one) | Kind::Slow(one, _) => one == node || one == host,
        }
    }

    pub(crate) fn begin(&self, sim: &mut Sim<'_>, cluster: &Cluster) {
        match self.kind {
            Kind::Partition(a, b) => sim.partition(a, b),
            Kind::OneWay(a, b) => sim.partition_oneway(a, b),
            Kind::Hold(a, b) => sim.hold(a, b),
            Kind::Loss(a, b, rate) => sim.set_link_fail_rate(a, b, rate),
            Kind::Crash(host) => {
                cluster.observed().node_died(host);
                sim.crash(host);
            }
            Kind::Slow(host, millis) => cluster.slowness(host).set(millis),
        }
    }

    pub(crate) fn end(&self, sim: &mut Sim<'_>, cluster: &Cluster) {
        match self.kind {
            Kind::Partition(a, b) => sim.repair(a, b),
            Kind::OneWay(a, b) => sim.repair_oneway(a, b),
            Kind::Hold(a, b) => sim.release(a, b),
            Kind::Loss(a, b, _) => {
                sim.set_link_fail_rate(a, b, 0.0);
                sim.repair(a, b);
            }
            Kind::Crash(host) => sim.bounce(host),
            Kind::Slow(host, _) => cluster.slowness(host).set(0),
        }
    }
}

impl Kind {
    /// The link or the host that it is about.
    const fn place(&self) -> (&'static str, &'static str) {
        match self {
            Self::Partition(a, b) | Self::OneWay(a, b) | Self::Hold(a, b) | Self::Loss(a, b, _) => {
                (a, b)
            }
            Self::Crash(host) | Self::Slow(host, _) => (host, host),
        }
    }
}

pub(crate) const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];

/// Every pair that talks to each other, those with the store twice.
const PAIRS: [(&str, &str); 12] = [
    ("node-0", "store"),
    ("node-1", "store"),
    ("node-2", "store"),
    ("node-0", "store"),
    ("node-1", "store"),
    ("node-2", "store"),
    ("node-0", "authority"),
    ("node-1", "authority"),
    ("node-2", "authority"),
    ("users", "node-0"),
    ("users", "node-1"),
    ("users", "node-2"),
];

/// When everything is put right, in milliseconds from the beginning.
pub(crate) const END_MILLIS: u64 = 30_000;
