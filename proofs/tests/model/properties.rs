use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flexsecure_core::flow::{Flow, Over};
use flexsecure_core::store::FlowRecord;
use stateright::Property;

use crate::Protocol;
use crate::driver::{Fate, Question, Task, WAKE};
use crate::world::{NODES, OVER, Outcome, Rules, World};

/// What has to be reached beside, or an exploration would show little.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sights {
    pub(crate) passes: bool,
    pub(crate) authenticates: bool,
    pub(crate) times_out: bool,
    pub(crate) is_cancelled: bool,
    pub(crate) is_orphaned: bool,
    pub(crate) is_repeated: bool,
    pub(crate) is_contended: bool,
    pub(crate) is_wanted_twice: bool,
}

/// Of which worlds it was shown that they can come to an end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proved(Arc<Mutex<HashSet<u64>>>);

pub(crate) fn properties(sights: &Sights) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(ONE_MESSAGE, one_message),
        Property::always("an authenticated flow has brought its session the elevation", |_, it| {
            nothing_is_lost(it)
        }),
        Property::always(ITS_WORD, |_, world| nothing_is_made_up(world)),
        Property::always(ITS_OWN_APPROVAL, |_, world| nothing_is_mixed_up(world)),
        Property::always(ONE_PASS, |protocol: &Protocol, world: &World| {
            !protocol.rules.requirement.scope().single_use()
                || world.told.passes.windows(2).all(|passes| passes[0] != passes[1])
        }),
        Property::always(ONE_PROOF, |it: &Protocol, world: &World| {
            it.rules.requirement.scope().single_use() || asks_once(world)
        }),
        Property::always("a node that lives can end every flow, as approved if it was", can_end),
    ];
    let mut see = |is_wanted, name, condition: fn(&Protocol, &World) -> bool| {
        if is_wanted {
            properties.push(Property::sometimes(name, condition));
        }
    };
    see(sights.passes, "a request passes", |_, world| !world.told.passes.is_empty());
    see(sights.authenticates, "a flow authenticates", |_, world| {
        world.store.picture().flows().any(|record| matches!(record.flow, Flow::Authenticated(_)))
    });
    see(sights.times_out, "a flow times out", |_, world| is_over(world, Over::Timeout));
    see(sights.is_cancelled, "a flow is cancelled", |_, world| is_over(world, Over::Cancelled));
    see(sights.is_orphaned, "nobody is left of a start", |_, world| {
        let mut flows = world.store.picture().flows();
        world.tasks().next().is_none() && flows.any(|record| record.flow.is_starting())
    });
    see(sights.is_repeated, "a start is repeated under its key", |_, world| {
        let question = Question::Start { send: 1, may_be_out: true };
        world.tasks().any(|task| matches!(task, Task::Await(_, asked) if *asked == question))
    });
    see(sights.is_contended, "two nodes are about to store the same version", |_, world| {
        let mut versions = HashSet::new();
        !world.tasks().filter_map(Task::is_about_to_store).all(|version| versions.insert(version))
    });
    see(sights.is_wanted_twice, "two requests are about to spend the same proof", |_, world| {
        let spends = |task: &&Task| matches!(task, Task::Spend(..));
        world.tasks().filter(spends).count() > 1
    });
    properties
}

/// Whatever dies or is lost, and whoever is asked at once.
fn one_message(protocol: &Protocol, world: &World) -> bool {
    let asked_again = protocol.begins.left.resends - world.left.resends;
    let flows = world.store.picture().flows();
    let mut messages = flows.map(|record| world.authority.messages_of(record.id));
    messages.all(|messages| messages <= 1 + usize::from(asked_again))
}

/// A flow after one that was approved sends nothing, as long as that proof is good.
fn asks_once(world: &World) -> bool {
    let flows: Vec<_> = world.store.picture().flows().collect();
    world.now >= OVER
        || flows.iter().enumerate().all(|(number, proved)| {
            let later = &flows[number + 1..];
            !matches!(proved.flow, Flow::Authenticated(_))
                || later.iter().all(|it| {
                    !it.binding.is_same_as(&proved.binding)
                        || world.authority.messages_of(it.id) == 0
                })
        })
}

/// Unless that was replaced by a later one for the same.
fn nothing_is_lost(world: &World) -> bool {
    let picture = world.store.picture();
    picture.flows().all(|record| {
        let Some(brought) = record.elevation() else { return true };
        let session = record.binding.session;
        let held = picture.elevations().find(|(key, _)| **key == session);
        held.is_some_and(|(_, held)| {
            held.list().iter().any(|held| {
                held.flow() == brought.flow()
                    || (held.scope() == brought.scope()
                        && held.authenticated_at() >= brought.authenticated_at())
            })
        })
    })
}

fn nothing_is_made_up(world: &World) -> bool {
    let held = world.store.picture().elevations();
    let mut held = held.flat_map(|(_, held)| held.list());
    held.all(|held| world.told.authenticated.contains(held.flow()))
}

fn nothing_is_mixed_up(world: &World) -> bool {
    let held = world.store.picture().elevations();
    let mut held = held.flat_map(|(_, held)| held.list());
    held.all(|held| {
        let login = world.record(*held.flow()).and_then(|record| record.binding.login);
        login.is_none_or(|login| world.authority.has_approved(login))
    })
}

fn is_over(world: &World, how: Over) -> bool {
    let mut flows = world.store.picture().flows();
    flows.any(|record| matches!(&record.flow, Flow::Expired(end) if end.over() == how))
}

/// Even if all that is under way dies now, one node that asks on is enough.
fn can_end(protocol: &Protocol, world: &World) -> bool {
    let key = BuildHasherDefault::<DefaultHasher>::default().hash_one((
        &world.store,
        &world.authority,
        world.now,
    ));
    if protocol.proved.0.lock().unwrap().contains(&key) {
        return true;
    }
    let flows: Vec<_> = world.store.picture().flows().cloned().collect();
    let all_end = flows.into_iter().all(|record| ends(&protocol.rules, world, &record));
    if all_end {
        protocol.proved.0.lock().unwrap().insert(key);
    }
    all_end
}

fn ends(rules: &Rules, world: &World, record: &FlowRecord) -> bool {
    let mut world = World { nodes: vec![Vec::new(); NODES], ..world.clone() };
    let now = world.now;
    let txn = record.flow.txn().filter(|_| record.is_live(now));
    let is_approved = txn.is_some_and(|txn| {
        let soon = now.after(A_CHECK);
        record.is_live(soon) && world.authority.would_say_so(txn, soon)
    });
    for later in [Duration::ZERO, A_CHECK, A_START, A_START + A_CHECK, FOR_EVER] {
        world.now = now.after(later);
        ask(rules, &mut world, record);
        if later == A_CHECK && is_approved {
            let stands = world.record(record.id);
            return stands.is_some_and(|it| matches!(it.flow, Flow::Authenticated(_)));
        }
    }
    world.record(record.id).is_none_or(|record| record.flow.is_over())
}

/// A status request to an idle node, to its end.
fn ask(rules: &Rules, world: &mut World, record: &FlowRecord) {
    world.begin(0, record.id, WAKE);
    while let Some(task) = world.nodes[0].first() {
        if task.is_at_the_store() {
            world.go(0, 0, Fate::Done, rules);
        } else {
            world.call(0, 0, Outcome::Answered, rules);
        }
    }
}

pub(crate) const ONE_MESSAGE: &str = "a flow sends one message by itself";

pub(crate) const ONE_PROOF: &str = "what is proved is not asked for again";

pub(crate) const ITS_WORD: &str = "an elevation is of a flow that the authority called so";

pub(crate) const ITS_OWN_APPROVAL: &str = "an elevation is for what its own user approved";

pub(crate) const ONE_PASS: &str = "a proof for one request lets one through";

/// After which a check is given up on.
const A_CHECK: Duration = Duration::from_secs(5);

/// After which a start is given up on.
const A_START: Duration = Duration::from_secs(7);

const FOR_EVER: Duration = Duration::from_secs(3600);
