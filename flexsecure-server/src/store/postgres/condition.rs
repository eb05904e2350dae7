use std::collections::BTreeSet;

use secrecy::SecretString;
use sqlx::{Connection as _, PgConnection};

use super::connection::{migrations, options};
use crate::{StoreError, store::Condition};

pub(crate) async fn condition(url: &SecretString) -> Result<Condition, StoreError> {
    let mut connection = PgConnection::connect_with(&options(url)?).await?;
    let is_made: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut connection)
        .await?;
    let mut done = BTreeSet::new();
    let mut server_keys = BTreeSet::new();
    if is_made {
        let versions = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
        done = versions.fetch_all(&mut connection).await?.into_iter().collect();
        let ids = "SELECT DISTINCT server_key FROM api_keys WHERE revoked_at IS NULL";
        let ids: Vec<String> = sqlx::query_scalar(ids).fetch_all(&mut connection).await?;
        server_keys = ids.into_iter().collect();
    }
    connection.close().await?;
    let known: BTreeSet<i64> = migrations().collect();
    let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    Ok(Condition {
        missing: count(known.difference(&done).count()),
        unknown: count(done.difference(&known).count()),
        server_keys,
    })
}
