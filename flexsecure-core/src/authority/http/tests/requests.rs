//! What is sent, and what of it only to an authority that knows it.

use std::time::Duration;

use serde_json::json;

use super::fake::{Fake, capable, json as reply};
use super::{KEY, check, check_pin, check_with, full, start, v1};
use crate::authority::{
    Authority, Capabilities, CheckReply, HttpAuthority, Origin, StartReply, StartRequest, Txn,
};
use crate::{Operation, Pin};

async fn accepting() -> Fake {
    Fake::new(|request| match request.line.as_str() {
        "POST /v1/start HTTP/1.1" => reply(200, r#"{"result":"success","txn":"t1"}"#),
        "POST /v1/check HTTP/1.1" => reply(200, r#"{"result":"pending"}"#),
        _ => capable(),
    })
    .await
}

async fn start_with_everything(authority: &HttpAuthority) -> StartReply {
    let origin = Origin {
        ip: Some("2001:db8::7".parse().unwrap()),
        user_agent: Some("Firefox \"beta\"".into()),
    };
    let operation = Operation::new("Transfer 250.00 EUR to bob");
    let request = StartRequest {
        system: "bank",
        auth_id: "alice",
        operation: Some(&operation),
        origin: &origin,
        idempotency_key: "key-1",
        binding: "session-1",
    };
    authority.start(request).await
}

#[tokio::test]
async fn v1_gets_what_v1_documents_and_nothing_else() {
    let fake = accepting().await;
    let authority = v1(&fake.url());
    start_with_everything(&authority).await;
    check_with(&authority, None, None, Duration::from_secs(20)).await;

    let [start, check] = fake.requests().try_into().unwrap();
    assert_eq!(start.body, r#"{"system":"bank","authid":"alice"}"#);
    assert_eq!(check.body, r#"{"system":"bank","authid":"alice"}"#);
    for request in [&start, &check] {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("apikey"), Some(KEY));
        for absent in ["idempotency-key", "prefer", "accept-encoding", "cookie", "referer"] {
            assert_eq!(request.header(absent), None, "{absent}");
        }
    }
}

#[tokio::test]
async fn an_authority_that_knows_more_gets_more() {
    let fake = accepting().await;
    let authority = full(&fake.url());
    start_with_everything(&authority).await;
    check_with(&authority, Some(&Txn::new("t1")), None, Duration::from_millis(20_900)).await;

    let [start, check] = fake.requests().try_into().unwrap();
    assert_eq!(
        start.json(),
        json!({
            "system": "bank", "authid": "alice", "operation": "Transfer 250.00 EUR to bob",
            "ip": "2001:db8::7", "user_agent": "Firefox \"beta\"", "binding": "session-1",
        })
    );
    assert_eq!(start.header("idempotency-key"), Some("key-1"));
    assert_eq!(check.json(), json!({"system": "bank", "authid": "alice", "txn": "t1"}));
    assert_eq!(check.header("prefer"), Some("wait=20"));
}

#[tokio::test]
async fn a_check_is_held_no_longer_than_either_side_wants() {
    let fake = accepting().await;
    let five = Capabilities { wait: Duration::from_secs(5), ..Capabilities::FULL };
    let authority = super::with(&fake.url(), five);
    let holds = [(0, None), (999, None), (1000, Some("wait=1")), (60_000, Some("wait=5"))];
    for (millis, expected) in holds {
        check_with(&authority, None, None, Duration::from_millis(millis)).await;
        assert_eq!(fake.requests().pop().unwrap().header("prefer"), expected);
    }
}

#[tokio::test]
async fn a_pin_is_a_number_unless_it_begins_with_zero() {
    let fake = accepting().await;
    let authority = v1(&fake.url());
    for (digits, wire) in [("12345678", "12345678"), ("01234567", "\"01234567\"")] {
        check_pin(&authority, digits).await;
        let expected = format!(r#"{{"system":"bank","authid":"alice","pin":{wire}}}"#);
        assert_eq!(fake.requests().pop().unwrap().body, expected);
    }
}

#[tokio::test]
async fn a_check_of_a_pin_asks_for_no_capabilities() {
    let fake = accepting().await;
    let authority = HttpAuthority::new(&fake.url(), KEY).unwrap();
    let pin = Pin::parse("12345678").unwrap();
    check_with(&authority, Some(&Txn::new("t1")), Some(&pin), Duration::ZERO).await;
    assert_eq!(fake.count("/v1/capabilities"), 0);
    assert_eq!(fake.requests()[0].json()["txn"], "t1");
}

#[tokio::test]
async fn calls_go_below_the_path_of_the_address() {
    let fake = Fake::always(reply(200, r#"{"result":"authenticated"}"#)).await;
    for (path, line) in
        [("", "/v1/check"), ("/", "/v1/check"), ("/a", "/a/v1/check"), ("/a/", "/a/v1/check")]
    {
        let authority = v1(&format!("{}{path}", fake.url()));
        assert_eq!(check(&authority).await, CheckReply::Authenticated);
        assert_eq!(fake.requests().pop().unwrap().line, format!("POST {line} HTTP/1.1"));
    }
}

#[tokio::test]
async fn localhost_is_this_machine() {
    let fake = Fake::always(reply(200, r#"{"result":"success"}"#)).await;
    let authority = v1(&format!("http://localhost:{}", fake.address.port()));
    assert!(matches!(start(&authority).await, StartReply::Accepted(_)));
}

#[tokio::test]
async fn connections_are_used_again() {
    let fake = accepting().await;
    let authority = v1(&fake.url());
    for _ in 0..20 {
        check(&authority).await;
    }
    assert_eq!((fake.count("/v1/check"), fake.connections()), (20, 1));
}
