//! A PIN that rides on the repeated request.

use super::{done, transfer};
use crate::client::Request;
use crate::inbox::wrong;
use crate::subject::Subject;

/// One request fewer, and the same proof.
pub async fn the_right_pin_on_the_repeated_request_lets_it_through(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let _flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let repeated = transfer("bob", 250).header("flexsecure-pin", &pin);
    let answer = alice.send(repeated.clone()).await.with(201);
    assert!(answer.json()["elevation"].is_object(), "{answer:?}");
    let spent = alice.send(repeated).await.refused("spent");
    spent.assert_state("idle");
    assert_eq!(done(&alice).await, ["250.00"]);
    assert_eq!(bank.message_count().await, 1);
}

/// T21: it costs an attempt there too.
pub async fn a_wrong_pin_on_the_repeated_request_is_rejected(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let repeated = transfer("bob", 250).header("flexsecure-pin", &wrong(&pin));
    for left in (1..5_u64).rev() {
        let answer = alice.send(repeated.clone()).await;
        answer.assert_problem(403, "pin-rejected");
        assert_eq!(answer.json()["attempts_left"], left, "{answer:?}");
        assert_eq!(answer.flow_within().id(), flow.id());
    }
    let answer = alice.send(repeated).await;
    answer.assert_problem(403, "pin-rejected");
    answer.flow_within().assert_over("attempts");
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T32: nor does what is no PIN cost one.
pub async fn a_malformed_pin_on_the_repeated_request_spends_no_attempt(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    for malformed in ["1234", "", "abcdefgh", "12345678, 87654321"] {
        let repeated = transfer("bob", 250).header("flexsecure-pin", malformed);
        alice.send(repeated).await.assert_problem(400, "pin-malformed");
    }
    assert_eq!(flow.status(&alice).await.attempts_left(), Some(5));
}

/// There is nothing to compare it with.
pub async fn a_pin_without_a_live_flow_is_ignored(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for pin in ["48151623", "not a PIN"] {
        let request = Request::get("/statements").header("flexsecure-pin", pin);
        let flow = if pin == "48151623" {
            alice.send(request).await.refused("missing")
        } else {
            let mut elsewhere = bank.login("alice").await;
            elsewhere.send(request).await.refused("missing")
        };
        flow.assert_live();
        assert_eq!(flow.attempts_left(), Some(5));
    }
}

/// T40: a page of another site cannot spend the user's attempts.
pub async fn a_pin_that_another_site_sends_is_ignored(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    for pin in [wrong(&pin), pin] {
        let request = Request::get("/statements")
            .header("flexsecure-pin", &pin)
            .header("sec-fetch-site", "cross-site");
        let answer = alice.send(request).await;
        assert_ne!(answer.status, 200, "{answer:?}");
    }
    let stands = flow.status(&alice).await;
    stands.assert_live();
    assert_eq!(stands.attempts_left(), Some(5));
}
