//! Five attempts, and how a flow ends (T20, T21).

use serde_json::json;

use super::{done, transfer};
use crate::client::Request;
use crate::inbox::wrong;
use crate::subject::Subject;

/// T21: each wrong PIN costs one attempt, and the last one ends the flow.
pub async fn five_wrong_pins_end_the_flow(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    for left in (1..5).rev() {
        let answer = alice.send(flow.submit(&wrong(&pin))).await;
        answer.assert_problem(403, "pin-rejected");
        assert_eq!(answer.json()["attempts_left"], left, "{answer:?}");
        let stands = answer.flow_within();
        stands.assert_live();
        assert_eq!((stands.id(), stands.attempts_left()), (flow.id(), Some(left)));
    }
    let answer = alice.send(flow.submit(&wrong(&pin))).await;
    answer.assert_problem(403, "pin-rejected");
    assert_eq!(answer.json()["attempts_left"], 0, "{answer:?}");
    answer.flow_within().assert_over("attempts");

    let answer = alice.send(flow.submit(&pin)).await;
    answer.assert_problem(409, "flow-over");
    answer.flow_within().assert_over("attempts");
    alice.send(flow.start()).await.assert_problem(409, "flow-over");
    alice.send(flow.cancel()).await.assert_problem(409, "flow-over");
    alice.get(flow.url()).await.flow().assert_over("attempts");
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T21: however they are sent, no more than five are compared.
pub async fn wrong_pins_in_parallel_are_counted_one_by_one(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let answers = alice.volley(&flow.submit(&wrong(&pin)), 40).await;
    // One that comes when all are taken, but before the last is answered, is rejected uncompared.
    for answer in &answers {
        match answer.status {
            403 => answer.assert_problem(403, "pin-rejected"),
            _ => answer.assert_problem(409, "flow-over"),
        }
    }
    let left: Vec<_> =
        answers.iter().filter_map(|answer| answer.json()["attempts_left"].as_u64()).collect();
    assert!(left.iter().all(|left| *left < 5), "{left:?}");
    alice.send(flow.submit(&pin)).await.assert_problem(409, "flow-over");
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T20: of many right PINs at once, none is worth more than one proof.
pub async fn the_right_pin_in_parallel_is_one_proof(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let answers = alice.volley(&flow.submit(&pin), 16).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    let _spent = alice.send(transfer("bob", 250)).await.refused("spent");
    assert_eq!(done(&alice).await, ["250.00"]);
}

/// A flow that has ended makes room for another.
pub async fn who_has_used_up_all_attempts_gets_another_flow(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    for _ in 0..5 {
        alice.send(flow.submit(&wrong(&pin))).await.assert_problem(403, "pin-rejected");
    }
    let next = alice.get("/statements").await.refused("missing");
    assert_ne!(next.id(), flow.id());
    next.assert_live();
    let pin = bank.newest_pin().await;
    alice.send(next.submit(&pin)).await.flow().assert_state("authenticated");
    alice.get("/statements").await.assert_status(200);
}

/// A client that asks how things stand costs nothing.
pub async fn asking_for_the_state_spends_no_attempt(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    for _ in 0..10 {
        let stands = flow.status(&alice).await;
        stands.assert_live();
        assert_eq!(stands.attempts_left(), Some(5));
    }
    let again = alice.get("/statements").await.refused("missing");
    assert_eq!((again.id(), again.attempts_left()), (flow.id(), Some(5)));
    assert_eq!(bank.message_count().await, 1);
}

/// A client that waits hears of a PIN that another tab has sent: first that it costs an attempt, then
/// what came of it.
pub async fn a_client_that_waits_hears_of_a_pin(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let (waiting, request) = (alice.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move {
        let first = waiting.peek(request.clone()).await.flow();
        if first.state() == "authenticated" { first } else { waiting.peek(request).await.flow() }
    });
    // Whether the wait has begun by now or not, it ends with the news.
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    waiting.await.expect("an answer").assert_state("authenticated");
}

/// A flow that has authenticated is over, and says so.
pub async fn an_authenticated_flow_takes_no_change(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(flow.start()).await.assert_problem(409, "flow-over");
    alice.send(flow.cancel()).await.assert_problem(409, "flow-over");
    alice.send(flow.submit(&wrong(&pin))).await.assert_problem(409, "flow-over");
    let stands = flow.status(&alice).await;
    stands.assert_state("authenticated");
    assert_eq!(stands.field("method"), Some(&json!("pin")));
    alice.get("/statements").await.assert_status(200);
    assert_eq!(bank.message_count().await, 1);
}
