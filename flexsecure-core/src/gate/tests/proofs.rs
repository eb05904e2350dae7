//! Several proofs for one request: none of them is used up, or tried, for another.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::policy::all_of;
use crate::refusal::{Problem, Reason};
use crate::{Identity, Requirement};

/// T20: each that is good for one request is used up by it, be it the first or the last of them.
#[tokio::test]
async fn of_several_proofs_each_is_used_up_that_is_good_for_one_request() {
    for [one, other] in [
        [bank().single_use(), audit().single_use()],
        [bank(), audit().single_use()],
        [bank().single_use(), audit()],
    ] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        for requirement in [&one, &other] {
            prove(&world, requirement).await;
        }
        assert!(world.request(&alice(), all_of([one.clone(), other.clone()])).await.has_passed());
        for requirement in [one, other] {
            let lacking = world.gate.probe(&alice(), requirement.clone()).await.unwrap();
            let spent = requirement.scope().single_use().then_some(Reason::Spent);
            assert_eq!(lacking, spent, "{requirement}");
        }
    }
}

/// T20: while another is lacking, none is used up.
#[tokio::test]
async fn of_several_proofs_none_is_used_up_before_all_are_there() {
    let once = || bank().single_use();
    for both in [all_of([audit(), once()]), all_of([once(), audit()])] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        prove(&world, &once()).await;
        let (problem, said) = world.request(&alice(), both).await.refused();
        assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
        assert_eq!(said.json()["system"], "audit");
        assert_eq!(world.gate.probe(&alice(), once()).await.unwrap(), None);
    }
}

/// A PIN is tried on one flow: on another it would be a wrong one, and cost an attempt.
#[tokio::test]
async fn a_pin_on_a_request_is_tried_on_the_first_flow_alone() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.request(&alice(), audit()).await.flow();
    let both = all_of([bank(), audit()]);
    world.request(&alice(), both.clone()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    let (problem, said) = world.request_with(&alice(), both, &pin).await.refused();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
    let flow = &said.json()["flow"];
    assert_eq!((&said.json()["system"], &flow["attempts_left"]), (&"audit".into(), &5.into()));
}

/// To ask whether a proof would be needed changes nothing, however often.
#[tokio::test]
async fn a_probe_uses_nothing_up_and_sends_nothing() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let once = || bank().single_use();
    assert_eq!(world.gate.probe(&alice(), once()).await.unwrap(), Some(Reason::Missing));
    assert!(world.authority.calls().is_empty());
    prove(&world, &once()).await;
    for _ in 0..3 {
        assert_eq!(world.gate.probe(&alice(), once()).await.unwrap(), None);
    }
    assert!(world.request(&alice(), once()).await.has_passed());
    assert_eq!(world.gate.probe(&alice(), once()).await.unwrap(), Some(Reason::Spent));
    assert_eq!(world.authority.messages(), 1);
}

/// F20: nobody is told that no proof would be needed where that is not known.
#[tokio::test]
async fn a_probe_knows_nothing_without_the_store() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    prove(&world, &bank()).await;
    is_down.store(true, Ordering::SeqCst);
    let refusal = world.gate.probe(&alice(), bank()).await.unwrap_err();
    assert_eq!(refusal.problem(), Problem::StoreUnavailable);
}

/// T03: what another user proved in the same session is neither good for anything nor told.
#[tokio::test]
async fn nothing_is_told_of_what_another_user_holds() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    prove(&world, &bank()).await;
    let mallory = Identity::new("mallory", "the session of alice");
    let get = crate::PlainRequest { method: "GET", path: "/", headers: &[] };
    let explained = world.gate.explain(&bank(), &get, Some(&mallory)).await;
    assert_eq!(explained.refused, Some(Problem::StepUpRequired(Reason::Missing)));
    assert_eq!(explained.proofs[0][0].elevation, None);
}

/// Leaves `alice` with an unspent proof.
async fn prove(world: &World, requirement: &Requirement) {
    let flow = world.request(&alice(), requirement.clone()).await.flow();
    let body = format!("{{\"pin\":\"{PIN}\"}}");
    assert_eq!(world.endpoint(&alice(), &format!("POST {flow}/pin"), &body).await.status(), 200);
}

fn audit() -> Requirement {
    Requirement::system("audit")
}
