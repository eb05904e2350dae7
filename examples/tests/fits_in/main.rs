//! Starts the smaller examples and walks through each as its clients do.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is how a test fails"
)]

mod bearer;
mod browser;
mod logins;
mod program;
mod vault;
