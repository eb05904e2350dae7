use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};

use crate::harness::{Answer, Authority, check_body, send, wrong};

/// Longer than anything here takes, shorter than the poll: reaching it means that nothing woke it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A poll that the server holds by now.
pub(crate) async fn held(authority: &Authority, user: &str) -> JoinHandle<Answer> {
    let looks = authority.clock.looks();
    let request =
        authority.request("/v1/check", &check_body(user, json!({}))).header("prefer", "wait=30");
    let poll = tokio::spawn(send(request));
    // The key is checked at one time, and the challenge read at another.
    timeout(PATIENCE, authority.clock.looked_at(looks + 2)).await.unwrap();
    assert!(!poll.is_finished());
    poll
}

pub(crate) async fn answered(poll: JoinHandle<Answer>) -> Answer {
    timeout(PATIENCE, poll).await.expect("the poll was not woken").unwrap()
}

#[tokio::test]
async fn an_approval_wakes_it() {
    let authority = Authority::new().await;
    let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
    let link = authority.newest().link().unwrap().to_owned();
    let poll = held(&authority, "bob").await;
    authority.answer_link(&link, &[("match", &number), ("action", "approve")]).await;
    let answer = answered(poll).await;
    assert_eq!(answer.headers["preference-applied"], "wait=30");
    answer.is(200, &json!({"result": "authenticated"}));
}

#[tokio::test]
async fn so_does_whatever_else_changes_it() {
    let authority = Authority::new().await;
    authority.start("bob").await;
    let link = authority.newest().link().unwrap().to_owned();
    let poll = held(&authority, "bob").await;
    authority.answer_link(&link, &[("action", "decline")]).await;
    answered(poll).await.is(403, &json!({"result": "security error", "reason": "declined"}));

    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let poll = held(&authority, "alice").await;
    authority.check("alice", json!({"pin": wrong(&pin)})).await;
    assert_eq!(answered(poll).await.json()["result"], "pending");

    let poll = held(&authority, "alice").await;
    authority.server.directory().disable("alice").await.unwrap();
    answered(poll).await.is(403, &json!({"result": "security error"}));
}

#[tokio::test]
async fn the_end_of_the_server_ends_it() {
    let mut authority = Authority::new().await;
    authority.start("bob").await;
    let poll = held(&authority, "bob").await;
    timeout(PATIENCE, authority.stop()).await.expect("the server did not end");
    assert_eq!(answered(poll).await.json()["result"], "pending");
}

#[tokio::test]
async fn what_is_decided_is_not_held() {
    let authority = Authority::new().await;
    let poll = async |user: &str| {
        let request = authority.request("/v1/check", &check_body(user, json!({})));
        timeout(PATIENCE, send(request.header("prefer", "wait=30"))).await.unwrap()
    };
    poll("nobody").await.is(403, &json!({"result": "security error"}));
    authority.start("bob").await;
    authority.clock.advance(Duration::from_secs(600));
    poll("bob").await.is(403, &json!({"result": "expired"}));
}

#[tokio::test]
async fn one_with_a_pin_is_not_held() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let request = authority.request("/v1/check", &check_body("alice", json!({"pin": wrong(&pin)})));
    let answer = timeout(PATIENCE, send(request.header("prefer", "wait=30"))).await.unwrap();
    assert_eq!(answer.json()["attempts_left"], 4);
}
