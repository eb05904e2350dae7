use std::time::Duration;

use async_trait::async_trait;

use super::AccountId;
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{ApiKey, Scopes},
};

/// API keys. A false positive lets a stranger ask and approve in the name of a system.
#[async_trait]
pub(crate) trait KeyStore: Send + Sync + 'static {
    /// False if a live key has that name.
    async fn add_api_key(
        &self,
        account: AccountId,
        key: NewApiKey,
        now: UnixMillis,
    ) -> Result<bool, DirectoryError>;

    /// Gives the name, scopes and system of a live key to another one. Both are good until `overlap_ends`, if the old
    /// one does not expire before. The key that there is now; `None` if no live key has that name.
    async fn rotate_api_key(
        &self,
        account: AccountId,
        name: &str,
        replacement: Replacement,
        overlap_ends: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<ApiKey>, StoreError>;

    /// False if no live key has that name. Also ends those that it replaced.
    async fn revoke_api_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// At most `limit`, oldest first, from the first after `after` on: revoked and replaced ones too.
    async fn api_keys(
        &self,
        account: AccountId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<ApiKey>, StoreError>;

    /// The one that has the name: neither revoked nor replaced.
    async fn api_key(&self, account: AccountId, name: &str) -> Result<Option<ApiKey>, StoreError>;

    /// Says when it was used, to the minute.
    async fn touch_api_key(&self, api_key: i64, now: UnixMillis) -> Result<(), StoreError>;

    /// Of any account.
    async fn any_api_key(&self) -> Result<bool, StoreError>;

    /// Only a key that is neither expired nor revoked.
    async fn live_api_key(
        &self,
        prefix: &str,
        now: UnixMillis,
    ) -> Result<Option<StoredApiKey>, StoreError>;
}

/// What is stored of a key that has just been made.
#[derive(Clone, Debug)]
pub(crate) struct NewApiKey {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) server_key: String,
    pub(crate) mac: [u8; 32],
    pub(crate) scopes: Scopes,
    /// The only system it is for, if it is not for all.
    pub(crate) system: Option<String>,
    pub(crate) expires_at: Option<UnixMillis>,
}

/// What is stored of a key that takes the place of another one.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    pub(crate) prefix: String,
    pub(crate) server_key: String,
    pub(crate) mac: [u8; 32],
}

/// What a presented key is compared with.
#[derive(Debug)]
pub(crate) struct StoredApiKey {
    pub(crate) id: i64,
    pub(crate) account: AccountId,
    pub(crate) scopes: Scopes,
    /// The only system it is for, if it is not for all.
    pub(crate) system: Option<String>,
    pub(crate) server_key: String,
    pub(crate) mac: Vec<u8>,
    pub(crate) last_used_at: Option<UnixMillis>,
}

/// How exactly it is known when a key was used.
pub(crate) const LAST_USED_PRECISION: Duration = Duration::from_secs(60);
