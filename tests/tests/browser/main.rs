//! A person in Debian's Chromium, in front of each bank, with scripts and without.
//!
//! Needs the packages `chromium` and `chromium-driver`, and `npm ci` in `flexsecure-js` for axe-core.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is how a test fails"
)]
#![expect(clippy::print_stdout, reason = "with --nocapture a test says what it has measured")]

mod approval;
mod bank;
mod dialog;
mod foreign;
mod harness;
mod login;
mod pictures;
mod recipes;
mod returning;
mod scanner;
mod states;
mod tabs;
mod theme;
mod typing;
mod waiting;
mod walk;
