//! What is held follows its session and ends with the credentials (T04, T05), within limits (T60).

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{alice_with_statements, transfer};
use crate::client::{Client, Request};
use crate::subject::Subject;

/// T05: under the new id, and under no other.
pub async fn a_proof_goes_along_with_its_session(bank: &Subject) {
    let mut alice = alice_with_statements(bank).await;
    let before = rotate(&mut alice).await;
    alice.get("/statements").await.assert_status(200);
    before.peek(Request::get("/statements")).await.assert_status(401);
    assert_eq!(bank.message_count().await, 2);
}

/// T01, T05: to the id of before the flow is one that never was.
pub async fn a_flow_goes_along_with_its_session(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let before = rotate(&mut alice).await;
    for request in [Request::get(flow.url()), flow.submit(&pin), flow.start(), flow.cancel()] {
        before.peek(request).await.assert_problem(404, "flow-not-found");
    }
    flow.status(&alice).await.assert_live();
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.get("/statements").await.assert_status(200);
    before.peek(Request::get("/statements")).await.assert_status(401);
}

/// An approval that is under way finds the session wherever it has gone.
pub async fn a_link_approved_after_a_rotation_lets_the_new_session_in(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    // The authority is being asked, and answers only after the rotation.
    let (waiting, wait) = (bob.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move { waiting.peek(wait).await });
    let before = rotate(&mut bob).await;
    waiting.await.expect("an answer").assert_problem(404, "flow-not-found");
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
    before.peek(Request::get("/statements")).await.assert_status(401);
}

/// T08: the new session joins the flow of the old one, and nothing is sent twice.
pub async fn a_message_sent_before_a_rotation_is_good_after(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    rotate(&mut alice).await;
    rotate(&mut alice).await;
    let again = alice.send(transfer("bob", 250)).await.refused("missing");
    assert_eq!(again.id(), flow.id());
    assert_eq!(bank.message_count().await, 1);
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
}

/// T01, T05: a cookie outlives its session in this bank, so who has kept one can ask again. It is
/// another login, with a message of its own.
pub async fn who_keeps_the_id_of_before_shares_no_approval(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    let before = rotate(&mut bob).await;
    let stale = before.peek(Request::get("/statements")).await.refused("missing");
    assert_ne!(stale.id(), flow.id());
    assert_eq!(bank.message_count().await, 2);
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    stale.status(&before).await.assert_live();
    before.peek(Request::get("/statements")).await.assert_status(401);
}

/// T05: it does not go through by what the user approves later.
pub async fn a_held_request_of_the_old_session_is_refused_by_a_rotation(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let begun = Instant::now();
    let (holding, held) = (bob.clone(), Request::get("/statements").wait(60));
    let holding = tokio::spawn(async move { holding.peek(held).await });
    // Held or not yet, it is refused; but it should be held.
    tokio::time::sleep(A_MOMENT).await;
    rotate(&mut bob).await;
    let answer = holding.await.expect("an answer");
    answer.assert_problem(401, "step-up-required");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    flow.status(&bob).await.assert_live();
}

/// T04: in every session of the user, and of no other.
pub async fn a_change_of_password_ends_what_was_proved_and_begun(bank: &Subject) {
    let mut alice = alice_with_statements(bank).await;
    let mut elsewhere = bank.login("alice").await;
    let flow = elsewhere.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let mut bob = bank.login("bob").await;
    let bobs = bob.get("/statements").await.refused("missing");
    elsewhere.post("/password", &json!({})).await.assert_status(204);

    let _flow = alice.get("/statements").await.refused("missing");
    elsewhere.send(flow.submit(&pin)).await.assert_problem(404, "flow-not-found");
    let _flow = elsewhere.send(transfer("bob", 250)).await.refused("missing");
    bobs.status(&bob).await.assert_live();
    let mut nobody = bank.stranger();
    let refused = nobody.post("/password", &json!({})).await;
    refused.assert_problem(401, "identification-required");
}

/// T04: whoever waits for an approval that would be good for nothing is told so.
pub async fn a_change_of_password_ends_the_waiting(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let begun = Instant::now();
    let (waiting, wait) = (bob.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move { waiting.peek(wait).await });
    let (holding, held) = (bob.clone(), Request::get("/statements").wait(60));
    let holding = tokio::spawn(async move { holding.peek(held).await });
    tokio::time::sleep(A_MOMENT).await;
    bob.post("/password", &json!({})).await.assert_status(204);
    waiting.await.expect("an answer").assert_problem(404, "flow-not-found");
    holding.await.expect("an answer").assert_problem(401, "step-up-required");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

/// T60, T65: one more is refused before anything goes out, and keeps nobody else from anything.
pub async fn a_session_has_so_many_flows_and_sends_nothing_for_more(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let silently = |amount: u32| transfer("bob", amount).header("sec-fetch-site", "cross-site");
    for amount in 100..132 {
        alice.send(silently(amount)).await.refused("missing").assert_state("idle");
    }
    let refused = alice.send(transfer("bob", 132)).await;
    refused.assert_problem(429, "too-many-starts");
    assert!(refused.retry_after() <= 600, "{refused:?}");
    assert_eq!(bank.message_count().await, 0);
    let mut bob = bank.login("bob").await;
    bob.get("/statements").await.refused("missing").assert_live();
    let mut elsewhere = bank.login("alice").await;
    elsewhere.get("/statements").await.refused("missing").assert_live();
}

/// Gives the client's session another id, and gives back a client that has kept the old one.
async fn rotate(client: &mut Client) -> Client {
    let before = client.clone();
    client.send(Request::post("/rotate")).await.assert_status(204);
    assert_ne!(client.cookies(), before.cookies());
    before
}

/// Enough for a request to be on its way; what is asserted does not depend on it.
const A_MOMENT: Duration = Duration::from_millis(300);

/// A fraction of how long it would be held, for a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(15);
