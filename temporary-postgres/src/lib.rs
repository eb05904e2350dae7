#![doc = include_str!("../README.md")]

mod account;
mod error;
mod folders;
mod options;
mod programs;
mod server;
mod template;
mod watched;

pub use self::error::Error;
pub use self::options::Options;
pub use self::server::{Rows, TemporaryPostgres};
