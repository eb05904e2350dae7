#![doc = include_str!("../README.md")]

pub mod actix_bank;
pub mod authority;
pub mod axum_bank;
pub mod bank;
pub mod bank_cli;
pub mod body;
mod page;
pub mod policy;
pub mod probe;
pub mod reply;
pub mod session;
pub mod settings;
pub mod startup;
