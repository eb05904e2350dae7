use async_trait::async_trait;

use super::AccountId;
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{Account, Change, NewUser, System, User, UserEdit},
};

/// Accounts, systems, users and assignments. What changes nothing is not written, and not recorded either.
#[async_trait]
pub(crate) trait DirectoryStore: Send + Sync + 'static {
    /// The account of that name, made if there is none.
    async fn open_account(&self, name: &str, now: UnixMillis) -> Result<AccountId, StoreError>;

    async fn account(&self, name: &str) -> Result<Option<AccountId>, StoreError>;

    /// By name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    async fn account_settings(&self, account: AccountId) -> Result<Account, StoreError>;

    /// To which dialling prefixes SMS may go, and how many a day (UTC).
    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError>;

    /// The challenges that ended with it; `None` if there is no such system.
    async fn set_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError>;

    /// Adds or replaces it. With `only_new`, one that there is already is an error.
    async fn put_system(
        &self,
        account: AccountId,
        system: System,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError>;

    /// With its assignments and the API keys for it alone. The challenges that ended with it; `None` if there is no
    /// such system.
    async fn delete_system(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError>;

    /// At most `limit`, by name, from the first after `after` on.
    async fn systems(
        &self,
        account: AccountId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<System>, StoreError>;

    /// Those that there are.
    async fn find_systems(
        &self,
        account: AccountId,
        names: &[&str],
    ) -> Result<Vec<System>, StoreError>;

    /// Adds or replaces each, in one transaction: those that can't be are left out. With `only_new`, one that there is
    /// already can't be.
    async fn put_users(
        &self,
        account: AccountId,
        users: Vec<NewUser>,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Vec<Result<Put, DirectoryError>>, StoreError>;

    /// With whatever is about him, but the audit trail. The challenges that ended with it; `None` if there is no such
    /// user.
    async fn delete_user(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError>;

    /// By `authid`, all of one moment.
    async fn users(
        &self,
        account: AccountId,
        selection: &Selection,
    ) -> Result<Vec<User>, StoreError>;

    /// Those that there are.
    async fn find_users(
        &self,
        account: AccountId,
        auth_ids: &[&str],
    ) -> Result<Vec<User>, StoreError>;

    /// All of it, or nothing.
    async fn edit_user(
        &self,
        account: AccountId,
        auth_id: &str,
        edit: UserEdit,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError>;

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

/// What became of something that was put.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) change: Change,
    /// The challenges that ended with it.
    pub(crate) withdrawn: Vec<i64>,
}

/// Which users: those whose `authid` is greater than `after`, at least `from` and less than `until`, as bytes compare.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) after: String,
    pub(crate) from: String,
    pub(crate) until: Option<String>,
    pub(crate) disabled: Option<bool>,
    pub(crate) limit: usize,
}
