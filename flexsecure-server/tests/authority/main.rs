//! The authority from outside: real sockets, a real database file. `authority_on_postgres` is the same on PostgreSQL.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its harness too"
)]

mod admin;
mod approval;
mod asked;
mod binding;
mod canary;
mod cli;
mod database;
mod directory;
mod faults;
mod harness;
mod limits;
mod long_poll;
mod mail;
mod mail_server;
mod outbox;
mod outcomes;
mod overrides;
mod pages;
mod pin;
mod races;
mod robot;
mod sms;
mod smtp;
mod start;

const ON_POSTGRES: bool = false;
