//! The refusal that a program reads: RFC 9470, RFC 9457.

use serde_json::json;

use super::transfer;
use crate::client::Request;
use crate::subject::Subject;

/// Every byte of the body, and the grammar of the header.
pub async fn a_refusal_says_all_that_a_client_needs(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let answer = alice.send(transfer("bob", 250)).await;
    let flow = answer.refused("missing");
    let problem = answer.json();
    let (detail, max_age) = (problem["detail"].as_str().expect("a detail"), &problem["max_age"]);
    let expires_in = flow.field("expires_in").and_then(serde_json::Value::as_u64);
    let interval = flow.field("interval").and_then(serde_json::Value::as_u64);
    let (Some(expires_in @ 200..=300), Some(interval @ 1..=30)) = (expires_in, interval) else {
        panic!("{answer:?}");
    };
    assert!(max_age.as_u64().is_some_and(|age| age > 0), "{answer:?}");
    let id = flow.id();
    assert!(id.len() >= 22, "T01: a flow id has 128 random bits: {id}");
    let expected = format!(
        r#"{{"type":"urn:flexsecure:problem:step-up-required","title":"Step-up authentication required","status":401,"detail":"{detail}","reason":"missing","system":"bank-transfers","max_age":{max_age},"operation":"Transfer 250.00 EUR to bob","flow":{{"id":"{id}","url":"/step-up/flows/{id}","state":"started","method":"pin","expires_in":{expires_in},"interval":{interval},"attempts_left":5}}}}"#
    );
    assert_eq!(answer.text(), expected);
    let challenge = format!(
        r#"FlexSecure error="insufficient_user_authentication", error_description="{detail}", max_age="{max_age}", flow="{id}""#
    );
    assert_eq!(answer.header("www-authenticate"), Some(&*challenge));
    assert_eq!(answer.header("set-cookie"), None);
    // T52: whom it was meant for, and in which form they wanted it.
    let vary = answer.header("vary").expect("what it depends on");
    for name in ["Cookie", "Authorization", "Accept", "Origin", "Prefer", "FlexSecure-Pin"] {
        assert!(vary.split(", ").any(|listed| listed == name), "{name}: {vary}");
    }
}

/// A socket that is refused after it was opened has been open.
pub async fn an_upgrade_is_refused_like_any_other_request(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let upgrade = Request::get("/statements")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = alice.send(upgrade).await;
    answer.refused("missing").assert_state("started");
    assert_eq!(answer.header("upgrade"), None);
}

/// A link has a number to compare, and no attempts to count.
pub async fn a_refusal_by_link_shows_the_number_to_compare(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let answer = bob.get("/statements").await;
    let flow = answer.refused("missing");
    flow.assert_state("started");
    assert_eq!(flow.field("method"), Some(&json!("passwordless")));
    assert_eq!(flow.match_number().len(), 2);
    assert_eq!(flow.attempts_left(), None);
    let problem = answer.json();
    assert_eq!((&problem["system"], &problem["max_age"]), (&json!("bank"), &json!(300)));
    assert!(problem.get("operation").is_none(), "{answer:?}");
    let number = format!("\"{}\"", flow.match_number());
    let link = bank.newest_message().await;
    assert!(!link.text().contains(&number), "T07: the number is not in the message");
}

/// T31: who is refused by the authority is told nothing that a stranger could use.
pub async fn a_user_without_the_system_gets_the_same_refusal_with_a_flow_that_is_over(
    bank: &Subject,
) {
    let mut carol = bank.login("carol").await;
    let answer = carol.get("/statements").await;
    let flow = answer.refused("refused");
    flow.assert_over("refused");
    assert_eq!(answer.json()["system"], "bank");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.ends_with(&format!("flow=\"{}\"", flow.id())), "{challenge}");
    assert_eq!(bank.message_count().await, 0);
    carol.get(flow.url()).await.flow().assert_over("refused");
    carol.send(flow.submit("48151623")).await.assert_problem(409, "flow-over");
    carol.send(flow.start()).await.assert_problem(409, "flow-over");
    assert_eq!(bank.message_count().await, 0);
}

/// The message says what will happen (T07).
pub async fn the_message_names_the_operation(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let _flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let message = bank.newest_message().await;
    assert_eq!(message.system(), "bank-transfers");
    assert!(message.text().contains("Transfer 250.00 EUR to bob"), "{}", message.text());
}
