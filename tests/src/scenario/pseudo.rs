//! What HTTP/2 has in the place of a request line, in ways that no library sends (T11).

use crate::client::Request;
use crate::frames::{Taken, send};
use crate::rpc::OPEN;
use crate::subject::Subject;

/// T11: no pseudo header leads around the gate of an HTTP server.
pub async fn no_pseudo_header_leads_around_the_gate(counter: &Subject) {
    let paths = [
        "doors/bank",
        "",
        "*",
        "/",
        "//doors/bank",
        "/doors/bank/",
        "/Doors/bank",
        "/doors//bank",
        " /doors/bank",
        "/doors/bank ",
        "/doors/bank#x",
        "?x=/doors/bank",
        "http://bank.example/doors/bank",
        "/./doors/bank",
        "/open/../doors/bank",
        "/%64oors/bank",
        "/doors%2fbank",
        "\\doors\\bank",
        "/doors/bank\0",
        "/nested",
        "/nested/",
        "nested/door",
        "/nested/%2e%2e/open",
    ];
    let tried = try_all(counter, "/doors/bank", "/open", &paths, b"").await;
    println!("{tried} requests over HTTP/2: 0 came in");

    let alice = counter.bearer("alice.1");
    alice.get("/doors/bank").await.assert_status(401);
    let pin = counter.newest_pin().await;
    let repeated = Request::get("/doors/bank").header("flexsecure-pin", &pin);
    alice.send(repeated).await.assert_status(200);
    let plain = well_formed("GET", "/doors/bank");
    assert_eq!(send(counter.address(), &plain, b"").await, Taken::Answered);
    assert_eq!(counter.came_through("bank").await, 2, "the same bytes with a proof");
}

/// T11: nor around that of a gRPC server.
pub async fn no_pseudo_header_leads_around_the_gate_of_grpc(counter: &Subject) {
    let paths = [
        "conformance.Vault/Open",
        "//conformance.Vault/Open",
        "/conformance.Vault/Open/",
        "/conformance.vault/open",
        "/conformance.Vault//Open",
        "/conformance.Vault/%4fpen",
        "/conformance.Vault/Open?x=y",
        "/./conformance.Vault/Open",
        "/x/../conformance.Vault/Open",
        "/step-up/../conformance.Vault/Open",
        "/step-up/%2e%2e/conformance.Vault/Open",
        "/conformance.Vault/Ping/../Open",
        "/conformance.Vault/Open#x",
        "http://vault/conformance.Vault/Open",
        "",
        "*",
        "/",
        "/conformance.Vault/",
        "/conformance.Vault",
        "/conformance.Vault/Close",
        "/conformance.Vault%2fOpen",
        "/conformance.Vault/Open\0",
    ];
    let tried = try_all(counter, OPEN, "/conformance.Vault/Ping", &paths, MESSAGE).await;
    println!("{tried} calls over HTTP/2: 0 came in");

    let alice = counter.bearer("alice.1");
    alice.send(Request::post(OPEN)).await.assert_status(401);
    let pin = counter.newest_pin().await;
    let caller = crate::rpc::Caller::connect(counter.address(), Some("alice.1")).await;
    caller.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect("a proof");
    assert_eq!(send(counter.address(), &well_formed("POST", OPEN), MESSAGE).await, Taken::Answered);
    assert_eq!(counter.came_through("vault").await, 2, "the same bytes with a proof");
}

/// With each path, and with a head that is malformed in each other way.
async fn try_all(counter: &Subject, gated: &str, open: &str, paths: &[&str], body: &[u8]) -> usize {
    let mut tried = Vec::new();
    for path in paths.iter().copied().chain([gated]) {
        tried.extend(
            ["GET", "POST", "OPTIONS", "CONNECT", "get", ""].map(|it| well_formed(it, path)),
        );
    }
    let plain = well_formed("POST", gated);
    for (name, value) in [
        (":authority", "evil.example"),
        (":authority", ""),
        ("host", "evil.example"),
        (":path", open),
        (":path", gated),
        (":method", "OPTIONS"),
        (":scheme", "https"),
        (":protocol", "websocket"),
        (":matched-path", open),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("X-Original-Url", open),
        ("x-original-url", open),
        ("authorization", "Bearer carol.7"),
    ] {
        // In front, where a second one would be the first; and behind, where it comes too late.
        tried.push([vec![(name, value)], plain.clone()].concat());
        tried.push([plain.clone(), vec![(name, value)]].concat());
        tried.push(plain.iter().map(|it| if it.0 == name { (name, value) } else { *it }).collect());
    }
    for missing in [":method", ":path", ":scheme", ":authority"] {
        tried.push(plain.iter().filter(|(name, _)| *name != missing).copied().collect());
    }
    for fields in &tried {
        let _taken = send(counter.address(), fields, body).await;
    }
    let mut counts = counter.counts().await;
    counts.remove("open");
    assert!(counts.is_empty(), "{counts:?}");
    tried.len()
}

fn well_formed<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "bank.example"),
        (":path", path),
        ("authorization", "Bearer alice.1"),
        ("content-type", if path.contains("Vault") { "application/grpc" } else { "text/plain" }),
        ("te", "trailers"),
    ]
}

/// A message of gRPC: not compressed, five bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";
