#![doc = include_str!("../README.md")]

mod alarm;
mod breaker;
mod builder;
mod fault;
mod kept;
mod link;
mod names;
mod scripts;
mod server;
mod store;
mod verbs;

pub use self::builder::{Builder, ConfigError};
pub use self::store::RedisStore;
