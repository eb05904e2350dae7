//! The transfers: what takes a proof, and how much of one.

use serde_json::{Value, json};

use super::{done, transfer};
use crate::client::Request;
use crate::subject::Subject;

/// The floor of the policy.
pub async fn a_transfer_below_100_takes_no_proof(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for (amount, shown) in [
        (json!(1), "1.00"),
        (json!("0.01"), "0.01"),
        (json!(99.5), "99.50"),
        (json!("99.99"), "99.99"),
    ] {
        let answer = alice.send(transfer("bob", amount)).await.with(201).json();
        assert_eq!((&answer["to"], &answer["amount"]), (&json!("bob"), &json!(shown)));
        assert!(answer.get("id").is_some() && answer.get("elevation").is_none(), "{answer}");
    }
    assert_eq!(done(&alice).await, ["1.00", "0.01", "99.50", "99.99"]);
    assert_eq!(bank.message_count().await, 0);
}

/// The limits themselves.
pub async fn a_transfer_from_100_to_10000_takes_a_proof(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for amount in ["100", "100.00", "10000.00"] {
        let _flow = alice.send(transfer("bob", amount)).await.refused("missing");
    }
    assert_eq!(done(&alice).await, [""; 0]);
}

/// The ceiling: no proof helps.
pub async fn a_transfer_above_10000_is_denied(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for amount in [json!("10000.01"), json!(10_001), json!(1_000_000)] {
        let answer = alice.send(transfer("bob", amount)).await;
        answer.assert_problem(403, "denied");
        assert!(answer.json().get("flow").is_none(), "{answer:?}");
    }
    assert_eq!(done(&alice).await, [""; 0]);
    assert_eq!(bank.message_count().await, 0);
}

/// An amount is never read in two ways.
pub async fn a_transfer_of_no_sensible_amount_is_refused(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for amount in [
        json!(0),
        json!(-1),
        json!("-250"),
        json!("0.00"),
        json!("1.001"),
        json!(0.001),
        json!("abc"),
        json!(""),
        json!("1,50"),
        json!("1.5.0"),
        json!("NaN"),
        json!("inf"),
        json!(null),
        json!([250]),
        json!(true),
        json!("99999999999999999999999999"),
        json!(1e300),
        json!("٢٥٠"),
    ] {
        let answer = alice.send(transfer("bob", amount.clone())).await;
        assert_eq!(answer.status, 422, "{amount}: {answer:?}");
    }
    assert_eq!(done(&alice).await, [""; 0]);
    assert_eq!(bank.message_count().await, 0);
}

/// A form does what JSON does.
pub async fn a_transfer_by_form_is_the_same_transfer(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let form = Request::post("/transfers").form(&[("to", "bob"), ("amount", "250")]);
    let answer = alice.send(form.clone()).await;
    let flow = answer.refused("missing");
    assert_eq!(answer.json()["operation"], "Transfer 250.00 EUR to bob");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", "250.00")).await.assert_status(201);
    alice.send(form).await.assert_status(401);
    assert_eq!(done(&alice).await, ["250.00"]);
}

/// The story of one transfer, and of the double click behind it.
pub async fn a_transfer_runs_once_for_each_proof(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let answer = alice.send(flow.submit(&pin)).await;
    let id = flow.id();
    let expected = format!(
        r#"{{"id":"{id}","url":"/step-up/flows/{id}","state":"authenticated","method":"pin"}}"#
    );
    answer.flow().assert_state("authenticated");
    assert_eq!(answer.text(), expected);

    let transferred = alice.send(transfer("bob", 250)).await.with(201).json();
    assert_eq!((&transferred["to"], &transferred["amount"]), (&json!("bob"), &json!("250.00")));
    assert!(transferred["elevation"].is_object(), "{transferred}");

    let spent = alice.send(transfer("bob", 250)).await.refused("spent");
    spent.assert_state("idle");
    assert_ne!(spent.id(), flow.id());
    assert_eq!(bank.message_count().await, 1, "a double click sends no message");
    assert_eq!(done(&alice).await, ["250.00"]);

    alice.send(spent.start()).await.flow().assert_live();
    assert_eq!(bank.message_count().await, 2);
    let pin = bank.newest_pin().await;
    alice.send(spent.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(&alice).await, ["250.00", "250.00"]);
}

/// The list is one user's own.
pub async fn nobody_sees_the_transfers_of_another(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    alice.send(transfer("bob", 5)).await.assert_status(201);
    let bob = bank.login("bob").await;
    let list = bob.peek(Request::get("/transfers")).await.with(200).json();
    assert_eq!(list, Value::Array(Vec::new()));
}
