//! What an authority is taken to know, and when it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::fake::{Act, Fake, capable, json, response};
use super::{KEY, TINY_LIMITS, check, start};
use crate::authority::http::knowledge::Knowledge;
use crate::authority::{Accepted, Authority, Capabilities, HttpAuthority, StartReply, Txn};

fn asking(fake: &Fake) -> HttpAuthority {
    HttpAuthority::builder(&fake.url(), KEY).limits(TINY_LIMITS).build().unwrap()
}

#[tokio::test]
async fn it_is_asked_once_whoever_comes() {
    let allowed = Arc::new(Notify::new());
    let act = Act::Await(
        allowed.clone(),
        response(200, "", br#"{"txn":true,"match":true,"wait":99,"idempotency":true,"x":[1]}"#),
    );
    let fake = Fake::always(act).await;
    let authority = Arc::new(HttpAuthority::new(&fake.url(), KEY).unwrap());
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let authority = authority.clone();
            tokio::spawn(async move { authority.capabilities().await })
        })
        .collect();
    allowed.notify_one();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Capabilities::FULL);
    }
    let [request] = fake.requests().try_into().unwrap();
    assert_eq!(request.line, "GET /v1/capabilities HTTP/1.1");
    assert_eq!(request.header("apikey"), Some(KEY));
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_start_asks_first_and_uses_the_answer() {
    let fake = Fake::new(|request| match request.line.as_str() {
        "GET /v1/capabilities HTTP/1.1" => capable(),
        _ => json(200, r#"{"result":"success","txn":"t1"}"#),
    })
    .await;
    let reply = start(&asking(&fake)).await;
    assert_eq!(reply, StartReply::Accepted(Accepted::default().txn(Txn::new("t1"))));
    let [_, start] = fake.requests().try_into().unwrap();
    assert_eq!(start.header("idempotency-key"), Some("key-1"));
}

#[tokio::test]
async fn a_success_without_the_promised_name_is_a_misconfiguration() {
    let fake = Fake::new(|request| match request.line.as_str() {
        "GET /v1/capabilities HTTP/1.1" => capable(),
        _ => json(200, r#"{"result":"success"}"#),
    })
    .await;
    assert_eq!(start(&asking(&fake)).await, StartReply::Misconfigured);
}

#[tokio::test]
async fn an_authority_that_is_out_of_order_counts_as_v1_and_is_not_pestered() {
    let fake = Fake::new(|request| match request.line.as_str() {
        "GET /v1/capabilities HTTP/1.1" => json(503, ""),
        _ => json(200, r#"{"result":"success"}"#),
    })
    .await;
    let authority = asking(&fake);
    for _ in 0..5 {
        assert_eq!(authority.capabilities().await, Capabilities::V1);
        assert_eq!(start(&authority).await, StartReply::Accepted(Accepted::default()));
    }
    assert_eq!(fake.count("/v1/capabilities"), 1);
}

#[tokio::test]
async fn an_authority_that_stalls_holds_a_start_up_within_its_limit() {
    let fake = Fake::always(Act::Stall(Vec::new())).await;
    let authority = asking(&fake);
    let began = tokio::time::Instant::now();
    let reply = start(&authority).await;
    assert!(matches!(reply, StartReply::NotStarted { .. } | StartReply::Unknown), "{reply:?}");
    assert!(began.elapsed() < 3 * super::fake::TINY);
}

#[tokio::test]
async fn what_is_no_documented_object_means_v1() {
    let bodies = [
        "",
        "[]",
        "null",
        "true",
        "<html>",
        r#"{"txn":1}"#,
        r#"{"txn":true,"txn":true}"#,
        r#"{"txn":true,"wait":"30"}"#,
        r#"{"txn":true,"wait":-1}"#,
        r#"{"txn":true,"match":null}"#,
        r#"{"txn":true"#,
    ];
    for body in bodies {
        let fake = Fake::always(json(200, body)).await;
        assert_eq!(asking(&fake).capabilities().await, Capabilities::V1, "{body}");
    }
    for status in [201, 204, 301, 400, 401, 403, 404, 405] {
        let fake = Fake::always(Act::Write(response(status, "", b""))).await;
        let authority = asking(&fake);
        authority.capabilities().await;
        assert_eq!(authority.capabilities().await, Capabilities::V1, "{status}");
        assert_eq!(fake.count("/v1/capabilities"), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_after_an_hour() {
    let knowledge = Knowledge::new(None);
    let asked = AtomicUsize::new(0);
    let get = |answer| {
        let asked = &asked;
        knowledge.get(async move {
            asked.fetch_add(1, Ordering::SeqCst);
            answer
        })
    };
    assert_eq!(get(Some(Capabilities::V1)).await, Capabilities::V1);
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(get(Some(Capabilities::FULL)).await, Capabilities::V1);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(get(Some(Capabilities::FULL)).await, Capabilities::FULL);
    assert_eq!(asked.into_inner(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_asked_about_at_most_every_five_seconds() {
    let knowledge = Knowledge::new(None);
    let asked = AtomicUsize::new(0);
    let get = |answer| {
        let asked = &asked;
        knowledge.get(async move {
            asked.fetch_add(1, Ordering::SeqCst);
            answer
        })
    };
    get(Some(Capabilities::V1)).await;
    for _ in 0..20 {
        knowledge.doubt();
        get(None).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(get(Some(Capabilities::FULL)).await, Capabilities::FULL);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_make_it_forget_what_the_authority_knows() {
    let knowledge = Knowledge::new(None);
    knowledge.get(async { Some(Capabilities::FULL) }).await;
    knowledge.doubt();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(knowledge.get(async { None }).await, Capabilities::FULL);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(knowledge.get(async { Some(Capabilities::V1) }).await, Capabilities::V1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_the_question_to_the_next() {
    let knowledge = Knowledge::new(None);
    let lost = tokio::time::timeout(Duration::from_secs(1), knowledge.get(std::future::pending()));
    assert!(lost.await.is_err());
    assert_eq!(knowledge.get(async { Some(Capabilities::FULL) }).await, Capabilities::FULL);
}

#[tokio::test]
async fn fixed_capabilities_are_never_asked_for() {
    let fake = Fake::always(json(500, "")).await;
    let authority = super::full(&fake.url());
    start(&authority).await;
    check(&authority).await;
    assert_eq!(authority.capabilities().await, Capabilities::FULL);
    assert_eq!(fake.count("/v1/capabilities"), 0);
}
