use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Sqlite, audit::record, row};
use crate::{
    StoreError, UnixMillis,
    directory::{ApiKey, Scopes},
    store::{AccountId, Entry, Event, KeyStore, NewApiKey, StoredApiKey},
};

#[async_trait]
impl KeyStore for Sqlite {
    async fn add_api_key(
        &self,
        account: AccountId,
        key: NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let added = connection
                .prepare_cached(
                    "INSERT INTO api_keys (account_id, name, prefix, server_key, mac, scopes,
                         created_at, expires_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    account.0,
                    key.name,
                    key.prefix,
                    key.server_key,
                    key.mac,
                    key.scopes.to_string(),
                    now.as_millis(),
                    key.expires_at.map(UnixMillis::as_millis),
                ])?
                == 1;
            if added {
                let entry = Entry {
                    api_key: Some(&key.prefix),
                    ..Entry::new(account, Event::ApiKeyCreated)
                };
                record(connection, &entry, now)?;
            }
            Ok(added)
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

    async fn api_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        self.read_much(move |connection| {
            let keys = connection
                .prepare_cached(
                    "SELECT name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at
                     FROM api_keys WHERE account_id = ? ORDER BY id",
                )?
                .query_map([account.0], |row| {
                    Ok(ApiKey {
                        name: row.get(0)?,
                        prefix: row.get(1)?,
                        scopes: row::parsed(row, 2, Scopes::parse)?,
                        created_at: row::moment(row, 3)?,
                        expires_at: row::optional_moment(row, 4)?,
                        last_used_at: row::optional_moment(row, 5)?,
                        revoked_at: row::optional_moment(row, 6)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(keys)
        })
        .await
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
        self.read(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT k.id, k.account_id, k.scopes, k.server_key, k.mac,
                         (SELECT s.name FROM systems s WHERE s.id = k.system_id)
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
                    })
                })
                .optional()?;
            Ok(found)
        })
    }
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

const LAST_USED_PRECISION: Duration = Duration::from_secs(60);
