use async_trait::async_trait;

use super::AccountId;
use crate::{
    DirectoryError, Method, StoreError, UnixMillis,
    directory::{NewUser, Policies, System, User},
};

/// Accounts, systems, users and assignments.
#[async_trait]
pub(crate) trait DirectoryStore: Send + Sync + 'static {
    /// The account of that name, made if there is none.
    async fn open_account(&self, name: &str, now: UnixMillis) -> Result<AccountId, StoreError>;

    async fn account(&self, name: &str) -> Result<Option<AccountId>, StoreError>;

    /// To which dialling prefixes SMS may go, and how many a day (UTC).
    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError>;

    /// False if there is one of that name.
    async fn add_system(
        &self,
        account: AccountId,
        name: &str,
        policies: Policies,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// The challenges that ended with it; `None` if there is no such system.
    async fn set_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError>;

    /// By name.
    async fn systems(&self, account: AccountId) -> Result<Vec<System>, StoreError>;

    /// False if there is one of that `authid`.
    async fn add_user(
        &self,
        account: AccountId,
        user: NewUser,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// By `authid`.
    async fn users(&self, account: AccountId) -> Result<Vec<User>, StoreError>;

    /// All of the systems, or none.
    async fn assign(
        &self,
        account: AccountId,
        auth_id: &str,
        systems: &[&str],
        method: Method,
        now: UnixMillis,
    ) -> Result<(), DirectoryError>;

    /// The challenges that ended with it; `None` if there is no such user.
    async fn set_disabled(
        &self,
        account: AccountId,
        auth_id: &str,
        disabled: bool,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError>;

    /// Forgets the failures of a user, which enables a method again that they had disabled. False if there is no such
    /// user.
    async fn forgive(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;
}

/// What to switch; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PolicyChange {
    pub(crate) pin: Option<bool>,
    pub(crate) passwordless: Option<bool>,
    pub(crate) requires_txn: Option<bool>,
}
