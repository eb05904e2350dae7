use std::time::Duration;

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    Event, Store,
    audit::{Subject, record},
};
use crate::{StoreError, UnixMillis, directory::ApiKey};

/// What is stored of a key that has just been made.
#[derive(Debug)]
pub(crate) struct NewApiKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) server_key: &'a str,
    pub(crate) mac: [u8; 32],
    pub(crate) expires_at: Option<UnixMillis>,
}

/// What a presented key is compared with.
#[derive(Debug)]
pub(crate) struct StoredApiKey {
    pub(crate) id: i64,
    pub(crate) server_key: String,
    pub(crate) mac: Vec<u8>,
}

impl Store {
    /// False if a live key has that name.
    pub(crate) async fn add_api_key(
        &self,
        key: &NewApiKey<'_>,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO api_keys (name, prefix, server_key, mac, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(key.name)
        .bind(key.prefix)
        .bind(key.server_key)
        .bind(key.mac.as_slice())
        .bind(now.as_millis())
        .bind(key.expires_at.map(UnixMillis::as_millis))
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if added {
            let subject = Subject { api_key: Some(key.prefix), ..Subject::default() };
            record(&mut tx, now, Event::ApiKeyCreated, subject).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    /// False if no live key has that name.
    pub(crate) async fn revoke_api_key(
        &self,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let revoked: Option<String> = sqlx::query_scalar(
            "UPDATE api_keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL
             RETURNING prefix",
        )
        .bind(now.as_millis())
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(prefix) = &revoked {
            let subject = Subject { api_key: Some(prefix), ..Subject::default() };
            record(&mut tx, now, Event::ApiKeyRevoked, subject).await?;
        }
        tx.commit().await?;
        Ok(revoked.is_some())
    }

    pub(crate) async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_keys ORDER BY id")
            .try_map(|row| api_key(&row))
            .fetch_all(&self.readers)
            .await?;
        Ok(rows)
    }

    pub(crate) async fn any_api_key(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys)")
            .fetch_one(&self.readers)
            .await?)
    }

    /// Only a key that is neither expired nor revoked.
    pub(crate) async fn live_api_key(
        &self,
        prefix: &str,
        now: UnixMillis,
    ) -> Result<Option<StoredApiKey>, StoreError> {
        let row = sqlx::query(
            "SELECT id, server_key, mac FROM api_keys
             WHERE prefix = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(prefix)
        .bind(now.as_millis())
        .try_map(|row: SqliteRow| {
            Ok(StoredApiKey {
                id: row.try_get("id")?,
                server_key: row.try_get("server_key")?,
                mac: row.try_get("mac")?,
            })
        })
        .fetch_optional(&self.readers)
        .await?;
        Ok(row)
    }
}

/// Called where something is written anyway; a minute's precision spares the rest.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    api_key: i64,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE api_keys SET last_used_at = ?
         WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
    )
    .bind(now.as_millis())
    .bind(api_key)
    .bind(now.saturating_sub(LAST_USED_PRECISION).as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, sqlx::Error> {
    let optional = |column| -> Result<Option<UnixMillis>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(UnixMillis::new))
    };
    Ok(ApiKey {
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        created_at: UnixMillis::new(row.try_get("created_at")?),
        expires_at: optional("expires_at")?,
        last_used_at: optional("last_used_at")?,
        revoked_at: optional("revoked_at")?,
    })
}

const LAST_USED_PRECISION: Duration = Duration::from_secs(60);
