use std::time::Duration;

use flexsecure_server::{Message, Method};
use serde_json::{Value, json};

use crate::harness::{Answer, Authority, send};

const SESSIONS: [Option<&str>; 3] = [Some("session-1"), Some("session-2"), None];

/// A start on behalf of a session, and the message that it led to.
async fn start(authority: &Authority, user: &str, binding: Option<&str>) -> (Value, Message) {
    (post_start(authority, user, binding).await.json(), authority.newest())
}

async fn post_start(authority: &Authority, user: &str, binding: Option<&str>) -> Answer {
    let mut body = json!({"system": "bank", "authid": user, "operation": "Log in"});
    if let Some(binding) = binding {
        body["binding"] = json!(binding);
    }
    authority.post("/v1/start", &body).await
}

async fn is_pending(authority: &Authority, user: &str, started: &Value) -> bool {
    authority.check(user, json!({"txn": started["txn"]})).await.json()["result"] == "pending"
}

#[tokio::test]
async fn another_session_gets_a_pin_of_its_own_and_none_is_good_for_another() {
    for attacker in SESSIONS {
        for victim in SESSIONS.into_iter().filter(|&victim| victim != attacker) {
            let authority = Authority::new().await;
            let (attackers, _) = start(&authority, "alice", attacker).await;
            let (victims, message) = start(&authority, "alice", victim).await;
            assert_ne!(attackers["txn"], victims["txn"], "{attacker:?}, {victim:?}");
            assert_eq!(authority.sent(), 2);
            let pin = message.pin().unwrap();

            let taken = json!({"txn": attackers["txn"], "pin": pin});
            let wrong = json!({"result": "security error", "reason": "pin", "attempts_left": 4});
            authority.check("alice", taken.clone()).await.is(403, &wrong);
            assert!(is_pending(&authority, "alice", &victims).await);

            let yes = json!({"result": "authenticated"});
            let own = json!({"txn": victims["txn"], "pin": pin});
            authority.check("alice", own).await.is(200, &yes);
            assert!(is_pending(&authority, "alice", &attackers).await);
            assert_eq!(authority.check("alice", taken).await.json()["attempts_left"], 3);
        }
    }
}

#[tokio::test]
async fn an_approved_link_leaves_the_other_session_pending() {
    for attacker in SESSIONS {
        for victim in SESSIONS.into_iter().filter(|&victim| victim != attacker) {
            let authority = Authority::new().await;
            let (attackers, first) = start(&authority, "bob", attacker).await;
            let (victims, second) = start(&authority, "bob", victim).await;
            assert_ne!(attackers["txn"], victims["txn"], "{attacker:?}, {victim:?}");
            assert_ne!(first.link(), second.link());
            assert_eq!(authority.sent(), 2);

            let form = [("match", victims["match"].as_str().unwrap()), ("action", "approve")];
            assert_eq!(authority.answer_link(second.link().unwrap(), &form).await.status, 200);
            let answer = authority.check("bob", json!({"txn": victims["txn"]})).await;
            answer.is(200, &json!({"result": "authenticated"}));
            assert!(is_pending(&authority, "bob", &attackers).await);

            let decline = [("match", ""), ("action", "decline")];
            authority.answer_link(first.link().unwrap(), &decline).await;
            assert!(!is_pending(&authority, "bob", &attackers).await);
            let answer = authority.check("bob", json!({"txn": victims["txn"]})).await;
            answer.is(200, &json!({"result": "authenticated"}));
        }
    }
}

#[tokio::test]
async fn each_session_repeats_and_resends_its_own() {
    for user in ["alice", "bob"] {
        // One of them a time: the recipient gets no more than five messages in a row.
        for resending in 0..SESSIONS.len() {
            let authority = Authority::new().await;
            let mut first = Vec::new();
            for binding in SESSIONS {
                first.push(start(&authority, user, binding).await);
            }
            for (binding, (started, _)) in SESSIONS.into_iter().zip(&first) {
                assert_eq!(start(&authority, user, binding).await.0, *started, "{binding:?}");
            }
            assert_eq!(authority.sent(), SESSIONS.len(), "all of it within the cool-down");

            authority.clock.advance(Duration::from_secs(30));
            let (started, message) = &first[resending];
            let (again, resent) = start(&authority, user, SESSIONS[resending]).await;
            assert_eq!((&again["txn"], &again["match"]), (&started["txn"], &started["match"]));
            assert_eq!((resent.pin(), resent.link()), (message.pin(), message.link()));
            assert_eq!(authority.sent(), SESSIONS.len() + 1);
        }
    }
}

#[tokio::test]
async fn null_is_no_binding() {
    let authority = Authority::new().await;
    let (started, _) = start(&authority, "alice", None).await;
    let body = json!({"system": "bank", "authid": "alice", "operation": "Log in", "binding": null});
    assert_eq!(authority.post("/v1/start", &body).await.json(), started);
    assert_eq!(authority.sent(), 1);
}

#[tokio::test]
async fn a_check_without_txn_is_about_the_newest() {
    let authority = Authority::new().await;
    let (older, first) = start(&authority, "alice", SESSIONS[0]).await;
    let (newest, second) = start(&authority, "alice", SESSIONS[1]).await;
    start(&authority, "alice", SESSIONS[0]).await;

    let wrong = json!({"result": "security error", "reason": "pin", "attempts_left": 4});
    authority.check("alice", json!({"pin": first.pin()})).await.is(403, &wrong);
    let yes = json!({"result": "authenticated"});
    authority.check("alice", json!({"pin": second.pin()})).await.is(200, &yes);
    authority.check("alice", json!({"txn": newest["txn"]})).await.is(200, &yes);
    assert!(is_pending(&authority, "alice", &older).await);
}

#[tokio::test]
async fn a_switched_method_ends_nothing_of_another_session() {
    let authority = Authority::new().await;
    let (one, _) = start(&authority, "alice", SESSIONS[0]).await;
    let (two, _) = start(&authority, "alice", SESSIONS[1]).await;
    authority.server.directory().assign("alice", &["bank"], Method::Passwordless).await.unwrap();
    let (switched, _) = start(&authority, "alice", SESSIONS[1]).await;
    assert_eq!(switched["method"], "passwordless");
    assert!(is_pending(&authority, "alice", &one).await);
    assert!(!is_pending(&authority, "alice", &two).await);
}

#[tokio::test]
async fn what_is_withdrawn_is_withdrawn_from_all_sessions() {
    let authority = Authority::new().await;
    let mut started = Vec::new();
    for binding in SESSIONS {
        started.push(start(&authority, "alice", binding).await.0);
    }
    authority.server.directory().disable("alice").await.unwrap();
    authority.server.directory().enable("alice").await.unwrap();
    for started in started {
        let answer = authority.check("alice", json!({"txn": started["txn"]})).await;
        answer.is(403, &json!({"result": "expired"}));
    }
}

#[tokio::test]
async fn an_idempotency_key_outranks_it() {
    let authority = Authority::new().await;
    let start = async |key: &str, binding: &str| {
        let body = json!({"system": "bank", "authid": "alice", "binding": binding});
        send(authority.request("/v1/start", &body).header("idempotency-key", key)).await.json()
    };
    let first = start("k1", "session-1").await;
    assert_eq!(start("k1", "session-2").await, first);
    assert_eq!(authority.sent(), 1);
    let second = start("k2", "session-2").await;
    assert_ne!(second["txn"], first["txn"]);
    assert_eq!(start("k2", "session-1").await, second);
    assert_eq!(authority.sent(), 2);
}

#[tokio::test]
async fn a_malformed_one_is_refused() {
    let authority = Authority::new().await;
    let longest = "~".repeat(128);
    for binding in ["!", &longest] {
        assert_eq!(post_start(&authority, "alice", Some(binding)).await.status, 200);
    }
    let too_long = "x".repeat(129);
    let bad = [
        json!(""),
        json!(too_long),
        json!("with space"),
        json!("line\n"),
        json!("nul\0"),
        json!("del\u{7f}"),
        json!("Zoë"),
        json!(1),
        json!(true),
        json!(["x"]),
        json!({"is": "x"}),
    ];
    for binding in bad {
        for user in ["alice", "nobody"] {
            let body = json!({"system": "bank", "authid": user, "binding": binding});
            let answer = authority.post("/v1/start", &body).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["result"]),
                (400, &json!("bad request")),
                "{binding}"
            );
        }
    }
    assert_eq!(authority.sent(), 2);
    assert_eq!(authority.audited("start refused").await, 0);
}
