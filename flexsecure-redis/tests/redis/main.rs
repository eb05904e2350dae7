//! The store against real servers, which the tests start.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is how a test fails"
)]

mod acceptance;
mod access;
mod alternating;
mod cancelled;
mod captured;
mod cluster;
mod full;
mod lost_answers;
mod nodes;
mod outages;
mod partitions;
mod proxy;
mod records;
mod revocation;
mod server;
mod someone;
mod time;
