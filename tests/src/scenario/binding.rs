//! A proof is good for what it was given for, and for nothing else (T02, T03, T05, T06, T09).

use super::{done, transfer};
use crate::client::Request;
use crate::flow::Flow;
use crate::subject::Subject;

/// T03: payee and amount are what is approved.
pub async fn another_amount_or_payee_is_not_covered(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    for other in [transfer("bob", 251), transfer("carol", 250), transfer("bob", "250.01")] {
        let _other = alice.send(other).await.refused("operation");
    }
    assert_eq!(done(&alice).await, [""; 0]);
    alice.send(transfer("bob", "250")).await.assert_status(201);
    assert_eq!(done(&alice).await, ["250.00"]);
}

/// T02, T03: of all pairs of what takes a proof, the proof of the one does not do for the other.
pub async fn no_proof_does_for_anything_asked_before_it(bank: &Subject) {
    prove_one_by_one(bank, false).await;
}

/// T02, T03: the same in the other order.
pub async fn no_proof_does_for_anything_asked_after_it(bank: &Subject) {
    prove_one_by_one(bank, true).await;
}

/// T02: the PIN of one flow does not end another.
pub async fn the_pin_of_a_weak_flow_does_not_end_a_strong_one(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let weak = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let strong = alice.get("/admin/users").await.refused("missing");
    assert_ne!(weak.id(), strong.id());
    alice.send(strong.submit(&pin)).await.assert_problem(403, "pin-rejected");
    let _flow = alice.get("/admin/users").await.refused("missing");
    alice.send(weak.submit(&pin)).await.flow().assert_state("authenticated");
    let _flow = alice.get("/admin/users").await.refused("missing");
}

/// T06: nothing is kept and run later: what was refused has to be asked again.
pub async fn an_approval_runs_nothing_by_itself(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    assert_eq!(done(&alice).await, [""; 0]);
    alice.get(flow.url()).await.flow().assert_state("authenticated");
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T06: what a copy of the jar was refused does not run because the other one has proved something:
/// not then, nor when its own proof is there, but when it is asked for anew.
pub async fn what_was_refused_in_one_jar_is_never_run_from_another(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let mut clone = alice.clone();
    let mut elsewhere = bank.login("alice").await;
    let refused = clone.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let other = elsewhere.send(transfer("bob", 250)).await.refused("missing");
    let other_pin = bank.newest_pin().await;
    elsewhere.send(other.submit(&other_pin)).await.flow().assert_state("authenticated");
    assert_eq!(done(&alice).await, [""; 0]);
    alice.send(refused.submit(&pin)).await.flow().assert_state("authenticated");
    assert_eq!(done(&alice).await, [""; 0]);
    clone.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(&alice).await, ["250.00"]);
}

/// T05: a cookie that was planted before the login is worth nothing after it, whatever is proved then.
pub async fn a_session_that_was_fixed_before_the_login_gains_nothing(bank: &Subject) {
    let mut mallory = bank.login("carol").await;
    let mut victim = mallory.clone();
    crate::subject::login(&mut victim, "alice").await;
    assert_ne!(victim.cookies(), mallory.cookies());
    let flow = victim.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    victim.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    mallory.get(flow.url()).await.assert_problem(404, "flow-not-found");
    mallory.send(transfer("bob", 250)).await.assert_problem(401, "step-up-required");
    assert_eq!(done(&mallory).await, [""; 0]);
    victim.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(&victim).await, ["250.00"]);
    assert_eq!(done(&mallory).await, [""; 0]);
}

/// T01, T03: what one session has approved is no good to another session of the same user.
pub async fn an_approved_transfer_is_no_good_in_another_session(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let mut elsewhere = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let _other = elsewhere.send(transfer("bob", 250)).await.refused("missing");
    assert_eq!(done(&alice).await, [""; 0]);
    alice.send(transfer("bob", 250)).await.assert_status(201);
}

async fn prove_one_by_one(bank: &Subject, backwards: bool) {
    let mut alice = bank.login("alice").await;
    let mut actions = [
        Request::get("/statements"),
        Request::get("/admin/users"),
        transfer("bob", 250),
        transfer("bob", 300),
    ];
    if backwards {
        actions.reverse();
    }
    let mut open: Vec<(Request, Flow, String)> = Vec::new();
    for action in actions {
        let flow = alice.send(action.clone()).await.refused("missing");
        open.push((action, flow, bank.newest_pin().await));
    }
    while let Some((action, flow, pin)) = open.pop() {
        for (_, other, _) in &open {
            assert_ne!(other.id(), flow.id());
        }
        alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
        for (other, other_flow, _) in &open {
            let answer = alice.send(other.clone()).await;
            answer.assert_problem(401, "step-up-required");
            assert_eq!(answer.flow_within().id(), other_flow.id(), "the flow goes on: {answer:?}");
        }
        let answer = alice.send(action).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
}
