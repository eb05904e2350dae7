//! The scripted authority answers as the client does of an authority on the wire, so that what a
//! test learns from the one holds for the other.

use std::time::Duration;

use super::fake::{Fake, json};
use super::{check_with, full, start, v1};
use crate::authority::{
    Accepted, Authority, Capabilities, CheckReply, MatchNumber, ScriptedAuthority,
    SecurityErrorReason, StartReply, Txn,
};
use crate::{Method, Pin};

async fn on_the_wire(
    status: u16,
    body: &str,
    capabilities: Capabilities,
) -> (Fake, impl Authority) {
    let fake = Fake::always(json(status, body)).await;
    let authority = super::with(&fake.url(), capabilities);
    (fake, authority)
}

async fn check_txn(authority: &dyn Authority, txn: Option<&str>, pin: Option<&str>) -> CheckReply {
    let txn = txn.map(Txn::new);
    let pin = pin.map(|digits| Pin::parse(digits).unwrap());
    check_with(authority, txn.as_ref(), pin.as_ref(), Duration::ZERO).await
}

#[tokio::test]
async fn scripted_starts() {
    let everything = Accepted::default()
        .txn(Txn::new("t1"))
        .method(Method::Pin)
        .match_number(MatchNumber::parse("07").unwrap())
        .expires_in(Duration::from_secs(300))
        .interval(Duration::from_secs(2));
    let body = r#"{"result":"success","txn":"t1","method":"pin","match":"07","expires_in":300,"interval":2}"#;
    let table = [
        (200, body, StartReply::Accepted(everything)),
        (200, r#"{"result":"success"}"#, StartReply::Misconfigured),
        (200, "", StartReply::Unknown),
        (403, r#"{"result":"security error"}"#, StartReply::Refused),
        (401, "", StartReply::Misconfigured),
        (503, "", StartReply::NotStarted { retry_after: None }),
        (500, "", StartReply::Unknown),
    ];
    for (status, body, reply) in table {
        let (_fake, http) = on_the_wire(status, body, Capabilities::FULL).await;
        let scripted = ScriptedAuthority::passwordless();
        scripted.push_start(reply.clone());
        assert_eq!(start(&http).await, reply);
        assert_eq!(start(&scripted).await, reply);
    }
}

#[tokio::test]
async fn scripted_checks() {
    let security_error =
        |attempts_left, reason| CheckReply::SecurityError { attempts_left, reason };
    let table = [
        (200, r#"{"result":"authenticated"}"#, CheckReply::Authenticated),
        (200, r#"{"result":"pending","expires_in":9}"#, CheckReply::Pending),
        (403, r#"{"result":"expired"}"#, CheckReply::Expired),
        (403, r#"{"result":"security error"}"#, security_error(None, None)),
        (
            403,
            r#"{"result":"security error","attempts_left":0,"reason":"attempts"}"#,
            security_error(Some(0), Some(SecurityErrorReason::Attempts)),
        ),
        (429, "", CheckReply::Unavailable { retry_after: None, sent: false }),
        (500, "", CheckReply::Unavailable { retry_after: None, sent: true }),
    ];
    for (status, body, reply) in table {
        let (_fake, http) = on_the_wire(status, body, Capabilities::FULL).await;
        let scripted = ScriptedAuthority::passwordless();
        scripted.push_check(reply);
        scripted.push_pin_check(reply);
        for pin in [None, Some("12345678")] {
            assert_eq!(check_txn(&http, None, pin).await, reply);
            assert_eq!(check_txn(&scripted, None, pin).await, reply);
        }
    }
}

/// What the wire says at each step of the model's flows, by hand from the documented API.
#[tokio::test]
async fn the_model_speaks_the_superset() {
    async fn same(body: (u16, &str), txn: &str, pin: Option<&str>, model: &ScriptedAuthority) {
        let fake = Fake::always(json(body.0, body.1)).await;
        let wire = check_txn(&full(&fake.url()), Some(txn), pin).await;
        assert_eq!(check_txn(model, Some(txn), pin).await, wire, "{body:?}");
    }
    const PENDING: (u16, &str) = (200, r#"{"result":"pending","expires_in":600}"#);
    const AUTHENTICATED: (u16, &str) = (200, r#"{"result":"authenticated"}"#);

    let link = ScriptedAuthority::passwordless();
    let started = r#"{"result":"success","txn":"txn-1","method":"passwordless","match":"47","expires_in":600,"interval":2}"#;
    let (_fake, http) = on_the_wire(200, started, Capabilities::FULL).await;
    assert_eq!(start(&link).await, start(&http).await);
    same(PENDING, "txn-1", None, &link).await;
    link.approve();
    same(AUTHENTICATED, "txn-1", None, &link).await;
    let unknown = (403, r#"{"result":"security error","reason":"unknown"}"#);
    same(unknown, "txn-9", None, &link).await;

    let pin = ScriptedAuthority::pin("12345678");
    let started =
        r#"{"result":"success","txn":"txn-1","method":"pin","expires_in":300,"interval":2}"#;
    let (_fake, http) = on_the_wire(200, started, Capabilities::FULL).await;
    assert_eq!(start(&pin).await, start(&http).await);
    same(PENDING, "txn-1", None, &pin).await;
    let wrong = (403, r#"{"result":"security error","attempts_left":4,"reason":"wrong"}"#);
    same(wrong, "txn-1", Some("00000000"), &pin).await;
    same(AUTHENTICATED, "txn-1", Some("12345678"), &pin).await;

    for end in [ScriptedAuthority::decline, ScriptedAuthority::expire] {
        let model = ScriptedAuthority::passwordless();
        start(&model).await;
        end(&model);
        let declined = (403, r#"{"result":"security error","reason":"declined"}"#);
        let expired = (403, r#"{"result":"expired"}"#);
        let is_expired = check_txn(&model, None, None).await == CheckReply::Expired;
        same(if is_expired { expired } else { declined }, "txn-1", None, &model).await;
    }
}

#[tokio::test]
async fn the_model_speaks_v1() {
    let fake = Fake::always(json(200, r#"{"result":"success"}"#)).await;
    let model = ScriptedAuthority::v1(Some("12345678"));
    assert_eq!(start(&model).await, start(&v1(&fake.url())).await);
    let fake = Fake::always(json(403, r#"{"result":"security error"}"#)).await;
    let wrong = check_txn(&model, None, Some("00000000")).await;
    assert_eq!(wrong, check_txn(&v1(&fake.url()), None, Some("00000000")).await);
    let fake = Fake::always(json(200, r#"{"result":"authenticated"}"#)).await;
    let right = check_txn(&model, None, Some("12345678")).await;
    assert_eq!(right, check_txn(&v1(&fake.url()), None, Some("12345678")).await);
}
