use std::{collections::BTreeSet, path::Path};

use sqlx::{
    Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::StoreError;

/// What a database looks like to whoever does not want to change it.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Migrations that this program has and the database has not.
    pub(crate) missing: usize,
    /// Migrations that the database has and this program does not know.
    pub(crate) unknown: usize,
    /// The ids of the server keys that something live was made with.
    pub(crate) server_keys: BTreeSet<String>,
}

/// Looks at the database at `path`, read-only.
pub(crate) async fn condition(path: &Path) -> Result<Condition, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let migrator = sqlx::migrate!();
    let known: BTreeSet<i64> = migrator.iter().map(|migration| migration.version).collect();
    let has_table = has_table(&mut connection, "_sqlx_migrations").await?;
    let applied: BTreeSet<i64> = if has_table {
        sqlx::query("SELECT version FROM _sqlx_migrations WHERE success")
            .try_map(|row: SqliteRow| row.try_get(0))
            .fetch_all(&mut connection)
            .await?
            .into_iter()
            .collect()
    } else {
        BTreeSet::new()
    };
    let server_keys = if has_table { server_keys(&mut connection).await? } else { BTreeSet::new() };
    connection.close().await?;
    Ok(Condition {
        missing: known.difference(&applied).count(),
        unknown: applied.difference(&known).count(),
        server_keys,
    })
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)")
        .bind(name)
        .fetch_one(connection)
        .await?)
}

/// Challenges live for minutes only: what API keys were made with is what has to stay.
async fn server_keys(connection: &mut SqliteConnection) -> Result<BTreeSet<String>, StoreError> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT server_key FROM api_keys WHERE revoked_at IS NULL")
            .fetch_all(connection)
            .await?;
    Ok(ids.into_iter().collect())
}
