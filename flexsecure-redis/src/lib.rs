#![doc = include_str!("../README.md")]

mod alarm;
mod breaker;
mod builder;
mod copies;
mod fault;
mod kept;
mod link;
mod listeners;
mod names;
mod scripts;
mod server;
mod store;
mod validity;
mod verbs;
mod watch;
mod watchers;

pub use self::builder::{Builder, ConfigError};
pub use self::store::RedisStore;
