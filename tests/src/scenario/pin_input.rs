//! What a PIN may look like (T32).

use serde_json::{Value, json};

use super::{done, transfer};
use crate::client::{Client, Request};
use crate::flow::Flow;
use crate::subject::Subject;

/// T32: what is no PIN costs no attempt.
pub async fn a_malformed_pin_spends_no_attempt(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let mut malformed: Vec<Value> = [
        "",
        " ",
        "1234567",
        "123456789",
        "1234567a",
        "+1234567",
        "-1234567",
        "1234.678",
        "0x123456",
        "12345678\n",
        "\t12345678",
        "12345678\0",
        "１２３４５６７８",
        "١٢٣٤٥٦٧٨",
        "1234567８",
        "1234-5678",
    ]
    .map(Value::from)
    .to_vec();
    malformed.push(json!(1234));
    malformed.push(json!(123_456_789));
    malformed.push(json!("1".repeat(5000)));
    for pin in malformed {
        let request = Request::post(&flow.path("/pin")).json(&json!({"pin": pin}));
        let answer = alice.send(request).await;
        assert_eq!(answer.status, 400, "{pin}: {answer:?}");
        answer.assert_problem(400, "pin-malformed");
    }
    assert_eq!(flow.status(&alice).await.attempts_left(), Some(5));
    finish(&mut alice, flow.submit(&pin)).await;
}

/// Bodies that cannot be read are told apart from PINs that cannot be right.
pub async fn a_malformed_body_spends_no_attempt(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let cut_short = format!("{{\"pin\":\"{pin}\"");
    let bodies = [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "\"12345678\"",
        "{\"pin\":null}",
        "{\"pin\":[\"12345678\"]}",
        "{\"pin\":true}",
        "{\"Pin\":\"12345678\"}",
        "pin=12345678",
        &cut_short,
    ];
    for body in bodies {
        let request = Request::post(&flow.path("/pin")).body("application/json", body);
        let answer = alice.send(request).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        answer.assert_problem(400, "body-malformed");
    }
    let no_pin = Request::post(&flow.path("/pin")).form(&[("pn", &pin)]);
    alice.send(no_pin).await.assert_problem(400, "body-malformed");
    assert_eq!(flow.status(&alice).await.attempts_left(), Some(5));
    finish(&mut alice, flow.submit(&pin)).await;
}

/// As people copy them.
pub async fn spaces_in_a_pin_are_fine(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let (first, second) = pin.split_at(4);
    finish(&mut alice, flow.submit(&format!(" {first} {second} "))).await;
}

/// As the v1 API carries them.
pub async fn a_pin_may_be_a_number(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let number: u64 = pin.parse().expect("digits");
    let request = Request::post(&flow.path("/pin")).json(&json!({"pin": number}));
    finish(&mut alice, request).await;
}

/// As the page sends them.
pub async fn a_pin_may_come_by_form(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let (first, second) = pin.split_at(4);
    let grouped = format!("{first} {second}");
    let request = Request::post(&flow.path("/pin")).form(&[("pin", &grouped)]);
    finish(&mut alice, request).await;
}

/// As programs name the type of a body.
pub async fn a_content_type_may_have_parameters(bank: &Subject) {
    let (mut alice, flow, pin) = asked(bank).await;
    let body = json!({"pin": pin, "comment": "unknown fields are ignored"}).to_string();
    let request = Request::post(&flow.path("/pin")).body("Application/JSON; charset=utf-8", body);
    finish(&mut alice, request).await;
}

async fn asked(bank: &Subject) -> (Client, Flow, String) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    (alice, flow, bank.newest_pin().await)
}

async fn finish(alice: &mut Client, pin: Request) {
    alice.send(pin).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(alice).await, ["250.00"]);
}
