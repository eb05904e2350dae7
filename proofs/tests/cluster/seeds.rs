//! Which seeds are played, each in a process of its own.
//!
//! A process has one source of randomness, and in here that is the seed: what the operating system is
//! asked for (flow ids, the order of hash maps) as well as what tokio draws by itself. For the same
//! reason nothing but the simulation runs in such a process, and in this one no test harness.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::hash::{Hash, Hasher};
use std::process::{Command, ExitCode, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::Without;
use crate::observed::Counts;
use crate::simulation::play;

/// A test: its name, and what it finds wrong.
type Test = (&'static str, fn() -> Result<String, String>);

const TESTS: [Test; 3] = [
    ("no_promise_is_broken_whatever_goes_wrong", no_promise_is_broken),
    ("the_same_seed_gives_the_same_trace", the_same_trace),
    ("a_store_that_looks_at_no_version_is_found_out", no_versions),
];

pub(crate) fn main() -> ExitCode {
    let seed = |name| env::var(name).ok().map(|seed| seed.parse().expect("a seed is a number"));
    if let Some(seed) = seed("FLEXSECURE_SEED_ALONE") {
        return alone(seed, false);
    }
    if let Some(seed) = seed("SEED") {
        return alone(seed, true);
    }
    let arguments: Vec<_> = env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--list") {
        let is_ignored = arguments.iter().any(|it| it == "--ignored");
        for (name, _) in TESTS.iter().filter(|_| !is_ignored) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let named: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let is_meant =
        |name: &str| named.is_empty() || named.iter().any(|it| name.contains(it.as_str()));
    let mut is_good = true;
    for (name, test) in TESTS.iter().filter(|(name, _)| is_meant(name)) {
        match test() {
            Ok(said) => println!("test {name} ... ok\n    {said}"),
            Err(said) => {
                println!("test {name} ... FAILED\n{said}");
                is_good = false;
            }
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn no_promise_is_broken() -> Result<String, String> {
    let many = env::var("SEEDS").map_or(SEEDS, |many| many.parse().expect("a number of seeds"));
    let played = in_processes(many, None);
    let mut totals = Totals::default();
    let mut failed = String::new();
    for one in &played {
        match one.output.status.success() {
            true => totals.add(&one.said()),
            false => failed.push_str(&one.complaint()),
        }
    }
    if failed.is_empty() {
        Ok(format!("{} seeds: {}", played.len(), totals.said()))
    } else {
        Err(failed)
    }
}

fn the_same_trace() -> Result<String, String> {
    let (first, second) = (in_processes(TWICE, None), in_processes(TWICE, None));
    let mut differing = String::new();
    for (one, other) in first.iter().zip(&second) {
        let seed = one.seed;
        match (one.trace(), other.trace()) {
            (Some(one), Some(other)) if one == other => {}
            (Some(_), Some(_)) => differing
                .push_str(&format!("seed {seed} gives two traces; see both with SEED={seed}\n")),
            _ => differing.push_str(&one.complaint()),
        }
    }
    if differing.is_empty() { Ok(format!("{TWICE} seeds twice")) } else { Err(differing) }
}

fn no_versions() -> Result<String, String> {
    let played = in_processes(UNTIL_FOUND, Some("versions"));
    let found: Vec<_> = played.iter().filter(|one| !one.output.status.success()).collect();
    match found.first() {
        Some(one) => Ok(format!(
            "by {} of {UNTIL_FOUND} seeds, such as {}: {}",
            found.len(),
            one.seed,
            one.said().lines().find(|line| line.starts_with("broken")).unwrap_or_default()
        )),
        None => Err("no seed finds out a store that looks at no version\n".to_owned()),
    }
}

struct Played {
    seed: u64,
    output: Output,
}

impl Played {
    fn said(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it said of its trace, which is the last thing; nothing if it did not come so far.
    fn trace(&self) -> Option<String> {
        self.said().lines().last().filter(|line| line.contains(": trace ")).map(str::to_owned)
    }

    fn complaint(&self) -> String {
        let (seed, said) = (self.seed, self.said());
        let panic = String::from_utf8_lossy(&self.output.stderr);
        format!(
            "seed {seed}:\n{said}{panic}    again, with all that happened:\n    \
             SEED={seed} cargo test -p flexsecure-proofs --test cluster\n"
        )
    }
}

/// Plays the seeds from 0 on, as many at once as there are processors.
fn in_processes(many: u64, without: Option<&str>) -> Vec<Played> {
    let program = env::current_exe().expect("the path of this program");
    let (next, played) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= many {
                        return;
                    }
                    let mut command = Command::new(&program);
                    command.env("FLEXSECURE_SEED_ALONE", seed.to_string());
                    if let Some(without) = without {
                        command.env("WITHOUT", without);
                    }
                    let output = command.output().expect("this program runs");
                    played.lock().unwrap().push(Played { seed, output });
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap();
    played.sort_by_key(|one| one.seed);
    played
}

/// Plays one seed in this process, whose only randomness it is.
fn alone(seed: u64, tells_all: bool) -> ExitCode {
    mad_turmoil::rand::set_rng(StdRng::seed_from_u64(seed));
    // A task that panics ends all of it.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
    let without = env::var("WITHOUT").ok().map(|without| match &*without {
        "versions" => Without::Versions,
        _ => unreachable!("no such defence"),
    });
    let (cluster, mut observed) = play(seed, without);
    observed.judge(&cluster);
    if tells_all {
        println!("{:#?}\n{}", cluster.plan, observed.trace);
    }
    for broken in &observed.broken {
        println!("broken: {broken}");
    }
    let mut hasher = DefaultHasher::new();
    observed.trace.hash(&mut hasher);
    println!("{}", Totals::of(&observed.counts, cluster.plan.faults.len(), &observed.ends).line());
    println!(
        "seed {seed}: trace {:016x} of {} lines",
        hasher.finish(),
        observed.trace.lines().count()
    );
    if observed.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What happened in all.
#[derive(Debug, Default)]
struct Totals([usize; 11]);

impl Totals {
    fn of(counts: &Counts, faults: usize, ends: &[crate::observed::End]) -> Self {
        let ended = |how: &str| ends.iter().filter(|end| end.how == how).count();
        Self([
            faults,
            counts.requests,
            counts.unavailable,
            counts.runs,
            counts.messages,
            counts.approvals,
            counts.checks,
            counts.unanswered,
            counts.pins,
            ended("in") + ended("spent"),
            ended("limited") + ended("gave up"),
        ])
    }

    fn line(&self) -> String {
        self.0.map(|count| count.to_string()).join(" ")
    }

    fn add(&mut self, said: &str) {
        let line = said.lines().rev().nth(1).unwrap_or_default();
        for (total, count) in self.0.iter_mut().zip(line.split(' ')) {
            *total += count.parse::<usize>().unwrap_or_default();
        }
    }

    fn said(&self) -> String {
        let names = [
            "faults",
            "requests",
            "answered 503",
            "handlers run",
            "messages",
            "approvals",
            "checks",
            "checks unanswered",
            "PINs",
            "tabs that got in",
            "tabs that did not",
        ];
        let all = self.0.iter().zip(names).map(|(count, name)| format!("{count} {name}"));
        all.collect::<Vec<_>>().join(", ")
    }
}

const SEEDS: u64 = 200;

/// How many are played to be compared.
const TWICE: u64 = 12;

/// How many are played without a defence: not every seed needs each of them.
const UNTIL_FOUND: u64 = 40;
