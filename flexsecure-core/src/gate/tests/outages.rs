//! When the authority or the store fails: F01, F02, F20, T63. Nothing passes, nothing is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::{CheckReply, ScriptedAuthority, StartReply};
use crate::refusal::{Problem, Reason};
use crate::{Identity, Timestamp};

/// F01: it is told when to come back, and until then nobody asks again.
#[tokio::test]
async fn an_authority_that_is_down_is_a_503_and_spared() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.answer_starts(|_| Some(StartReply::NotStarted { retry_after: None }));
    for _ in 0..3 {
        let (problem, said) = world.request(&alice(), bank()).await.refused();
        assert_eq!((problem, said.status()), (Problem::AuthorityUnavailable, 503));
        assert_eq!(said.retry_after(), Some(5));
    }
    assert_eq!((world.authority.starts(), world.authority.messages()), (1, 0));
    world.authority.answer_starts(|_| None);
    world.clock.advance(Duration::from_secs(5));
    world.request(&alice(), bank()).await.flow();
    assert_eq!(world.authority.messages(), 1);
}

/// F23: what is held is still good, but nothing is let through that could not be used up.
#[tokio::test]
async fn a_store_that_takes_no_writes_lets_only_lasting_proofs_through() {
    let store = RemoteStore::default();
    let is_read_only = Arc::clone(&store.is_read_only);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    let typed = format!("{{\"pin\":\"{PIN}\"}}");
    let once = || bank().single_use();
    for requirement in [bank(), once()] {
        let flow = world.request(&alice(), requirement).await.flow();
        let answer = world.endpoint(&alice(), &format!("POST {flow}/pin"), &typed).await;
        assert_eq!(answer.status(), 200);
    }
    is_read_only.store(true, Ordering::SeqCst);
    assert!(world.request(&alice(), bank()).await.has_passed());
    for requirement in [once(), crate::Requirement::system("vault")] {
        let (problem, said) = world.request(&alice(), requirement).await.refused();
        assert_eq!((problem, said.status()), (Problem::StoreUnavailable, 503));
    }
    assert_eq!(world.authority.starts(), 2);
    is_read_only.store(false, Ordering::SeqCst);
    assert!(world.request(&alice(), once()).await.has_passed());
    assert!(!world.request(&alice(), once()).await.has_passed());
}

/// F20, T08: what cannot be counted is not sent.
#[tokio::test]
async fn a_start_that_cannot_be_counted_is_not_sent() {
    let store = RemoteStore::default();
    let counts_nobody = Arc::clone(&store.counts_nobody);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    counts_nobody.store(true, Ordering::SeqCst);
    assert_eq!(world.request(&alice(), bank()).await.refused().1.status(), 503);
    assert_eq!(world.authority.starts(), 0);
    counts_nobody.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(60));
    world.request(&alice(), bank()).await.flow();
    assert_eq!(world.authority.starts(), 1);
}

/// F30: an authority that names no logins would take the approval of one for the other, so a flow whose
/// node died before the login was its own has not started.
#[tokio::test(start_paused = true)]
async fn a_node_that_dies_before_a_start_is_admitted_leaves_nothing_behind() {
    let store = RemoteStore::default();
    let loses_starts = Arc::clone(&store.loses_starts);
    let world = World::with(ScriptedAuthority::v1(None), |builder| builder.store(store));
    world.request(&alice(), bank()).await.flow();
    let elsewhere = Identity::new("alice", "another session of alice");
    loses_starts.store(true, Ordering::SeqCst);
    let flow = world.request(&elsewhere, bank()).await.flow();
    loses_starts.store(false, Ordering::SeqCst);
    world.authority.approve();
    world.clock.advance(Duration::from_secs(7));
    let shown = world.endpoint(&elsewhere, &format!("GET {flow}"), "").await;
    assert_eq!(shown.json()["state"], "idle");
    assert_eq!(world.request(&elsewhere, bank()).await.problem(), Problem::FlowInProgress);
    assert_eq!((world.authority.starts(), world.authority.checks()), (1, 0));
    assert!(world.request(&alice(), bank()).await.has_passed());
}

/// F02, F08: an outage neither authenticates nor ends a flow, and the approval is not lost.
#[tokio::test]
async fn an_outage_while_polling_loses_nothing() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    let outage = CheckReply::Unavailable { retry_after: None, sent: true };
    world.authority.answer_checks(move |_| Some(outage));
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(6));
        let shown = world.endpoint(&alice(), &format!("GET {flow}"), "").await;
        assert_eq!(shown.json()["state"], "started");
        assert!(!world.request(&alice(), bank()).await.has_passed());
    }
    world.authority.answer_checks(|_| None);
    world.authority.approve();
    world.clock.advance(Duration::from_secs(6));
    assert!(world.request(&alice(), bank()).await.has_passed());
}

#[tokio::test]
async fn a_pin_that_certainly_did_not_arrive_costs_no_attempt() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let typed = format!("{{\"pin\":\"{PIN}\"}}");
    for (sent, left) in [(false, 5), (true, 4)] {
        world.authority.push_pin_check(CheckReply::Unavailable { retry_after: None, sent });
        let answer = world.endpoint(&alice(), &format!("POST {flow}/pin"), &typed).await;
        assert_eq!(answer.status(), 503);
        let shown = world.endpoint(&alice(), &format!("GET {flow}"), "").await;
        assert_eq!(shown.json()["attempts_left"], left);
    }
    assert_eq!(world.endpoint(&alice(), &format!("POST {flow}/pin"), &typed).await.status(), 200);
}

/// F20, T63: without the store nothing passes, not even what passed a moment ago.
#[tokio::test]
async fn a_store_that_is_down_lets_nothing_through() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    world.request(&alice(), bank()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), bank(), &pin).await.has_passed());

    is_down.store(true, Ordering::SeqCst);
    let (problem, said) = world.request(&alice(), bank()).await.refused();
    assert_eq!((problem, said.status()), (Problem::StoreUnavailable, 503));
    assert!(said.retry_after().is_some());
    is_down.store(false, Ordering::SeqCst);
    assert!(world.request(&alice(), bank()).await.has_passed());
}

/// R4: an answer that cannot be stored yet is told to nobody, and is not lost.
#[tokio::test(start_paused = true)]
async fn an_approval_survives_an_outage_of_the_store() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    world.request(&alice(), bank()).await.flow();
    world.authority.hold();
    let alice = alice();
    let pin = [("flexsecure-pin", PIN)];
    let request = world.request_with(&alice, bank(), &pin);
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        is_down.store(true, Ordering::SeqCst);
        world.authority.release();
        tokio::time::sleep(Duration::from_millis(100)).await;
        is_down.store(false, Ordering::SeqCst);
    };
    let (outcome, ()) = tokio::join!(request, meanwhile);
    assert!(outcome.has_passed(), "{outcome:?}");
}

/// R3: who typed the PIN is told in time that the outcome is not known yet, and need not type it again.
#[tokio::test(start_paused = true)]
async fn a_pin_whose_outcome_cannot_be_stored_is_answered_in_time() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    let flow = world.request(&alice(), bank()).await.flow();
    world.authority.hold();
    let (alice, submit) = (alice(), format!("POST {flow}/pin"));
    let typed = format!("{{\"pin\":\"{PIN}\"}}");
    let began = tokio::time::Instant::now();
    let submitted = world.endpoint(&alice, &submit, &typed);
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        is_down.store(true, Ordering::SeqCst);
        world.authority.release();
    };
    let (said, ()) = tokio::join!(submitted, meanwhile);
    assert_eq!((said.status(), said.retry_after()), (503, Some(5)));
    assert!(began.elapsed() <= Duration::from_secs(4));
    is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.request(&alice, bank()).await.has_passed());
}

/// T64: a clock that is set back does not prolong what a session holds.
#[tokio::test]
async fn a_clock_set_back_revives_nothing() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.request(&alice(), bank()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), bank(), &pin).await.has_passed());
    world.clock.set(Timestamp::from_millis(0));
    assert_eq!(
        world.request(&alice(), bank()).await.problem(),
        Problem::StepUpRequired(Reason::Stale)
    );
}
