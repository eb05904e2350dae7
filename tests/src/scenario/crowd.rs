//! Many requests at once (T20, F42).

use tokio::task::JoinSet;

use super::{done, transfer};
use crate::client::Request;
use crate::subject::Subject;

/// F42, T08: twenty tabs are one flow and one message, and all are let through by one answer.
pub async fn twenty_tabs_get_one_message(bank: &Subject) {
    let alice = bank.login("alice").await;
    let answers = alice.volley(&Request::get("/statements"), 20).await;
    let ids: Vec<_> =
        answers.iter().map(|answer| answer.refused("missing").id().to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(bank.message_count().await, 1);
    let flow = answers[0].flow_within();
    let pin = bank.newest_pin().await;
    alice.peek(flow.submit(&pin)).await.flow().assert_state("authenticated");
    for answer in alice.volley(&Request::get("/statements"), 20).await {
        answer.assert_status(200);
    }
}

/// T20: one approval is one transfer, however often it is asked for at once.
pub async fn an_approved_transfer_runs_once_of_sixty_four(bank: &Subject) {
    let alice = bank.login("alice").await;
    let flow = alice.peek(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.peek(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let answers = alice.volley(&transfer("bob", 250), 64).await;
    let through = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(through, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused("spent").assert_state("idle");
    }
    assert_eq!(done(&alice).await, ["250.00"]);
    assert_eq!(bank.message_count().await, 1);
}

/// T08: a hundred sessions of one user cannot bury them in messages.
pub async fn a_hundred_sessions_send_five_messages_at_most(bank: &Subject) {
    let mut sessions = JoinSet::new();
    for _ in 0..100 {
        let mut alice = bank.login("alice").await;
        sessions.spawn(async move { alice.get("/statements").await });
    }
    let answers = sessions.join_all().await;
    let refused = answers.iter().filter(|answer| answer.status == 429);
    for answer in refused.clone() {
        answer.assert_problem(429, "too-many-starts");
        assert!(answer.retry_after() <= 600, "{answer:?}");
    }
    assert!(refused.count() >= 95, "5 starts in 10 minutes");
    assert!(bank.message_count().await <= 5);
}

/// T65: what others have asked for in my name does not take my own flow from me.
pub async fn an_open_flow_survives_the_starts_of_other_sessions(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    for _ in 0..10 {
        let mut other = bank.login("alice").await;
        let _answer = other.get("/statements").await;
    }
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
}

/// F40: tabs that are closed while they wait take nothing along.
pub async fn a_client_that_leaves_loses_nothing(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let (bob, request) = (bob.clone(), Request::get(flow.url()).wait(30));
        waiting.spawn(async move { bob.peek(request).await });
    }
    let (patient, request) = (bob.clone(), Request::get(flow.url()).wait(30));
    let patient = tokio::spawn(async move { patient.peek(request).await });
    waiting.shutdown().await;
    bank.newest_link().await.approve(flow.match_number()).await.assert_status(200);
    patient.await.expect("an answer").flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
}
