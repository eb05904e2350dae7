use std::time::Duration;

use serde_json::json;

use crate::harness::{Authority, wrong};

async fn started() -> (Authority, String, String) {
    let authority = Authority::new().await;
    let txn = authority.start("alice").await["txn"].as_str().unwrap().to_owned();
    let pin = authority.newest().pin().unwrap().to_owned();
    (authority, txn, pin)
}

#[tokio::test]
async fn it_may_be_a_number_or_a_string_with_spaces() {
    let (_, _, sample) = started().await;
    assert_eq!(sample.len(), 8);
    for form in 0..3 {
        let (authority, txn, pin) = started().await;
        let pin = match form {
            0 => json!(pin.parse::<u64>().unwrap()),
            1 => json!(pin),
            _ => json!(format!(" {} {} ", &pin[..4], &pin[4..])),
        };
        let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
        answer.is(200, &json!({"result": "authenticated"}));
        assert_eq!(authority.audited("authenticated").await, 1);
    }
}

#[tokio::test]
async fn a_wrong_one_costs_an_attempt_and_the_fifth_is_the_last() {
    let (authority, txn, pin) = started().await;
    let submit = async |pin: &str| authority.check("alice", json!({"txn": txn, "pin": pin})).await;
    for left in [4, 3, 2, 1] {
        let expected = json!({"result": "security error", "reason": "pin", "attempts_left": left});
        submit(wrong(&pin)).await.is(403, &expected);
    }
    let over = json!({"result": "security error", "reason": "attempts", "attempts_left": 0});
    submit(wrong(&pin)).await.is(403, &over);
    submit(&pin).await.is(403, &over);
    authority.check("alice", json!({"txn": txn})).await.is(403, &over);
    assert_eq!(authority.audited("wrong pin").await, 5);
    assert_eq!(authority.audited("locked").await, 1);
}

#[tokio::test]
async fn the_fifth_attempt_may_be_right() {
    let (authority, txn, pin) = started().await;
    for _ in 0..4 {
        authority.check("alice", json!({"txn": txn, "pin": wrong(&pin)})).await;
    }
    let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

#[tokio::test]
async fn a_malformed_one_costs_nothing() {
    let (authority, txn, _) = started().await;
    let expected = json!({"result": "security error", "reason": "malformed", "attempts_left": 5});
    let malformed = [
        json!(""),
        json!("1234567"),
        json!("123456789"),
        json!("01234567"),
        json!("１２３４５６７８"),
        json!("1234567\u{0}"),
        json!(1234567),
        json!(-12345678),
        json!(12345678.5),
        json!(1e300),
    ];
    for pin in malformed {
        let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
        answer.is(403, &expected);
    }
    for pin in [json!(true), json!([1]), json!({"a": 1})] {
        let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["result"]),
            (400, &json!("bad request"))
        );
    }
    assert_eq!(authority.audited("wrong pin").await, 0);
}

#[tokio::test]
async fn a_check_without_one_writes_nothing() {
    let (authority, txn, _) = started().await;
    let before = authority.dump().await;
    for body in [json!({"txn": txn}), json!({}), json!({"txn": txn, "pin": null})] {
        let answer = authority.check("alice", body).await;
        answer.is(200, &json!({"result": "pending", "expires_in": 300}));
    }
    // "sent" is noted after the message has gone, beside whatever else happens.
    let without_audit = |dump: String| {
        dump.lines()
            .filter(|line| !line.contains("audit") && !line.contains("sequence"))
            .collect::<String>()
    };
    assert_eq!(without_audit(authority.dump().await), without_audit(before));
    assert_eq!(authority.sent(), 1);
}

/// T32
#[tokio::test]
async fn with_txn_the_answer_is_repeated_and_without_it_is_not() {
    let (authority, txn, pin) = started().await;
    let yes = json!({"result": "authenticated"});
    for body in
        [json!({"txn": txn, "pin": pin}), json!({"txn": txn, "pin": pin}), json!({"txn": txn})]
    {
        authority.check("alice", body).await.is(200, &yes);
    }
    let answer = authority.check("alice", json!({"txn": txn, "pin": wrong(&pin)})).await;
    answer.is(403, &json!({"result": "security error", "reason": "pin"}));
    for body in [json!({"pin": pin}), json!({})] {
        authority.check("alice", body).await.is(403, &json!({"result": "expired"}));
    }
    authority.clock.advance(Duration::from_secs(300));
    authority.check("alice", json!({"txn": txn})).await.is(403, &json!({"result": "expired"}));
}

/// T29
#[tokio::test]
async fn it_expires() {
    let (authority, txn, pin) = started().await;
    authority.clock.advance(Duration::from_millis(299_999));
    let answer = authority.check("alice", json!({"txn": txn})).await;
    answer.is(200, &json!({"result": "pending", "expires_in": 0}));
    authority.clock.advance(Duration::from_millis(1));
    for body in [json!({"txn": txn}), json!({"txn": txn, "pin": pin})] {
        authority.check("alice", body).await.is(403, &json!({"result": "expired"}));
    }
}

#[tokio::test]
async fn a_txn_is_good_for_its_user_and_system_only() {
    let (authority, txn, pin) = started().await;
    authority.start("bob").await;
    let refused = json!({"result": "security error"});
    authority.check("bob", json!({"txn": txn, "pin": pin})).await.is(403, &refused);
    authority.check("nobody", json!({"txn": txn})).await.is(403, &refused);
    authority.check("alice", json!({"txn": "AAAAAAAAAAAAAAAAAAAAAA"})).await.is(403, &refused);
    let elsewhere = json!({"system": "bank-transfers", "authid": "alice", "txn": txn, "pin": pin});
    authority.post("/v1/check", &elsewhere).await.is(403, &refused);
    authority
        .check("alice", json!({"txn": txn, "pin": pin}))
        .await
        .is(200, &json!({"result": "authenticated"}));
}

#[tokio::test]
async fn a_disabled_user_is_refused_from_then_on() {
    let (authority, txn, pin) = started().await;
    authority.server.directory().disable("alice").await.unwrap();
    let refused = json!({"result": "security error"});
    for body in [json!({"txn": txn, "pin": pin}), json!({"txn": txn}), json!({})] {
        authority.check("alice", body).await.is(403, &refused);
    }
    authority.server.directory().enable("alice").await.unwrap();
    authority
        .check("alice", json!({"txn": txn, "pin": pin}))
        .await
        .is(403, &json!({"result": "expired"}));
}

#[tokio::test]
async fn one_for_a_link_is_refused_and_changes_nothing() {
    let authority = Authority::new().await;
    let txn = authority.start("bob").await["txn"].clone();
    let answer = authority.check("bob", json!({"txn": txn, "pin": "12345678"})).await;
    answer.is(403, &json!({"result": "security error", "reason": "method"}));
    assert_eq!(authority.check("bob", json!({"txn": txn})).await.json()["result"], "pending");
}
