//! The program as operators run it: its binary, its files, real sockets and real signals.

#![cfg(unix)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its harness too"
)]

mod certificates;
mod configuration;
mod doctor;
mod drain;
mod full_disk;
mod harness;
mod health;
mod limits;
mod logs;
mod observed;
mod packaging;
mod rotation;
mod slow;
mod tls;
mod trust;
