//! The flow endpoints, one status each.

use serde_json::json;

use super::{alice_with_statements, done, transfer};
use crate::client::Request;
use crate::subject::Subject;

/// The user has thought better of it.
pub async fn a_cancelled_flow_stays_cancelled(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let answer = alice.send(flow.cancel()).await;
    answer.flow().assert_over("cancelled");
    for request in [flow.submit(&pin), flow.start(), flow.cancel()] {
        let answer = alice.send(request).await;
        answer.assert_problem(409, "flow-over");
        answer.flow_within().assert_over("cancelled");
    }
    alice.get(flow.url()).await.flow().assert_over("cancelled");
    let next = alice.send(transfer("bob", 250)).await.refused("missing");
    assert_ne!(next.id(), flow.id());
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T08: a button that is pressed twice sends one message.
pub async fn a_resend_within_the_cool_down_sends_nothing(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    for _ in 0..3 {
        let answer = alice.send(flow.start()).await;
        answer.assert_problem(429, "too-soon");
        assert!(answer.retry_after() <= 30, "{answer:?}");
    }
    assert_eq!(bank.message_count().await, 1);
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
}

/// T45: nobody reads more than there is to read.
pub async fn an_oversized_body_is_refused(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let body = json!({"pin": pin, "padding": "x".repeat(96 * 1024)}).to_string();
    for path in ["/pin", "/start"] {
        let request = Request::post(&flow.path(path)).body("application/json", body.clone());
        alice.send(request).await.assert_problem(413, "body-too-large");
    }
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let request = Request::post(&flow.path("/pin"))
        .header("transfer-encoding", "chunked")
        .body("application/json", chunked);
    alice.send(request).await.assert_problem(413, "body-too-large");
    let stands = flow.status(&alice).await;
    stands.assert_live();
    assert_eq!(stands.attempts_left(), Some(5));
}

/// Bodies are read as what they say they are.
pub async fn a_body_of_another_type_is_refused(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let body = json!({"pin": pin}).to_string();
    for content_type in ["text/plain", "application/jsonp", "multipart/form-data", "*/*", ""] {
        let request = Request::post(&flow.path("/pin")).body(content_type, body.clone());
        let answer = alice.send(request).await;
        assert_eq!(answer.status, 415, "{content_type}: {answer:?}");
        answer.assert_problem(415, "content-type-unsupported");
    }
    let untyped = Request::post(&flow.path("/pin")).untyped(body);
    alice.send(untyped).await.assert_problem(415, "content-type-unsupported");
    assert_eq!(flow.status(&alice).await.attempts_left(), Some(5));
}

/// RFC 9110, section 15.5.6.
pub async fn a_wrong_method_names_the_right_ones(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    for (rest, methods, allowed) in [
        ("", ["PURGE", "PUT", "PATCH", "OPTIONS"], vec!["DELETE", "GET", "HEAD", "POST"]),
        ("/start", ["GET", "DELETE", "PUT", "OPTIONS"], vec!["POST"]),
        ("/pin", ["GET", "DELETE", "PUT", "OPTIONS"], vec!["POST"]),
        ("/cancel", ["GET", "DELETE", "PUT", "OPTIONS"], vec!["POST"]),
    ] {
        for method in methods {
            let answer = alice.send(Request::new(method, &flow.path(rest))).await;
            answer.assert_problem(405, "method-not-allowed");
            let allow = answer.header("allow").expect("the methods").to_owned();
            let mut names: Vec<_> = allow.split(',').map(str::trim).collect();
            names.sort_unstable();
            assert_eq!(names, allowed, "{method} {rest}");
        }
    }
    flow.status(&alice).await.assert_live();
    assert_eq!(bank.message_count().await, 1);
}

/// There is nothing else.
pub async fn an_unknown_path_below_the_prefix_is_not_found(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    for path in [
        flow.path("/"),
        flow.path("/zzz"),
        flow.path("/pin/"),
        flow.path("/pin/x"),
        flow.path("/START"),
        "/step-up/flows".to_owned(),
        "/step-up/zzz".to_owned(),
        "/step-up/".to_owned(),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = alice.send(Request::new(method, &path)).await;
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        }
    }
    flow.status(&alice).await.assert_live();
}

/// `HEAD` is `GET` without a body (RFC 9110, section 9.3.2), before and after.
pub async fn head_is_answered_like_get(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    for path in ["/statements", "/admin/users"] {
        let answer = bob.send(Request::new("HEAD", path)).await;
        answer.assert_status(401);
        assert!(answer.body.is_empty());
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains("flow=\""), "{challenge}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let mut elevated = alice_with_statements(bank).await;
    let mut paths = vec!["/statements".to_owned(), "/balance".to_owned(), "/healthz".to_owned()];
    let flow = elevated.send(transfer("bob", 250)).await.refused("missing");
    paths.push(flow.url().to_owned());
    for path in paths {
        let get = elevated.get(&path).await.with(200);
        let head = elevated.send(Request::new("HEAD", &path)).await.with(200);
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.body.is_empty());
    }
}

/// Style and script of the page come from the same place, which is all that its policy allows.
pub async fn the_style_of_the_page_is_served(bank: &Subject) {
    for (name, kind) in [("step-up.css", "text/css"), ("step-up.js", "text/javascript")] {
        let file = bank.stranger().get(&format!("/step-up/{name}")).await.with(200);
        assert!(file.header("content-type").is_some_and(|sent| sent.starts_with(kind)));
    }
}

/// Whoever watches over the bank is not asked who they are.
pub async fn the_health_check_is_open(bank: &Subject) {
    let answer = bank.stranger().get("/healthz").await.with(200);
    assert_eq!(answer.text(), "ok");
}
