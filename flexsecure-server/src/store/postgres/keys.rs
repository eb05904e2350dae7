use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};

use super::{Postgres, audit::record, directory::limit_of, lookups::Presented, retry::retry, row};
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{ApiKey, Scopes},
    store::{
        AccountId, Entry, Event, KeyStore, LAST_USED_PRECISION, NewApiKey, Replacement,
        StoredApiKey,
    },
};

#[async_trait]
impl KeyStore for Postgres {
    async fn add_api_key(
        &self,
        account: AccountId,
        key: NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, DirectoryError> {
        retry(|| self.add_key(account, &key, now)).await
    }

    async fn rotate_api_key(
        &self,
        account: AccountId,
        name: &str,
        replacement: Replacement,
        overlap_ends: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<ApiKey>, StoreError> {
        retry(|| self.rotate_key(account, name, &replacement, overlap_ends, now)).await
    }

    async fn revoke_api_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        retry(|| self.revoke_key(account, name, now)).await
    }

    async fn api_keys(
        &self,
        account: AccountId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!("{SELECT} WHERE k.account_id = $1 AND k.id > $2 ORDER BY k.id LIMIT $3");
        let keys = sqlx::query(AssertSqlSafe(sql))
            .bind(account.0)
            .bind(after)
            .bind(limit_of(limit))
            .try_map(|row: PgRow| key_of(&row))
            .fetch_all(&self.pool)
            .await?;
        Ok(keys)
    }

    async fn api_key(&self, account: AccountId, name: &str) -> Result<Option<ApiKey>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        find(&mut connection, account, name).await
    }

    async fn touch_api_key(&self, api_key: i64, now: UnixMillis) -> Result<(), StoreError> {
        sqlx::query(concat!(
            "WITH ",
            touched!(now: "$2", before: "$4", keys: "ARRAY[$3::bigint]"),
            " SELECT 1 WHERE $1"
        ))
        .bind(true)
        .bind(now.as_millis())
        .bind(api_key)
        .bind(touched_before(now))
        .execute(&self.pool)
        .await?;
        Ok(())
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
        self.presented.run(Presented { prefix: prefix.to_owned(), now }).await
    }
}

impl Postgres {
    async fn add_key(
        &self,
        account: AccountId,
        key: &NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, DirectoryError> {
        let mut transaction = self.begin().await?;
        let system = key.system.as_deref();
        let system_id = match system {
            Some(name) => Some(system_id(&mut transaction, account, name).await?),
            None => None,
        };
        let row = KeyRow {
            name: &key.name,
            prefix: &key.prefix,
            server_key: &key.server_key,
            mac: &key.mac,
            scopes: key.scopes,
            system_id,
            expires_at: key.expires_at,
        };
        let added = insert(&mut transaction, account, &row, now).await?;
        if added {
            let entry = Entry {
                api_key: Some(&key.prefix),
                system,
                ..Entry::new(account, Event::ApiKeyCreated)
            };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(added)
    }

    async fn rotate_key(
        &self,
        account: AccountId,
        name: &str,
        replacement: &Replacement,
        overlap_ends: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<ApiKey>, StoreError> {
        let mut transaction = self.begin().await?;
        let locked: Option<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT id, system_id FROM api_keys WHERE account_id = $1 AND name = $2
               AND revoked_at IS NULL AND replaced_at IS NULL FOR NO KEY UPDATE",
        )
        .bind(account.0)
        .bind(name)
        .fetch_optional(&mut *transaction)
        .await?;
        let old = find(&mut transaction, account, name).await?;
        let (Some((id, system_id)), Some(old)) = (locked, old) else { return Ok(None) };
        if old.id != id || !old.is_live(now) {
            return Ok(None);
        }
        sqlx::query(
            "UPDATE api_keys SET replaced_at = $2, expires_at = least(expires_at, $3)
             WHERE id = $1",
        )
        .bind(id)
        .bind(now.as_millis())
        .bind(overlap_ends.as_millis())
        .execute(&mut *transaction)
        .await?;
        let row = KeyRow {
            name,
            prefix: &replacement.prefix,
            server_key: &replacement.server_key,
            mac: &replacement.mac,
            scopes: old.scopes,
            system_id,
            expires_at: old.renewed_expiry(now),
        };
        if !insert(&mut transaction, account, &row, now).await? {
            return Err(StoreError::Undone);
        }
        for (prefix, event) in
            [(&old.prefix, Event::ApiKeyRotated), (&replacement.prefix, Event::ApiKeyCreated)]
        {
            let entry = Entry { api_key: Some(prefix), ..Entry::new(account, event) };
            record(&mut transaction, &entry, now).await?;
        }
        let new = find(&mut transaction, account, name).await?;
        transaction.commit().await?;
        Ok(new)
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

struct KeyRow<'a> {
    name: &'a str,
    prefix: &'a str,
    server_key: &'a str,
    mac: &'a [u8],
    scopes: Scopes,
    system_id: Option<i64>,
    expires_at: Option<UnixMillis>,
}

/// False if a live key has the name.
async fn insert(
    connection: &mut PgConnection,
    account: AccountId,
    key: &KeyRow<'_>,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO api_keys (account_id, name, prefix, server_key, mac, scopes, system_id,
             created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(account.0)
    .bind(key.name)
    .bind(key.prefix)
    .bind(key.server_key)
    .bind(key.mac)
    .bind(key.scopes.to_string())
    .bind(key.system_id)
    .bind(now.as_millis())
    .bind(key.expires_at.map(UnixMillis::as_millis))
    .execute(connection)
    .await?
    .rows_affected();
    Ok(added == 1)
}

async fn system_id(
    connection: &mut PgConnection,
    account: AccountId,
    name: &str,
) -> Result<i64, DirectoryError> {
    sqlx::query_scalar("SELECT id FROM systems WHERE account_id = $1 AND name = $2 FOR KEY SHARE")
        .bind(account.0)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::from)?
        .ok_or_else(|| DirectoryError::UnknownSystem { system: name.to_owned() })
}

async fn find(
    connection: &mut PgConnection,
    account: AccountId,
    name: &str,
) -> Result<Option<ApiKey>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE k.account_id = $1 AND k.name = $2 AND k.revoked_at IS NULL
           AND k.replaced_at IS NULL"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(account.0)
        .bind(name)
        .try_map(|row: PgRow| key_of(&row))
        .fetch_optional(connection)
        .await?;
    Ok(found)
}

fn key_of(row: &PgRow) -> sqlx::Result<ApiKey> {
    Ok(ApiKey {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        prefix: row.try_get(2)?,
        scopes: row::parsed(row, 3, Scopes::parse)?,
        system: row.try_get(4)?,
        created_at: row::moment(row, 5)?,
        expires_at: row::optional_moment(row, 6)?,
        last_used_at: row::optional_moment(row, 7)?,
        replaced_at: row::optional_moment(row, 8)?,
        revoked_at: row::optional_moment(row, 9)?,
    })
}

const SELECT: &str = "SELECT k.id, k.name, k.prefix, k.scopes,
    (SELECT s.name FROM systems s WHERE s.id = k.system_id), k.created_at, k.expires_at,
    k.last_used_at, k.replaced_at, k.revoked_at FROM api_keys k";

/// A part of what is written anyway: notes that the keys were used now, unless that was noted after `$before`.
///
/// Whoever finds the row locked lets it be: another one is just noting the same.
macro_rules! touched {
    (now: $now:literal, before: $before:literal, keys: $keys:literal) => {
        concat!(
            "touched AS (
                 UPDATE api_keys SET last_used_at = ",
            $now,
            " WHERE id IN (SELECT id FROM api_keys WHERE id = ANY (",
            $keys,
            ") AND (last_used_at IS NULL OR last_used_at <= ",
            $before,
            ") ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
             )"
        )
    };
}
pub(super) use touched;

/// The `$before` of [`touched`]: a minute's precision spares most of it.
pub(super) fn touched_before(now: UnixMillis) -> i64 {
    now.saturating_sub(LAST_USED_PRECISION).as_millis()
}
