use async_trait::async_trait;

use super::AccountId;
use crate::{
    StoreError, UnixMillis,
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
    ) -> Result<bool, StoreError>;

    /// False if no live key has that name. Also ends those that it replaced.
    async fn revoke_api_key(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// Oldest first.
    async fn api_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError>;

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
    pub(crate) expires_at: Option<UnixMillis>,
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
}
