//! Every order of events that three nodes, a store and an authority can get into, within bounds.
//!
//! The flow machine and the store are those of the product: [`Flow::step`] decides, and a
//! [`MemoryStore`](flexsecure_core::MemoryStore) made of a picture does each verb. What the gate
//! does between them is written down once more in `driver`, one task a place where the gate waits;
//! `trace` runs the gate itself and holds its calls against those.
//!
//! | file | role |
//! | --- | --- |
//! | `main` | what is explored, and the defences that are taken out |
//! | `world` | all that there is at one moment, and what can happen next |
//! | `driver` | what a node does |
//! | `store`, `authority` | whom it asks |
//! | `properties` | what must hold, and what must be reached |
//! | `trace` | the gate does what `driver` says |

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a model that is wrong about itself should stop there"
)]
#![expect(clippy::print_stdout, reason = "with --nocapture it says how much was explored")]

mod authority;
mod driver;
mod properties;
mod store;
mod trace;
mod world;

use std::collections::HashMap;
use std::time::Instant;

use flexsecure_core::{Requirement, Timestamp};
use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use self::authority::Authority;
use self::properties::{
    ITS_OWN_APPROVAL, ITS_WORD, ONE_MESSAGE, ONE_PASS, ONE_PROOF, Sights, properties,
};
use self::world::{A_MINUTE, Event, LATER, Left, OVER, Rules, SOON, World};

/// A defence to take out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// A swap puts its record in the place of any version.
    VersionCheck,
    /// Whoever loses a swap carries out the effect as well.
    WinnerAlone,
    /// Each start has a key of its own.
    IdempotencyKey,
    /// An answer that was lost is taken for `authenticated`.
    Word,
    /// Looking whether an elevation is spent and spending it are two steps.
    AtomicConsume,
    /// Who opens a flow does not look again for a proof that has come meanwhile.
    SecondLook,
    /// Starts at an authority that names no logins claim nothing.
    Claim,
}

/// What is explored.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    rules: Rules,
    begins: World,
    sights: Sights,
    proved: properties::Proved,
}

impl Protocol {
    fn new(requirement: Requirement, authority: Authority, left: Left) -> Self {
        let rules = Rules { requirement, without: Without::Nothing, times: &[] };
        let (begins, sights) = (World::new(authority, left), Sights::default());
        Self { rules, begins, sights, proved: properties::Proved::default() }
    }

    const fn until(mut self, times: &'static [Timestamp]) -> Self {
        self.rules.times = times;
        self
    }

    const fn sees(mut self, sights: Sights) -> Self {
        self.sights = sights;
        self
    }

    fn without(mut self, without: Without) -> Self {
        self.rules.without = without;
        self
    }

    /// Explores everything, and expects every property to hold and every sight to be seen.
    fn holds(self, name: &str) {
        let properties = self.properties();
        let (found, seen) = self.explore(name);
        for property in properties {
            let found = found.get(property.name);
            let is_failure = property.expectation.discovery_is_failure();
            if let Some(path) = found.filter(|_| is_failure) {
                panic!("{name}: not {}\n{}", property.name, told(path));
            }
            assert!(is_failure || found.is_some(), "{name}: never {}", property.name);
        }
        assert!(seen > 1000, "{name}: only {seen} states");
    }

    /// Expects the property `broken` not to hold.
    fn breaks(self, broken: &str) {
        let name = format!("without {:?}", self.rules.without);
        let (found, _) = self.explore(&name);
        let Some(path) = found.get(broken) else { panic!("{name}: still {broken}") };
        println!("{name}: not {broken}\n{}", told(path));
    }

    fn explore(self, name: &str) -> (HashMap<&'static str, Path<World, Event>>, usize) {
        let began = Instant::now();
        let checker = self.checker().threads(2);
        let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let (states, steps) = (checker.unique_state_count(), checker.state_count());
        let (depth, seconds) = (checker.max_depth(), began.elapsed().as_secs_f32());
        println!("{name}: {states} states, {steps} steps, depth {depth}, {seconds:.1} s");
        (checker.discoveries(), states)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        vec![self.begins.clone()]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        world.events(&self.rules, events);
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        Some(world.after(&event, &self.rules))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(&self.sights)
    }
}

/// A counterexample, one event a line, with what the task was about to do.
fn told(path: &Path<World, Event>) -> String {
    let steps = path.clone().into_vec();
    let lines = steps.into_iter().filter_map(|(world, event)| {
        Some(match event? {
            event @ (Event::Go { node, task, .. } | Event::Call { node, task, .. }) => {
                format!("  {event:?}: {:?}", world.nodes[node][task])
            }
            event => format!("  {event:?}"),
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn bank() -> Requirement {
    Requirement::system("bank")
}

/// An authority that knows all of the superset.
const fn full() -> Authority {
    Authority::new(true, true)
}

/// One that knows only v1.
const fn v1() -> Authority {
    Authority::new(false, false)
}

/// Three requests race for one start. A node dies, a call is lost, a start arrives late.
#[test]
fn three_requests_at_once() {
    let left = Left { requests: [3, 0], crashes: 1, authority_faults: 1, ..NOTHING };
    Protocol::new(bank().single_use(), full(), left)
        .until(&[SOON, LATER])
        .sees(Sights { is_orphaned: true, is_repeated: true, is_contended: true, ..PASSES })
        .holds("three requests");
}

/// The same of an authority that sends with every start.
#[test]
fn three_requests_at_once_on_v1() {
    let left = Left { requests: [3, 0], crashes: 1, authority_faults: 1, ..NOTHING };
    Protocol::new(bank().single_use(), v1(), left)
        .until(&[SOON, LATER])
        .sees(Sights { is_orphaned: true, is_contended: true, ..PASSES })
        .holds("three requests, v1");
}

/// A proof that is good for many requests comes while some of them are on their way.
#[test]
fn a_proof_that_comes_meanwhile() {
    let left = Left { requests: [3, 0], polls: 1, ..NOTHING };
    Protocol::new(bank(), full(), left)
        .until(&[SOON])
        .sees(Sights { is_contended: true, ..PASSES })
        .holds("a proof that comes meanwhile");
}

/// The same of one that is good for one request, and wanted by two.
#[test]
fn a_proof_that_two_want_to_spend() {
    let left = Left { requests: [3, 0], polls: 1, ..NOTHING };
    Protocol::new(bank().single_use(), full(), left)
        .sees(Sights { is_contended: true, is_wanted_twice: true, ..PASSES })
        .holds("a proof that two want to spend");
}

/// The store fails, and what it did may go unheard, so that an answer is fed twice. With `DEEP` set, a call to
/// the authority fails beside that, which takes minutes.
#[test]
fn a_store_that_fails() {
    let is_deep = std::env::var_os("DEEP").is_some();
    let left = Left { requests: [2, 0], polls: 1, crashes: 1, store_faults: 1, ..NOTHING };
    let sights = Sights { is_orphaned: true, is_contended: true, ..PASSES };
    let (left, times, sights): (_, &[_], _) = match is_deep {
        false => (left, &[SOON], sights),
        true => {
            let sights = Sights { is_repeated: true, ..sights };
            (Left { authority_faults: 1, ..left }, &[SOON, LATER], sights)
        }
    };
    let name = if is_deep { "a store and an authority that fail" } else { "a store that fails" };
    Protocol::new(bank().single_use(), full(), left).until(times).sees(sights).holds(name);
}

/// A user with two sessions at an authority that would take an approval of one for the other's.
#[test]
fn two_sessions_on_v1() {
    let left = Left { requests: [1, 1], polls: 1, ..NOTHING };
    Protocol::new(bank(), v1(), left)
        .until(&[OVER])
        .sees(Sights { times_out: true, passes: false, ..PASSES })
        .holds("two sessions, v1");
}

/// A flow is cancelled, and its message sent again, while its nodes are at work on it.
#[test]
fn a_user_who_changes_their_mind() {
    let left = Left { requests: [1, 0], polls: 1, resends: 1, cancels: 1, ..NOTHING };
    Protocol::new(bank(), full(), left)
        .until(&[A_MINUTE])
        .sees(Sights { is_cancelled: true, passes: false, ..PASSES })
        .holds("a user who changes their mind");
}

/// The session is given another id, and revoked, while its flow is under way.
#[test]
fn a_session_that_moves_and_ends() {
    let left = Left { requests: [1, 1], polls: 1, revocations: 1, rebindings: 1, ..NOTHING };
    Protocol::new(bank().single_use(), full(), left)
        .sees(PASSES)
        .holds("a session that moves and ends");
}

#[test]
fn without_the_version_of_a_swap_two_nodes_start() {
    let left = Left { requests: [2, 0], ..NOTHING };
    Protocol::new(bank(), v1(), left).without(Without::VersionCheck).breaks(ONE_MESSAGE);
}

#[test]
fn without_leaving_the_effect_to_the_winner_two_nodes_start() {
    let left = Left { requests: [2, 0], ..NOTHING };
    Protocol::new(bank(), v1(), left).without(Without::WinnerAlone).breaks(ONE_MESSAGE);
}

#[test]
fn without_the_idempotency_key_a_repeated_start_sends_twice() {
    let left = Left { requests: [1, 0], authority_faults: 1, ..NOTHING };
    Protocol::new(bank(), full(), left).without(Without::IdempotencyKey).breaks(ONE_MESSAGE);
}

#[test]
fn without_the_word_of_the_authority_an_outage_lets_in() {
    let left = Left { requests: [1, 0], polls: 1, authority_faults: 1, ..NOTHING };
    Protocol::new(bank(), full(), left).without(Without::Word).breaks(ITS_WORD);
}

#[test]
fn without_spending_in_one_step_one_proof_lets_two_in() {
    let left = Left { requests: [3, 0], polls: 1, ..NOTHING };
    let once = bank().single_use();
    Protocol::new(once, full(), left).without(Without::AtomicConsume).breaks(ONE_PASS);
}

#[test]
fn without_a_second_look_what_is_proved_is_asked_for_again() {
    let left = Left { requests: [3, 0], polls: 1, ..NOTHING };
    Protocol::new(bank(), full(), left).without(Without::SecondLook).breaks(ONE_PROOF);
}

#[test]
fn without_a_claim_one_session_takes_the_approval_of_another() {
    let left = Left { requests: [1, 1], polls: 1, ..NOTHING };
    Protocol::new(bank(), v1(), left).without(Without::Claim).breaks(ITS_OWN_APPROVAL);
}

const PASSES: Sights = Sights {
    passes: true,
    authenticates: true,
    times_out: false,
    is_cancelled: false,
    is_orphaned: false,
    is_repeated: false,
    is_contended: false,
    is_wanted_twice: false,
};

const NOTHING: Left = Left {
    requests: [0, 0],
    polls: 0,
    resends: 0,
    cancels: 0,
    crashes: 0,
    store_faults: 0,
    authority_faults: 0,
    revocations: 0,
    rebindings: 0,
};
