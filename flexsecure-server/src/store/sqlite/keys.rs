use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Sqlite, audit::record, directory::limit_of, row};
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{ApiKey, Scopes},
    store::{
        AccountId, Entry, Event, KeyStore, LAST_USED_PRECISION, NewApiKey, Replacement,
        StoredApiKey,
    },
};

#[async_trait]
impl KeyStore for Sqlite {
    async fn add_api_key(
        &self,
        account: AccountId,
        key: NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, DirectoryError> {
        self.write(move |connection| {
            let system = key.system.as_deref();
            let system_id = system.map(|name| system_id(connection, account, name)).transpose()?;
            let row = KeyRow {
                name: &key.name,
                prefix: &key.prefix,
                server_key: &key.server_key,
                mac: &key.mac,
                scopes: key.scopes,
                system_id,
                expires_at: key.expires_at,
            };
            let added = insert(connection, account, &row, now)?;
            if added {
                let entry = Entry {
                    api_key: Some(&key.prefix),
                    system,
                    ..Entry::new(account, Event::ApiKeyCreated)
                };
                record(connection, &entry, now)?;
            }
            Ok(added)
        })
        .await
    }

    async fn rotate_api_key(
        &self,
        account: AccountId,
        name: &str,
        replacement: Replacement,
        overlap_ends: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<ApiKey>, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let Some(old) = find(connection, account, &name)? else { return Ok(None) };
            if !old.is_live(now) {
                return Ok(None);
            }
            let system_id: Option<i64> = connection
                .prepare_cached(
                    "UPDATE api_keys SET replaced_at = ?2,
                         expires_at = min(coalesce(expires_at, ?3), ?3)
                     WHERE id = ?1 RETURNING system_id",
                )?
                .query_row(params![old.id, now.as_millis(), overlap_ends.as_millis()], |row| {
                    row.get(0)
                })?;
            let row = KeyRow {
                name: &name,
                prefix: &replacement.prefix,
                server_key: &replacement.server_key,
                mac: &replacement.mac,
                scopes: old.scopes,
                system_id,
                expires_at: old.renewed_expiry(now),
            };
            if !insert(connection, account, &row, now)? {
                return Err(StoreError::Undone);
            }
            let entry =
                Entry { api_key: Some(&old.prefix), ..Entry::new(account, Event::ApiKeyRotated) };
            record(connection, &entry, now)?;
            let entry = Entry {
                api_key: Some(&replacement.prefix),
                ..Entry::new(account, Event::ApiKeyCreated)
            };
            record(connection, &entry, now)?;
            find(connection, account, &name)
        })
        .await
    }

    async fn revoke_api_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let revoked = connection
                .prepare_cached(
                    "UPDATE api_keys SET revoked_at = ?
                     WHERE account_id = ? AND name = ? AND revoked_at IS NULL RETURNING prefix",
                )?
                .query_map(params![now.as_millis(), account.0, name], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()?;
            for prefix in &revoked {
                let entry =
                    Entry { api_key: Some(prefix), ..Entry::new(account, Event::ApiKeyRevoked) };
                record(connection, &entry, now)?;
            }
            Ok(!revoked.is_empty())
        })
        .await
    }

    async fn api_keys(
        &self,
        account: AccountId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ApiKey>, StoreError> {
        self.read(|connection| {
            let keys = connection
                .prepare_cached(&format!(
                    "{SELECT} WHERE k.account_id = ? AND k.id > ? ORDER BY k.id LIMIT ?"
                ))?
                .query_map(params![account.0, after, limit_of(limit)], key_of)?
                .collect::<Result<_, _>>()?;
            Ok(keys)
        })
    }

    async fn api_key(&self, account: AccountId, name: &str) -> Result<Option<ApiKey>, StoreError> {
        self.read(|connection| find(connection, account, name))
    }

    async fn touch_api_key(&self, api_key: i64, now: UnixMillis) -> Result<(), StoreError> {
        self.write(move |connection| touch(connection, api_key, now)).await
    }

    async fn any_api_key(&self) -> Result<bool, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM api_keys)")?
                .query_row([], |row| row.get(0))?)
        })
    }

    async fn live_api_key(
        &self,
        prefix: &str,
        now: UnixMillis,
    ) -> Result<Option<StoredApiKey>, StoreError> {
        self.read(|connection| live_key(connection, prefix, now))
    }
}

pub(super) fn live_key(
    connection: &Connection,
    prefix: &str,
    now: UnixMillis,
) -> Result<Option<StoredApiKey>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT k.id, k.account_id, k.scopes, k.server_key, k.mac,
                 (SELECT s.name FROM systems s WHERE s.id = k.system_id), k.last_used_at
             FROM api_keys k WHERE k.prefix = ? AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > ?)",
        )?
        .query_row(params![prefix, now.as_millis()], |row| {
            Ok(StoredApiKey {
                id: row.get(0)?,
                account: AccountId(row.get(1)?),
                scopes: row::parsed(row, 2, Scopes::parse)?,
                server_key: row.get(3)?,
                mac: row.get(4)?,
                system: row.get(5)?,
                last_used_at: row::optional_moment(row, 6)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Called where something is written anyway; a minute's precision spares the rest.
pub(super) fn touch(
    connection: &Connection,
    api_key: i64,
    now: UnixMillis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE api_keys SET last_used_at = ?
             WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
        )?
        .execute(params![
            now.as_millis(),
            api_key,
            now.saturating_sub(LAST_USED_PRECISION).as_millis()
        ])?;
    Ok(())
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
fn insert(
    connection: &Connection,
    account: AccountId,
    key: &KeyRow<'_>,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let added = connection
        .prepare_cached(
            "INSERT INTO api_keys (account_id, name, prefix, server_key, mac, scopes, system_id,
                 created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            account.0,
            key.name,
            key.prefix,
            key.server_key,
            key.mac,
            key.scopes.to_string(),
            key.system_id,
            now.as_millis(),
            key.expires_at.map(UnixMillis::as_millis),
        ])?;
    Ok(added == 1)
}

fn system_id(
    connection: &Connection,
    account: AccountId,
    name: &str,
) -> Result<i64, DirectoryError> {
    connection
        .prepare_cached("SELECT id FROM systems WHERE account_id = ? AND name = ?")
        .and_then(|mut find| find.query_row(params![account.0, name], |row| row.get(0)).optional())
        .map_err(StoreError::from)?
        .ok_or_else(|| DirectoryError::UnknownSystem { system: name.to_owned() })
}

fn find(
    connection: &Connection,
    account: AccountId,
    name: &str,
) -> Result<Option<ApiKey>, StoreError> {
    let found = connection
        .prepare_cached(&format!(
            "{SELECT} WHERE k.account_id = ? AND k.name = ? AND k.revoked_at IS NULL
               AND k.replaced_at IS NULL"
        ))?
        .query_row(params![account.0, name], key_of)
        .optional()?;
    Ok(found)
}

fn key_of(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        prefix: row.get(2)?,
        scopes: row::parsed(row, 3, Scopes::parse)?,
        system: row.get(4)?,
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
