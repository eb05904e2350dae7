//! The store against real servers, which the tests start.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "it is how a test fails")]

mod acceptance;
mod access;
mod server;
mod time;
