//! Runs one scenario with every fault there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

use crate::case::{Api, Case, Fault};
use crate::faults::{Extent, Mode, Plan};
use crate::scenarios::{Crowd, Scenario};
use crate::world::{Known, World};

/// What came of a run.
struct Report {
    /// The calls that went wrong, or that somebody left.
    hit: Vec<String>,
    broken: Vec<String>,
    known: Known,
}

/// How much was tried.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    injections: usize,
    failures: Vec<String>,
    known: Known,
}

/// Runs the scenario without a fault, then with each until there is none left to inject.
///
/// # Panics
///
/// If a rule does not hold in a run: with the name of each such run.
pub(crate) fn sweep(scenario: &'static Scenario) {
    let mut tally = Tally::default();
    let (plans, all_nodes): (&[_], &[_]) = match scenario.crowd {
        Crowd::Few => (&PLANS, &[1, 2]),
        Crowd::Many => (&PLANS_FOR_MANY, &[2]),
    };
    for api in [Api::V1, Api::Full] {
        for &nodes in all_nodes {
            let case = |fault| Case { scenario, api, nodes, fault };
            tally.run(&case(Fault::None));
            for &(extent, mode) in plans {
                let plan = |first| case(Fault::Calls(Plan { first, extent, mode }));
                tally.run_until_none_is_hit(plan);
            }
            tally.run_until_none_is_hit(|polls| case(Fault::Leaving { polls }));
        }
    }
    let Tally { runs, injections, failures, known } = tally;
    assert!(injections > 500, "only {injections} faults could be injected");
    println!("{}: {runs} runs, {injections} injections, {known:?}", scenario.name);
    assert!(
        failures.is_empty(),
        "{} of {runs} runs failed; the first:\n{}",
        failures.len(),
        failures.iter().take(SHOWN).cloned().collect::<String>()
    );
}

impl Tally {
    fn run_until_none_is_hit(&mut self, case: impl Fn(u32) -> Case) {
        // If none is hit any more, the scenario is over before.
        let mut numbers = 1..;
        while numbers.next().is_some_and(|number| self.run(&case(number))) {}
    }

    /// Whether anything was injected.
    fn run(&mut self, case: &Case) -> bool {
        let is_wanted = std::env::var("SWEEP").is_ok_and(|part| case.to_string().contains(&part));
        let report = run(case);
        self.runs += 1;
        self.injections += report.hit.len();
        self.known.unanswered += report.known.unanswered;
        if is_wanted {
            println!("{case}: {:?}", report.hit);
        }
        if !report.broken.is_empty() {
            let broken = report.broken.join("\n    ");
            self.failures.push(format!("{case} {:?}\n    {broken}\n", report.hit));
        }
        !report.hit.is_empty()
    }
}

/// One run, in a time of its own.
fn run(case: &Case) -> Report {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(case));
        if let Err(stuck) = (case.scenario.play)(Arc::clone(&world)).await {
            world.broken(stuck.0);
        }
        world.faults.end();
        let mut hit = world.faults.hit();
        hit.extend(world.leaving.has_left().then(|| "left".to_owned()));
        judge_the_end(&world).await;
        Report { hit, broken: world.all_broken(), known: world.known() }
    })
}

/// What has to hold once all that was begun is over.
async fn judge_the_end(world: &World) {
    sleep(ALL_IS_OVER).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    if tasks > 0 {
        world.broken(format!("{tasks} tasks are left over"));
    }
    for gate in world.nodes() {
        let gate = format!("{gate:?}");
        let places = "Taken { all: 0, by_user: {} }";
        let waiters = "hub: Hub(Mutex { data: {},";
        for (what, nothing) in [("a place", places), ("a waiter", waiters)] {
            if !gate.contains(nothing) {
                world.broken(format!("{what} is left over: {gate}"));
            }
        }
    }
    for record in world.ledger.opened() {
        let flow = record.id.to_string();
        let (messages, resends) = (world.ledger.messages_of(&flow), world.ledger.resends_of(&flow));
        if messages > 1 + resends {
            world.broken(format!("R5: {messages} messages and {resends} resends for {flow}"));
        }
        let stands = world.stands(&record).await;
        if stands.is_some_and(|record| record.is_live(world.now().after(LONGEST_LIFE))) {
            world.broken(format!("{flow} never ends"));
        }
    }
}

/// No flow that is left alone lives longer.
const LONGEST_LIFE: Duration = Duration::from_secs(606);

/// The longest that a task goes on by itself: an answer that waits for the store, or a check that
/// the authority holds.
const ALL_IS_OVER: Duration = Duration::from_secs(90);

/// How many failures are printed.
const SHOWN: usize = 20;

/// All faults but one: an answer is not lost for half a minute.
const PLANS: [(Extent, Mode); 8] = [
    (Extent::One, Mode::Error),
    (Extent::One, Mode::TimeOut),
    (Extent::One, Mode::Lost),
    (Extent::Three, Mode::Error),
    (Extent::Three, Mode::TimeOut),
    (Extent::Three, Mode::Lost),
    (Extent::HalfAMinute, Mode::Error),
    (Extent::HalfAMinute, Mode::TimeOut),
];

/// Those that say most, where each takes hundreds of runs.
const PLANS_FOR_MANY: [(Extent, Mode); 4] = [
    (Extent::One, Mode::Error),
    (Extent::One, Mode::TimeOut),
    (Extent::One, Mode::Lost),
    (Extent::Three, Mode::Lost),
];
