//! The tests of `authority`, all of them, on PostgreSQL: real sockets, a real server.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its harness too"
)]

#[path = "../authority/admin/mod.rs"]
mod admin;
#[path = "../authority/approval.rs"]
mod approval;
#[path = "../authority/asked.rs"]
mod asked;
#[path = "../authority/binding.rs"]
mod binding;
#[path = "../authority/canary.rs"]
mod canary;
#[path = "../authority/cli.rs"]
mod cli;
#[path = "../authority/database.rs"]
mod database;
#[path = "../authority/directory.rs"]
mod directory;
#[path = "../authority/faults.rs"]
mod faults;
#[path = "../authority/harness.rs"]
mod harness;
#[path = "../authority/limits.rs"]
mod limits;
#[path = "../authority/long_poll.rs"]
mod long_poll;
#[path = "../authority/mail.rs"]
mod mail;
#[path = "../authority/mail_server.rs"]
mod mail_server;
mod nodes;
mod outage;
#[path = "../authority/outbox.rs"]
mod outbox;
#[path = "../authority/outcomes.rs"]
mod outcomes;
#[path = "../authority/overrides.rs"]
mod overrides;
#[path = "../authority/pages.rs"]
mod pages;
#[path = "../authority/pin.rs"]
mod pin;
#[path = "../authority/races.rs"]
mod races;
#[path = "../authority/robot.rs"]
mod robot;
#[path = "../authority/sms.rs"]
mod sms;
#[path = "../authority/smtp.rs"]
mod smtp;
#[path = "../authority/start.rs"]
mod start;

const ON_POSTGRES: bool = true;
