//! Approval by link (T07, T25).

use super::{done, transfer};
use crate::client::Request;
use crate::inbox::wrong_match;
use crate::subject::Subject;

/// T25: mail scanners open links.
pub async fn opening_the_link_approves_nothing(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.send(transfer("alice", 250)).await.refused("missing");
    let link = bank.newest_link().await;
    let page = link.open("GET").await.with(200);
    assert!(page.text().contains("Transfer 250.00 EUR to alice"), "T07: the page says what for");
    assert!(
        !page.text().contains(&format!(">{}<", flow.match_number())),
        "T07: but not the number"
    );
    assert_eq!(page.header("set-cookie"), None, "the clicker gets no session");
    for method in ["HEAD", "GET", "OPTIONS", "PUT", "DELETE", "GET"] {
        let _answer = link.open(method).await;
    }
    flow.status(&bob).await.assert_live();
    assert_eq!(done(&bob).await, [""; 0]);
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.send(transfer("alice", 250)).await.assert_status(201);
}

/// T07: who approves something else than they see is stopped.
pub async fn the_wrong_match_number_ends_the_flow(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    let number = flow.match_number();
    link.approve(wrong_match(number)).await.assert_status(200);
    let stands = bob.send(Request::get(flow.url()).wait(30)).await.flow();
    stands.assert_state("expired");
    let _late = link.approve(number).await;
    flow.status(&bob).await.assert_state("expired");
    assert_ne!(bob.get("/statements").await.status, 200);
}

/// T07: no number is no answer.
pub async fn an_unreadable_match_number_changes_nothing(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    for unreadable in ["", "1", "123", "ab", " "] {
        let _page = link.approve(unreadable).await;
    }
    flow.status(&bob).await.assert_live();
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
}

/// "This wasn't me."
pub async fn a_user_who_declines_ends_the_flow(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    bank.newest_link().await.decline().await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_over("declined");
    assert_ne!(bob.get("/statements").await.status, 200);
}

/// The wait ends with the click.
pub async fn a_client_that_waits_hears_of_the_approval(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    let (waiting, request) = (bob.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move { waiting.peek(request).await });
    link.approve(flow.match_number()).await.assert_status(200);
    waiting.await.expect("an answer").flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
}

/// A program that only repeats its request gets through, too.
pub async fn the_repeated_request_alone_gets_through(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    bank.newest_link().await.approve(flow.match_number()).await.assert_status(200);
    repeat_until_through(&mut bob, &flow).await;
}

/// F40: a request may be held instead, and goes through by itself.
pub async fn a_held_request_goes_through_when_the_user_approves(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.send(transfer("alice", 250)).await.refused("missing");
    let link = bank.newest_link().await;
    let held = {
        let (bob, request) = (bob.clone(), transfer("alice", 250).wait(60));
        tokio::spawn(async move { bob.peek(request).await })
    };
    link.approve(flow.match_number()).await.assert_status(200);
    let answer = held.await.expect("an answer").with(201);
    let applied = answer.header("preference-applied").expect("RFC 7240, section 3");
    assert!(applied.starts_with("wait"), "{applied}");
    assert_eq!(done(&bob).await, ["250.00"]);
}

/// F40: nor does it go through when the user declines.
pub async fn a_held_request_is_refused_when_the_user_declines(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let _flow = bob.send(transfer("alice", 250)).await.refused("missing");
    let link = bank.newest_link().await;
    let held = {
        let (bob, request) = (bob.clone(), transfer("alice", 250).wait(60));
        tokio::spawn(async move { bob.peek(request).await })
    };
    link.decline().await.assert_status(200);
    let answer = held.await.expect("an answer");
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(done(&bob).await, [""; 0]);
}

/// RFC 7240: what cannot be preferred is not an error.
pub async fn an_unusable_preference_is_ignored(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    for unusable in ["wait", "wait=", "wait=-1", "wait=abc", "wait=0", "respond-async", "", "=;,="]
    {
        let request = Request::get(flow.url()).header("prefer", unusable);
        bob.send(request).await.flow().assert_live();
    }
}

/// T20, T25: a link is good for one answer.
pub async fn a_link_is_good_for_one_answer(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.send(transfer("alice", 250)).await.refused("missing");
    let link = bank.newest_link().await;
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.send(transfer("alice", 250)).await.assert_status(201);
    let _again = link.approve(flow.match_number()).await;
    let _spent = bob.send(transfer("alice", 250)).await.refused("spent");
    assert_eq!(done(&bob).await, ["250.00"]);
}

/// Waits at the flow for what the repeated request is told too.
async fn repeat_until_through(bob: &mut crate::client::Client, flow: &crate::flow::Flow) {
    for _ in 0..RETRIES {
        let answer = bob.get("/statements").await;
        if answer.status == 200 {
            return;
        }
        assert_eq!(answer.refused("missing").id(), flow.id());
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the approval never got through");
}

/// As often as a program would that has no way to wait.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
const RETRIES: usize = 40;
