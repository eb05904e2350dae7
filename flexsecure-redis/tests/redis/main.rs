//! The store against real servers, which the tests start.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is how a test fails"
)]

mod acceptance;
mod access;
mod nodes;
mod server;
mod someone;
mod time;
