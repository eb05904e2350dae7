use std::time::Duration;

use flexsecure_server::{Channel, Method, NewUser};
use serde_json::{Value, json};

use crate::harness::{Authority, send};

#[tokio::test]
async fn a_pin_user_is_sent_a_pin() {
    let authority = Authority::new().await;
    let started = authority.start("alice").await;
    let txn = started["txn"].as_str().unwrap();
    assert_eq!(txn.len(), 22);
    let expected = json!({
        "result": "success", "txn": txn, "method": "pin", "expires_in": 300, "interval": 2,
    });
    assert_eq!(started, expected);

    let message = authority.newest();
    assert_eq!((message.to(), message.channel()), ("alice@example.com", Channel::Email));
    assert_eq!((message.system(), message.link()), ("bank", None));
    let pin = message.pin().unwrap();
    assert!(message.text().contains(pin) && message.text().contains("bank"));
    assert!(!message.text().contains("/a/"));
    assert!(!started.to_string().contains(pin));
}

#[tokio::test]
async fn a_passwordless_user_is_sent_a_link() {
    let authority = Authority::new().await;
    let started = authority.start("bob").await;
    let number: u8 = started["match"].as_str().unwrap().parse().unwrap();
    assert!((10..=99).contains(&number));
    assert_eq!(started["method"], "passwordless");
    assert_eq!((&started["expires_in"], &started["interval"]), (&json!(600), &json!(2)));

    let message = authority.newest();
    assert_eq!(message.pin(), None);
    let link = message.link().unwrap();
    let token = link.strip_prefix(&format!("{}/a/", authority.base)).unwrap();
    assert_eq!(token.len(), 43);
    assert!(message.text().contains(link));
    assert!(!started.to_string().contains(token));
}

#[tokio::test]
async fn a_message_names_the_operation_and_goes_by_sms_where_there_is_no_address() {
    let authority = Authority::new().await;
    let body =
        json!({"system": "bank", "authid": "erin", "operation": "Transfer 250.00 EUR to bob"});
    assert_eq!(authority.post("/v1/start", &body).await.status, 200);
    let message = authority.newest();
    assert_eq!((message.to(), message.channel()), ("+41790000005", Channel::Sms));
    assert!(message.text().contains("Transfer 250.00 EUR to bob"));
}

/// T31
#[tokio::test]
async fn whom_it_refuses_it_does_not_tell_apart() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    directory.add_user(NewUser::new("frank").email("frank@example.com")).await.unwrap();
    directory.assign("frank", &["bank-transfers"], Method::Pin).await.unwrap();
    let long = "x".repeat(1_000);
    let cases = [
        ("bank", "nobody"),
        ("bank", "carol"),
        ("bank", "dave"),
        ("bank", "frank"),
        ("nothing", "alice"),
        ("", ""),
        ("bank", long.as_str()),
        ("bank", "alice\r\nBcc: mallory@example.com"),
    ];
    for (system, user) in cases {
        let answer = authority.post("/v1/start", &json!({"system": system, "authid": user})).await;
        answer.is(403, &json!({"result": "security error"}));
    }
    assert_eq!(authority.sent(), 0);
    assert_eq!(authority.audited("start refused").await, i64::try_from(cases.len()).unwrap());
    assert!(!authority.dump().await.contains(&long));

    directory.set_policies("bank", Some(false), None).await.unwrap();
    let answer = authority.post("/v1/start", &json!({"system": "bank", "authid": "alice"})).await;
    answer.is(403, &json!({"result": "security error"}));
}

#[tokio::test]
async fn within_the_cool_down_the_same_is_answered_and_nothing_sent() {
    for user in ["alice", "bob"] {
        let authority = Authority::new().await;
        let first = authority.start(user).await;
        authority.clock.advance(Duration::from_millis(29_999));
        let mut again = authority.start(user).await;
        assert_eq!(again["expires_in"], json!(first["expires_in"].as_u64().unwrap() - 30));
        again["expires_in"] = first["expires_in"].clone();
        assert_eq!(again, first);
        assert_eq!(authority.sent(), 1);
    }
}

#[tokio::test]
async fn after_the_cool_down_the_same_message_goes_out_again() {
    for user in ["alice", "bob"] {
        let authority = Authority::new().await;
        let first = authority.start(user).await;
        authority.clock.advance(Duration::from_secs(30));
        let again = authority.start(user).await;
        assert_eq!((&again["txn"], &again["match"]), (&first["txn"], &first["match"]));
        authority.start(user).await;
        let messages = authority.server.inbox().messages();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].pin(), messages[1].pin());
        assert_eq!(messages[0].link(), messages[1].link());
    }
}

#[tokio::test]
async fn another_operation_is_another_challenge() {
    let authority = Authority::new().await;
    let start = async |operation: &str| {
        let body = json!({"system": "bank", "authid": "alice", "operation": operation});
        authority.post("/v1/start", &body).await.json()["txn"].clone()
    };
    let (small, large) = (start("Transfer 1.00 EUR").await, start("Transfer 9000.00 EUR").await);
    assert_ne!(small, large);
    assert_eq!(start("Transfer 1.00 EUR").await, small);
    assert_eq!(authority.sent(), 2);
    assert_ne!(
        authority.server.inbox().messages()[0].pin(),
        authority.server.inbox().messages()[1].pin()
    );
}

#[tokio::test]
async fn another_system_is_another_challenge() {
    let authority = Authority::new().await;
    let start = async |system: &str| {
        let body = json!({"system": system, "authid": "alice"});
        authority.post("/v1/start", &body).await.json()["txn"].clone()
    };
    let (bank, transfers) = (start("bank").await, start("bank-transfers").await);
    assert_ne!(bank, transfers);
    assert_eq!((start("bank").await, start("bank-transfers").await), (bank, transfers));
    assert_eq!(authority.sent(), 2);
}

#[tokio::test]
async fn a_challenge_that_is_over_is_followed_by_another() {
    let authority = Authority::new().await;
    let first = authority.start("alice").await;
    authority.clock.advance(Duration::from_secs(300));
    let second = authority.start("alice").await;
    assert_ne!(first["txn"], second["txn"]);
    assert_eq!(second["expires_in"], 300);
    assert_eq!(authority.audited("expired").await, 1);
}

#[tokio::test]
async fn a_switched_method_counts_from_the_next_start_on() {
    let authority = Authority::new().await;
    let first = authority.start("alice").await;
    authority.server.directory().assign("alice", &["bank"], Method::Passwordless).await.unwrap();
    assert_eq!(
        authority.check("alice", json!({"txn": first["txn"]})).await.json()["result"],
        "pending"
    );
    let second = authority.start("alice").await;
    assert_eq!(second["method"], "passwordless");
    let answer = authority.check("alice", json!({"txn": first["txn"]})).await;
    answer.is(403, &json!({"result": "expired"}));
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_same_answer_whatever_else_changed() {
    let authority = Authority::new().await;
    let start = async |key: &str, user: &str, operation: &str| {
        let body = json!({"system": "bank", "authid": user, "operation": operation});
        send(authority.request("/v1/start", &body).header("idempotency-key", key)).await.json()
    };
    let first = start("k1", "bob", "one").await;
    authority.clock.advance(Duration::from_secs(60));
    for (user, operation) in [("bob", "one"), ("bob", "two"), ("alice", "one"), ("nobody", "")] {
        let mut again = start("k1", user, operation).await;
        assert_eq!(again["expires_in"], 540);
        again["expires_in"] = first["expires_in"].clone();
        assert_eq!(again, first);
    }
    assert_eq!(authority.sent(), 1);

    assert_eq!(start("k2", "bob", "one").await["txn"], first["txn"]);
    assert_eq!(authority.sent(), 2, "the cool-down is over, and the key is another one");

    authority.clock.advance(Duration::from_secs(540));
    assert_ne!(start("k1", "bob", "one").await["txn"], first["txn"]);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_api_key() {
    let mut authority = Authority::new().await;
    let start = async |authority: &Authority, user: &str| -> Value {
        let body = json!({"system": "bank", "authid": user});
        send(authority.request("/v1/start", &body).header("idempotency-key", "k")).await.json()
    };
    let first = start(&authority, "alice").await;
    authority.key =
        authority.server.directory().create_key("other").await.unwrap().expose().to_owned();
    assert_ne!(start(&authority, "bob").await["txn"], first["txn"]);
}

/// T34
#[tokio::test]
async fn a_text_that_could_mislead_is_refused() {
    let authority = Authority::new().await;
    for operation in ["a\r\nBcc: x@example.com", "\u{202e}pay", &"x".repeat(257)] {
        let body = json!({"system": "bank", "authid": "alice", "operation": operation});
        let answer = authority.post("/v1/start", &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["result"]),
            (400, &json!("bad request"))
        );
    }
    assert_eq!(authority.sent(), 0);
}
