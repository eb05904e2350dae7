//! What is held follows its session, and ends with it: T04, T05.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, Said, World, alice, bank};
use crate::authority::{Call, ScriptedAuthority};
use crate::refusal::{Problem, Reason};
use crate::{Clock, Identity, Requirement};

/// Where both are: under the new id, and nowhere else.
#[tokio::test]
async fn a_rebound_session_keeps_its_proof_and_its_flow() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    pass(&world, &alice()).await;
    let flow = world.request(&alice(), vault()).await.flow();
    world.gate.rebind(OLD, &renewed()).await.unwrap();

    assert!(world.request(&renewed(), bank()).await.has_passed());
    assert_eq!(world.endpoint(&renewed(), &format!("GET {flow}"), "").await.status(), 200);
    assert_eq!(world.request(&renewed(), vault()).await.flow(), flow);
    assert_eq!(world.authority.messages(), 2);
    for request in ["GET {}", "DELETE {}", "POST {}/start", "POST {}/pin"] {
        let answer = world.endpoint(&alice(), &request.replace("{}", &flow), &typed()).await;
        assert_eq!(answer.status(), 404);
    }
    let problem = world.request(&alice(), bank()).await.problem();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
}

/// T05: who planted a session id, or knows the one of before the rotation, passes by no approval
/// that is under way at that moment.
#[tokio::test]
async fn an_approval_under_way_arrives_at_the_new_session() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    world.clock.advance(Duration::from_secs(2));
    world.authority.approve();
    world.authority.hold();
    let (alice, show) = (alice(), format!("GET {flow}"));
    let asked = world.endpoint(&alice, &show, "");
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.gate.rebind(OLD, &renewed()).await.unwrap();
        world.authority.release();
    };
    let (answer, ()) = tokio::join!(asked, meanwhile);
    assert_eq!(answer.status(), 404);
    assert!(world.request(&renewed(), bank()).await.has_passed());
    assert!(!world.request(&alice, bank()).await.has_passed());
    assert_eq!(world.authority.checks(), 1);
}

/// A PIN that is on its way when the session gets another id.
#[tokio::test]
async fn a_pin_under_way_counts_for_the_new_session() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    world.authority.hold();
    let (alice, submit, pin) = (alice(), format!("POST {flow}/pin"), typed());
    let submitted = world.endpoint(&alice, &submit, &pin);
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.gate.rebind(OLD, &renewed()).await.unwrap();
        world.authority.release();
    };
    let _ = tokio::join!(submitted, meanwhile);
    assert!(world.request(&renewed(), bank()).await.has_passed());
    assert!(!world.request(&alice, bank()).await.has_passed());
}

/// The message sent again is one of the same login, so that an approval of the first is good too;
/// who asks under the old id gets a login of their own.
#[tokio::test]
async fn a_message_sent_again_after_a_rebinding_is_of_the_same_login() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    world.gate.rebind(OLD, &renewed()).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    let again = world.endpoint(&renewed(), &format!("POST {flow}/start"), "").await;
    assert_eq!(again.status(), 200);
    world.request(&alice(), bank()).await.flow();
    let [first, second, stale] = &logins(&world)[..] else { panic!("three messages") };
    assert_eq!(first, second);
    assert_ne!(first, stale);
}

/// The same where the authority names no logins: the flow that was moved has it, not the session
/// that it was moved from.
#[tokio::test]
async fn a_v1_login_is_held_by_the_flow_that_was_moved() {
    let world = World::new(ScriptedAuthority::v1(None));
    let flow = world.request(&alice(), bank()).await.flow();
    world.gate.rebind(OLD, &renewed()).await.unwrap();
    assert_eq!(world.request(&alice(), bank()).await.problem(), Problem::FlowInProgress);
    world.clock.advance(Duration::from_secs(30));
    let again = world.endpoint(&renewed(), &format!("POST {flow}/start"), "").await;
    assert_eq!(again.status(), 200);
    world.authority.approve();
    world.clock.advance(Duration::from_secs(2));
    assert!(world.request(&renewed(), bank()).await.has_passed());
    assert!(!world.request(&alice(), bank()).await.has_passed());
}

/// T05: a store that fails leaves nothing under both.
#[tokio::test]
async fn a_rebinding_that_fails_elevates_nobody() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    pass(&world, &alice()).await;
    is_down.store(true, Ordering::SeqCst);
    world.gate.rebind(OLD, &renewed()).await.unwrap_err();
    is_down.store(false, Ordering::SeqCst);
    assert!(!world.request(&renewed(), bank()).await.has_passed());
    assert!(world.request(&alice(), bank()).await.has_passed());
}

/// T04: whatever takes a flow away ends the waiting for it at once, though the authority is silent.
#[tokio::test(start_paused = true)]
async fn a_held_request_is_refused_when_its_flow_is_revoked() {
    for revocation in REVOCATIONS {
        let world = World::new(ScriptedAuthority::passwordless());
        world.request(&alice(), bank()).await.flow();
        world.clock.advance(Duration::from_secs(1));
        world.authority.hold();
        let (alice, before) = (alice(), tokio::time::Instant::now());
        let held = world.request_with(&alice, bank(), &[("prefer", "wait=60")]);
        let (refused, ()) = tokio::join!(held, revoke_once_asked(&world, revocation));
        let (problem, said) = refused.refused();
        assert_eq!(problem, Problem::StepUpRequired(Reason::Missing), "{revocation:?}");
        assert_eq!(said.json().get("flow"), None);
        assert!(before.elapsed() < Duration::from_secs(3), "{revocation:?}");
        world.authority.approve();
        world.authority.release();
        assert!(!world.request(&alice, bank()).await.has_passed());
    }
}

/// The same for who waits at the flow itself, after which there is none.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_flow_that_is_revoked_is_told_that_there_is_none() {
    for revocation in REVOCATIONS {
        let world = World::new(ScriptedAuthority::passwordless());
        let flow = world.request(&alice(), bank()).await.flow();
        world.clock.advance(Duration::from_secs(1));
        world.authority.hold();
        let (alice, before) = (alice(), tokio::time::Instant::now());
        let (show, wait) = (format!("GET {flow}"), [("prefer", "wait=30")]);
        let waiting = world.endpoint_with(&alice, &show, "", &wait);
        let (told, ()): (Said, ()) = tokio::join!(waiting, revoke_once_asked(&world, revocation));
        assert_eq!(told.status(), 404, "{revocation:?}");
        assert!(before.elapsed() < Duration::from_secs(3), "{revocation:?}");
    }
}

/// T05: nor does who planted the id that a session gets wait on under it.
#[tokio::test(start_paused = true)]
async fn who_planted_a_session_is_refused_at_once_when_it_is_rebound_to() {
    let world = World::new(ScriptedAuthority::passwordless());
    let mallory = Identity::new("mallory", "the same session under another id");
    world.request(&mallory, bank()).await.flow();
    world.clock.advance(Duration::from_secs(1));
    world.authority.hold();
    let before = tokio::time::Instant::now();
    let held = world.request_with(&mallory, bank(), &[("prefer", "wait=60")]);
    let (refused, ()) = tokio::join!(held, revoke_once_asked(&world, Revocation::Rebinding));
    let (problem, said) = refused.refused();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
    assert_eq!(said.json().get("flow"), None);
    assert!(before.elapsed() < Duration::from_secs(3));
}

/// Who waits in another session or as another user waits on.
#[tokio::test(start_paused = true)]
async fn a_revocation_leaves_others_waiting() {
    let world = World::new(ScriptedAuthority::passwordless());
    let bob = Identity::new("bob", "the session of bob");
    world.request(&bob, bank()).await.flow();
    world.request(&alice(), bank()).await.flow();
    let held = world.request_with(&bob, bank(), &[("prefer", "wait=60")]);
    let meanwhile = async {
        world.gate.revoke_user("alice").await.unwrap();
        world.gate.revoke_session(OLD).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.clock.advance(Duration::from_secs(5));
        world.authority.approve();
    };
    let (passed, ()) = tokio::join!(held, meanwhile);
    assert!(passed.has_passed());
}

/// An incident: what was proved or begun by then is nothing any more, what came later stays.
#[tokio::test]
async fn what_is_older_than_a_time_is_nothing_at_the_next_request() {
    for everybody in [false, true] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        pass(&world, &alice()).await;
        let flow = world.request(&alice(), vault()).await.flow();
        let bob = Identity::new("bob", "the session of bob");
        pass(&world, &bob).await;
        world.clock.advance(Duration::from_secs(60));
        let incident = world.clock.now();
        let elsewhere = Identity::new("alice", "another session");
        pass(&world, &elsewhere).await;
        if everybody {
            world.gate.revoke_all_before(incident).await.unwrap();
        } else {
            world.gate.revoke_user_before("alice", incident).await.unwrap();
        }
        assert!(!world.request(&alice(), bank()).await.has_passed());
        let late = world.endpoint(&alice(), &format!("POST {flow}/pin"), &typed()).await;
        assert_eq!(late.status(), 404);
        assert!(world.request(&elsewhere, bank()).await.has_passed());
        assert_eq!(world.request(&bob, bank()).await.has_passed(), !everybody);
    }
}

/// What a user or the authority refused is told to policies; what ran out or was given up is not.
#[tokio::test]
async fn refusals_of_a_user_are_counted() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let before = world.clock.now();
    let flow = world.request(&alice(), bank()).await.flow();
    let wrong = "{\"pin\":\"11111111\"}";
    for _ in 0..5 {
        assert_eq!(world.gate.refusals("alice", before).await.unwrap(), 0);
        world.endpoint(&alice(), &format!("POST {flow}/pin"), wrong).await;
    }
    assert_eq!(world.gate.refusals("alice", before).await.unwrap(), 1);
    let flow = world.request(&alice(), vault()).await.flow();
    world.endpoint(&alice(), &format!("DELETE {flow}"), "").await;
    assert_eq!(world.gate.refusals("alice", before).await.unwrap(), 1);
    assert_eq!(world.gate.refusals("bob", before).await.unwrap(), 0);
    let later = before.after(Duration::from_secs(1));
    assert_eq!(world.gate.refusals("alice", later).await.unwrap(), 0);
}

#[derive(Clone, Copy, Debug)]
enum Revocation {
    Session,
    User,
    UserBefore,
    AllBefore,
    Rebinding,
}

const REVOCATIONS: [Revocation; 5] = [
    Revocation::Session,
    Revocation::User,
    Revocation::UserBefore,
    Revocation::AllBefore,
    Revocation::Rebinding,
];

/// Revokes once the authority, which is silent, is being asked.
async fn revoke_once_asked(world: &World, revocation: Revocation) {
    world.authority.wait_for(|calls| calls.len() == 2).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let now = world.clock.now();
    let revoked = match revocation {
        Revocation::Session => world.gate.revoke_session(OLD).await,
        Revocation::User => world.gate.revoke_user("alice").await,
        Revocation::UserBefore => world.gate.revoke_user_before("alice", now).await,
        Revocation::AllBefore => world.gate.revoke_all_before(now).await,
        Revocation::Rebinding => world.gate.rebind(OLD, &renewed()).await,
    };
    revoked.unwrap();
}

async fn pass(world: &World, identity: &Identity) {
    world.request(identity, bank()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(identity, bank(), &pin).await.has_passed());
}

/// What the authority was told to keep logins apart by, message by message.
fn logins(world: &World) -> Vec<String> {
    let calls = world.authority.calls().into_iter();
    let starts = calls.filter_map(|call| match call {
        Call::Start { binding, .. } => Some(binding),
        Call::Check { .. } => None,
    });
    starts.collect()
}

fn renewed() -> Identity {
    Identity::new("alice", "the same session under another id")
}

fn vault() -> Requirement {
    Requirement::system("vault")
}

fn typed() -> String {
    format!("{{\"pin\":\"{PIN}\"}}")
}

const OLD: &str = "the session of alice";
