mod config;
mod failures;
mod fake;
mod knowledge;
mod log;
#[cfg(feature = "test-util")]
mod parity;
mod requests;

use std::time::Duration;

use super::HttpAuthority;
use super::config::Limits;
use crate::Pin;
use crate::authority::{
    Authority, Capabilities, CheckReply, CheckRequest, Origin, StartReply, StartRequest, Txn,
};

const KEY: &str = "fs_canary_0123456789";

const TINY_LIMITS: Limits = Limits {
    connect: Duration::from_millis(150),
    capabilities: fake::TINY,
    start: fake::TINY,
    check: fake::TINY,
};

fn v1(url: &str) -> HttpAuthority {
    with(url, Capabilities::V1)
}

fn full(url: &str) -> HttpAuthority {
    with(url, Capabilities::FULL)
}

fn with(url: &str, capabilities: Capabilities) -> HttpAuthority {
    HttpAuthority::builder(url, KEY).capabilities(capabilities).build().unwrap()
}

/// A client that loses its patience fast.
fn hasty(url: &str) -> HttpAuthority {
    HttpAuthority::builder(url, KEY)
        .capabilities(Capabilities::V1)
        .limits(TINY_LIMITS)
        .build()
        .unwrap()
}

async fn start(authority: &dyn Authority) -> StartReply {
    let origin = Origin::default();
    let request = StartRequest {
        system: "bank",
        auth_id: "alice",
        operation: None,
        origin: &origin,
        idempotency_key: "key-1",
        binding: "session-1",
    };
    authority.start(request).await
}

async fn check(authority: &dyn Authority) -> CheckReply {
    check_with(authority, None, None, Duration::ZERO).await
}

async fn check_pin(authority: &dyn Authority, digits: &str) -> CheckReply {
    let pin = Pin::parse(digits).unwrap();
    check_with(authority, None, Some(&pin), Duration::ZERO).await
}

async fn check_with(
    authority: &dyn Authority,
    txn: Option<&Txn>,
    pin: Option<&Pin>,
    hold: Duration,
) -> CheckReply {
    authority.check(CheckRequest { system: "bank", auth_id: "alice", txn, pin, hold }).await
}
