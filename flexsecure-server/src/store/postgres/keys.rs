use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use super::{Postgres, audit::record, retry::retry, row};
use crate::{
    StoreError, UnixMillis,
    directory::{ApiKey, Scopes},
    store::{AccountId, Entry, Event, KeyStore, NewApiKey, StoredApiKey},
};

#[async_trait]
impl KeyStore for Postgres {
    async fn add_api_key(
        &self,
        account: AccountId,
        key: NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        retry(|| self.add_key(account, &key, now)).await
    }

    async fn revoke_api_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        retry(|| self.revoke_key(account, name, now)).await
    }

    async fn api_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        let keys = sqlx::query(
            "SELECT name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at
             FROM api_keys WHERE account_id = $1 ORDER BY id",
        )
        .bind(account.0)
        .try_map(|row: PgRow| {
            Ok(ApiKey {
                name: row.try_get(0)?,
                prefix: row.try_get(1)?,
                scopes: row::parsed(&row, 2, Scopes::parse)?,
                created_at: row::moment(&row, 3)?,
                expires_at: row::optional_moment(&row, 4)?,
                last_used_at: row::optional_moment(&row, 5)?,
                revoked_at: row::optional_moment(&row, 6)?,
            })
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(keys)
    }

    async fn any_api_key(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys)")
            .fetch_one(&self.pool)
            .await?)
    }

    async fn live_api_key(
        &self,
        prefix: &str,
        now: UnixMillis,
    ) -> Result<Option<StoredApiKey>, StoreError> {
        let found = sqlx::query(
            "SELECT k.id, k.account_id, k.scopes, k.server_key, k.mac,
                 (SELECT s.name FROM systems s WHERE s.id = k.system_id)
             FROM api_keys k WHERE k.prefix = $1 AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > $2)",
        )
        .bind(prefix)
        .bind(now.as_millis())
        .try_map(|row: PgRow| {
            Ok(StoredApiKey {
                id: row.try_get(0)?,
                account: AccountId(row.try_get(1)?),
                scopes: row::parsed(&row, 2, Scopes::parse)?,
                server_key: row.try_get(3)?,
                mac: row.try_get(4)?,
                system: row.try_get(5)?,
            })
        })
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }
}

impl Postgres {
    async fn add_key(
        &self,
        account: AccountId,
        key: &NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO api_keys (account_id, name, prefix, server_key, mac, scopes, created_at,
                 expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(account.0)
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(&key.server_key)
        .bind(key.mac.as_slice())
        .bind(key.scopes.to_string())
        .bind(now.as_millis())
        .bind(key.expires_at.map(UnixMillis::as_millis))
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if added {
            let entry =
                Entry { api_key: Some(&key.prefix), ..Entry::new(account, Event::ApiKeyCreated) };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await?;
        Ok(added)
    }

    async fn revoke_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let revoked: Vec<String> = sqlx::query_scalar(
            "UPDATE api_keys SET revoked_at = $1
             WHERE account_id = $2 AND name = $3 AND revoked_at IS NULL RETURNING prefix",
        )
        .bind(now.as_millis())
        .bind(account.0)
        .bind(name)
        .fetch_all(&mut *transaction)
        .await?;
        for prefix in &revoked {
            let entry =
                Entry { api_key: Some(prefix), ..Entry::new(account, Event::ApiKeyRevoked) };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await?;
        Ok(!revoked.is_empty())
    }
}

/// A part of what is written anyway: notes that the key `$3` was used at `$2`, unless that was noted after `$4`.
///
/// Whoever finds the row locked lets it be: another one is just noting the same.
macro_rules! touched {
    () => {
        "touched AS (
             UPDATE api_keys SET last_used_at = $2 WHERE id =
                 (SELECT id FROM api_keys
                  WHERE id = $3 AND (last_used_at IS NULL OR last_used_at <= $4)
                  FOR NO KEY UPDATE SKIP LOCKED)
         )"
    };
}
pub(super) use touched;

/// The `$4` of [`touched`]: a minute's precision spares most of it.
pub(super) fn touched_before(now: UnixMillis) -> i64 {
    now.saturating_sub(LAST_USED_PRECISION).as_millis()
}

const LAST_USED_PRECISION: Duration = Duration::from_secs(60);
