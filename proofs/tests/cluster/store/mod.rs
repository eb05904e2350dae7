//! The store that the nodes share: the memory store of the product behind a wire.

mod client;
mod host;
mod news;
mod words;

pub(crate) use self::client::RemoteStore;
pub(crate) use self::host::run;
pub(crate) use self::news::{Heard, run_news};
