//! Every limit holds before anything goes out, and is nobody else's: T60, T65.

use std::time::Duration;

use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::refusal::{Problem, Reason};
use crate::store::{FLOWS_PER_SESSION, FLOWS_PER_USER};
use crate::{Identity, MemoryStore, Requirement};

/// T60: a session that has all the flows it can have sends nothing for one more.
#[tokio::test]
async fn a_session_with_too_many_flows_sends_nothing_more() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    for number in 0..FLOWS_PER_SESSION {
        open_silently(&world, &alice(), &system(number)).await;
    }
    let (problem, said) = world.request(&alice(), bank()).await.refused();
    assert_eq!((problem, said.status()), (Problem::TooManyStarts, 429));
    assert_eq!(said.retry_after(), Some(600));
    assert!(world.authority.calls().is_empty());

    // Its own flows are not touched by that, and neither is another session of the same user.
    assert_eq!(start(&world, &alice(), &system(7)).await, 200);
    world.request(&Identity::new("alice", "another session"), bank()).await.flow();
}

/// T60, T65: nor does a user over all their sessions, and they take no place from anybody else.
#[tokio::test]
async fn a_user_with_too_many_flows_fills_the_store_for_nobody_else() {
    let store = MemoryStore::with_capacity(FLOWS_PER_USER + 10);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    pass(&world, &Identity::new("bob", "b")).await;
    let calls = world.authority.calls().len();
    let mallory = |number: usize| Identity::new("mallory", &number.to_string());
    for number in 0..FLOWS_PER_USER {
        open_silently(&world, &mallory(number), &bank()).await;
    }
    for number in FLOWS_PER_USER..FLOWS_PER_USER * 2 {
        let (problem, said) = world.request(&mallory(number), bank()).await.refused();
        assert_eq!((problem, said.retry_after()), (Problem::TooManyStarts, Some(600)));
    }
    assert_eq!(world.authority.calls().len(), calls);

    assert!(world.request(&Identity::new("bob", "b"), bank()).await.has_passed());
    for number in 0..5 {
        pass(&world, &Identity::new(&format!("user {number}"), "c")).await;
    }
    assert_eq!(start(&world, &mallory(7), &bank()).await, 200);
    world.clock.advance(Duration::from_secs(600));
    open_silently(&world, &mallory(FLOWS_PER_USER), &bank()).await;
}

/// T60: a full store is told as such, before anything goes out; who holds a proof passes.
#[tokio::test]
async fn a_full_store_sends_nothing_and_lets_holders_pass() {
    let store = MemoryStore::with_capacity(3);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    let bob = Identity::new("bob", "b");
    pass(&world, &bob).await;
    for number in 0..3 {
        let stranger = Identity::new(&format!("user {number}"), "c");
        open_silently(&world, &stranger, &bank()).await;
    }
    let calls = world.authority.calls().len();
    assert_eq!(world.request(&alice(), bank()).await.problem(), Problem::StoreUnavailable);
    assert_eq!(world.authority.calls().len(), calls);
    assert!(world.request(&bob, bank()).await.has_passed());
    world.clock.advance(Duration::from_secs(600));
    pass(&world, &alice()).await;
}

/// T65: whose quota of messages is used up is asked for nothing, and nobody else is told no.
#[tokio::test]
async fn a_user_with_too_many_starts_keeps_nobody_else_from_starting() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    for number in 0..50 {
        let mallory = Identity::new("mallory", &number.to_string());
        world.request(&mallory, bank()).await.refused();
    }
    assert_eq!(world.authority.calls().len(), 5);
    pass(&world, &alice()).await;
}

/// T60, T65: who has many requests held gets ordinary refusals for more, and others are still held.
#[tokio::test(start_paused = true)]
async fn a_user_takes_so_many_places_of_those_that_are_held() {
    let world = std::sync::Arc::new(World::new(ScriptedAuthority::passwordless()));
    let mallory = || Identity::new("mallory", "m");
    let flow = world.request(&mallory(), bank()).await.flow();
    world.request(&alice(), bank()).await.flow();
    let held: Vec<_> = (0..32).map(|_| tokio::spawn(hold(world.clone(), mallory()))).collect();
    while world.gate.0.holds.taken() < 32 {
        tokio::task::yield_now().await;
    }
    let before = tokio::time::Instant::now();
    let refused = world.request_with(&mallory(), bank(), &[WAIT]).await;
    assert_eq!(refused.flow(), flow);
    assert!(before.elapsed() < Duration::from_secs(1));

    let alice = tokio::spawn(hold(world.clone(), alice()));
    while world.gate.0.holds.taken() < 33 {
        tokio::task::yield_now().await;
    }
    // F42: one message, and one approval releases them all.
    world.authority.approve();
    world.clock.advance(Duration::from_secs(5));
    for held in held.into_iter().chain([alice]) {
        assert!(held.await.unwrap());
    }
    assert_eq!((world.authority.messages(), world.gate.0.holds.taken()), (2, 0));
}

/// Opens a flow that nothing is sent for, as another site can make a browser do.
async fn open_silently(world: &World, identity: &Identity, requirement: &Requirement) -> String {
    let silent = [("sec-fetch-site", "cross-site")];
    let refused = world.request_with(identity, requirement.clone(), &silent).await;
    let (problem, said) = refused.refused();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
    said.json()["flow"]["url"].as_str().unwrap().to_owned()
}

/// Starts the flow that was opened like that.
async fn start(world: &World, identity: &Identity, requirement: &Requirement) -> u16 {
    let flow = open_silently(world, identity, requirement).await;
    world.endpoint(identity, &format!("POST {flow}/start"), "").await.status()
}

async fn pass(world: &World, identity: &Identity) {
    world.request(identity, bank()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(identity, bank(), &pin).await.has_passed());
}

async fn hold(world: std::sync::Arc<World>, identity: Identity) -> bool {
    world.request_with(&identity, bank(), &[WAIT]).await.has_passed()
}

fn system(number: usize) -> Requirement {
    Requirement::system(&format!("system-{number}"))
}

const WAIT: (&str, &str) = ("prefer", "wait=60");
