use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Authority, check_body, send, wrong};

/// Breaks the database under a running server.
async fn broken() -> (Authority, String, String) {
    let authority = Authority::new().await;
    let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
    let link = authority.newest().link().unwrap().to_owned();
    authority.sql("ALTER TABLE challenges RENAME TO gone").await.unwrap();
    (authority, link, number)
}

/// F71
#[tokio::test]
async fn a_broken_database_is_an_outage_and_no_answer() {
    let (authority, link, number) = broken().await;
    let body = json!({"system": "bank", "authid": "alice"});
    let with_pin = json!({"system": "bank", "authid": "alice", "pin": "12345678"});
    let form = [("match", number.as_str()), ("action", "approve")];
    let calls: [(RequestBuilder, bool); 6] = [
        (authority.request("/v1/start", &body), true),
        (authority.request("/v1/check", &body), true),
        (authority.request("/v1/check", &with_pin), true),
        (authority.request("/v1/check", &body).header("prefer", "wait=30"), true),
        (authority.http.get(&link), false),
        (authority.http.post(&link).form(&form), false),
    ];
    for (request, is_json) in calls {
        let answer = send(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        assert!(!answer.body.contains("gone") && !answer.body.contains("SELECT"));
        if is_json {
            assert_eq!(answer.json(), json!({"result": "unavailable"}));
        }
    }
    assert_eq!(authority.sent(), 1);
}

/// What has become of everything so far.
pub(crate) async fn written(authority: &Authority) -> Vec<Vec<Vec<String>>> {
    let mut written = Vec::new();
    for statement in [
        "SELECT id, state, attempts, claimed, sends FROM challenges ORDER BY id",
        "SELECT user_id, method, in_row FROM failures ORDER BY user_id, method",
        "SELECT id, state, tries FROM outbox ORDER BY id",
        "SELECT id, event, challenge_id FROM audit ORDER BY id",
    ] {
        written.push(authority.sql(statement).await.unwrap());
    }
    written
}

/// F71
#[tokio::test]
async fn while_another_writes_for_long_nothing_is_half_done_and_nobody_waits_long() {
    let authority = Authority::new().await;
    let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
    let link = authority.newest().link().unwrap().to_owned();
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    authority.until_sql("SELECT count(*) FROM outbox WHERE state <> 'accepted'", "0").await;
    let before = written(&authority).await;

    let holder = authority.database.hold().await;
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for pin in [wrong(&pin), &pin, wrong(&pin)] {
        calls
            .spawn(send(authority.request("/v1/check", &check_body("alice", json!({"pin": pin})))));
    }
    for (user, operation) in [("alice", "one"), ("bob", "two"), ("bob", "three")] {
        let body = check_body(user, json!({"operation": operation}));
        calls.spawn(send(authority.request("/v1/start", &body)));
    }
    let form = [("match", number.as_str()), ("action", "approve")];
    calls.spawn(send(authority.http.post(&link).form(&form)));
    // What need not be written is told meanwhile.
    assert_eq!(authority.check("alice", json!({})).await.json()["result"], "pending");
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        let retry_after = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status.as_u16(), retry_after), (503, Some("5")), "{answer:?}");
    }
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    holder.release().await;

    assert_eq!(written(&authority).await, before);
    authority
        .check("alice", json!({"pin": pin}))
        .await
        .is(200, &json!({"result": "authenticated"}));
    assert_eq!(authority.answer_link(&link, &form).await.status, 200);
    authority.check("bob", json!({})).await.is(200, &json!({"result": "authenticated"}));
    assert_eq!(authority.audited("authenticated").await, 2);
    assert_eq!(authority.audited("wrong pin").await, 0);
    authority.post("/v1/start", &check_body("bob", json!({"operation": "two"}))).await;
    assert_eq!(authority.sent(), 3);
}
