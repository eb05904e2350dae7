use std::collections::BTreeSet;

use super::{postgres, sqlite};
use crate::{StoreError, config::Place};

/// What a database looks like to whoever does not want to change it.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Migrations that this program has and the database has not.
    pub(crate) missing: u64,
    /// Migrations that the database has and this program does not know.
    pub(crate) unknown: u64,
    /// The ids of the server keys that API keys were made with: they have to stay.
    pub(crate) server_keys: BTreeSet<String>,
}

/// Looks, and changes nothing.
pub(crate) async fn condition(place: &Place) -> Result<Condition, StoreError> {
    match place {
        Place::File(path) => sqlite::condition(path),
        Place::Postgres(url) => postgres::condition(url).await,
    }
}
