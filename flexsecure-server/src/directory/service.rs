use std::{path::Path, sync::Arc};

use secrecy::SecretString;

use super::{
    Account, DirectoryError, Page, Policies, System, cursor,
    validate::{validate_country, validate_name},
};
use crate::{
    Clock, OpenError, StoreError, SystemClock,
    challenge::Waiters,
    config::Place,
    secret::ServerKeys,
    server::open_store,
    store::{AccountId, PolicyChange, Put, SharedStore},
};

/// Administers the systems, users and API keys of one account. Cheap to clone.
///
/// Each call is one transaction with its own entry in the audit trail; one that changes nothing leaves no trace.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) account: AccountId,
    pub(super) store: SharedStore,
    pub(super) keys: Arc<ServerKeys>,
    waiters: Arc<Waiters>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Directory {
    /// Opens the database at `path`, also while a server runs on it; makes one if there is none. It is the directory of
    /// the account `default`: see [`account`](Self::account).
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_at(&Place::File(path.as_ref().to_owned()), None).await
    }

    /// As [`open`](Self::open), with the server's keys in `key_file` instead of beside the database.
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open_with_keys(
        path: impl AsRef<Path>,
        key_file: impl AsRef<Path>,
    ) -> Result<Self, OpenError> {
        Self::open_at(&Place::File(path.as_ref().to_owned()), Some(key_file.as_ref())).await
    }

    /// Like [`open`](Self::open), in PostgreSQL: see [`Config::postgres`](crate::Config::postgres).
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open_postgres(
        url: impl Into<SecretString>,
        keys: impl AsRef<Path>,
    ) -> Result<Self, OpenError> {
        Self::open_at(&Place::Postgres(url.into()), Some(keys.as_ref())).await
    }

    async fn open_at(place: &Place, server_keys: Option<&Path>) -> Result<Self, OpenError> {
        let opened = open_store(place, server_keys, None).await?;
        Self::new(opened, Arc::default(), Arc::new(SystemClock))
            .await
            .map_err(|source| place.failed(source))
    }

    pub(crate) async fn new(
        (store, keys): (SharedStore, Arc<ServerKeys>),
        waiters: Arc<Waiters>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let account = store.open_account(DEFAULT_ACCOUNT, clock.now()).await?;
        Ok(Self { account, store, keys, waiters, clock })
    }

    /// The directory of another account, made if there is none of that name (1..=64 characters, without control
    /// characters). What is in one account is not to be seen, and not to be reached, from another.
    ///
    /// # Errors
    /// The name is malformed.
    pub async fn account(&self, name: &str) -> Result<Self, DirectoryError> {
        if !validate_name(name) {
            return Err(DirectoryError::MalformedAccount);
        }
        let account = self.store.open_account(name, self.clock.now()).await?;
        Ok(self.of(account))
    }

    /// The directory of another account, if there is one of that name.
    ///
    /// # Errors
    /// There is none.
    pub async fn existing_account(&self, name: &str) -> Result<Self, DirectoryError> {
        let found = self.store.account(name).await?;
        let unknown = || DirectoryError::UnknownAccount { account: name.to_owned() };
        found.map(|account| self.of(account)).ok_or_else(unknown)
    }

    /// Makes an account. What it is called has 1..=64 characters, without control characters.
    ///
    /// # Errors
    /// The name is malformed or taken.
    pub async fn create_account(&self, name: &str) -> Result<Self, DirectoryError> {
        if self.store.account(name).await?.is_some() {
            return Err(DirectoryError::AccountExists { account: name.to_owned() });
        }
        self.account(name).await
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn accounts(&self) -> Result<Vec<Account>, DirectoryError> {
        Ok(self.store.accounts().await?)
    }

    /// What is set for this account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn settings(&self) -> Result<Account, DirectoryError> {
        Ok(self.store.account_settings(self.account).await?)
    }

    /// To which dialling prefixes SMS may go, such as `["+41", "+49"]`. None, unless this is called: an SMS costs
    /// money, and there are numbers whose owners are paid for each.
    ///
    /// # Errors
    /// One is not `+` and 1..=7 digits.
    pub async fn allow_sms_to(&self, prefixes: &[&str]) -> Result<(), DirectoryError> {
        self.set_sms_limits(Some(prefixes), None).await
    }

    /// How many SMS the account may send a day (UTC); 1,000 unless this is called. Numbers that begin with the same
    /// seven characters may have a tenth of it, and at least ten.
    ///
    /// # Errors
    /// It is more than 2,147,483,647.
    pub async fn set_sms_budget(&self, daily: u32) -> Result<(), DirectoryError> {
        self.set_sms_limits(None, Some(daily)).await
    }

    /// Both limits at once; `None` leaves one as it is.
    ///
    /// # Errors
    /// As for [`Self::allow_sms_to`] and [`Self::set_sms_budget`].
    pub async fn set_sms_limits(
        &self,
        prefixes: Option<&[&str]>,
        daily: Option<u32>,
    ) -> Result<(), DirectoryError> {
        for prefix in prefixes.unwrap_or_default() {
            if !validate_country(prefix) {
                return Err(DirectoryError::MalformedCountry { prefix: (*prefix).to_owned() });
            }
        }
        if prefixes.is_some_and(|prefixes| prefixes.len() > MOST_COUNTRIES) {
            return Err(DirectoryError::TooManyCountries);
        }
        if daily.is_some_and(|daily| i32::try_from(daily).is_err()) {
            return Err(DirectoryError::BudgetOutOfRange);
        }
        Ok(self.store.set_sms_limits(self.account, prefixes, daily, self.clock.now()).await?)
    }

    /// Adds a system. Its name has 1..=64 characters, without control characters.
    ///
    /// # Errors
    /// The name is malformed or taken.
    pub async fn add_system(&self, name: &str, policies: Policies) -> Result<(), DirectoryError> {
        self.store_system(System::new(name, policies), true).await.map(|_| ())
    }

    /// Adds a system, or makes the one of that name as this one is.
    ///
    /// What a switched-off policy had allowed ends: live challenges of that method are withdrawn, and users assigned to
    /// it are refused.
    ///
    /// # Errors
    /// The name is malformed.
    pub async fn put_system(&self, system: System) -> Result<super::Change, DirectoryError> {
        self.store_system(system, false).await
    }

    async fn store_system(
        &self,
        system: System,
        only_new: bool,
    ) -> Result<super::Change, DirectoryError> {
        if !validate_name(&system.name) {
            return Err(DirectoryError::MalformedSystem);
        }
        let now = self.clock.now();
        let put = self.store.put_system(self.account, system, only_new, now).await?;
        Ok(self.done(&put).await)
    }

    /// Switches policies of a system; `None` leaves one as it is.
    ///
    /// What a switched-off policy had allowed ends: live challenges of that method are withdrawn, and users assigned to
    /// it are refused.
    ///
    /// # Errors
    /// There is no such system.
    pub async fn set_policies(
        &self,
        system: &str,
        pin: Option<bool>,
        passwordless: Option<bool>,
    ) -> Result<(), DirectoryError> {
        let change = PolicyChange { pin, passwordless, requires_txn: None };
        self.change_system(system, change).await
    }

    /// Whether checks of a system have to name their challenge by `txn`. Off for a new one, as clients of the original
    /// API know none; without, an approval is told once, to whoever asks first.
    ///
    /// # Errors
    /// There is no such system.
    pub async fn require_txn(&self, system: &str, on: bool) -> Result<(), DirectoryError> {
        let change = PolicyChange { requires_txn: Some(on), ..PolicyChange::default() };
        self.change_system(system, change).await
    }

    async fn change_system(
        &self,
        system: &str,
        change: PolicyChange,
    ) -> Result<(), DirectoryError> {
        let withdrawn = self
            .store
            .set_policies(self.account, system, change, self.clock.now())
            .await?
            .ok_or_else(|| unknown_system(system))?;
        self.wake(&withdrawn).await;
        Ok(())
    }

    /// Deletes a system with all that is about it: assignments, challenges, and the API keys that are for it alone.
    ///
    /// # Errors
    /// There is no such system.
    pub async fn delete_system(&self, name: &str) -> Result<(), DirectoryError> {
        let withdrawn = self
            .store
            .delete_system(self.account, name, self.clock.now())
            .await?
            .ok_or_else(|| unknown_system(name))?;
        self.wake(&withdrawn).await;
        Ok(())
    }

    /// The system of that name.
    ///
    /// # Errors
    /// There is no such system.
    pub async fn system(&self, name: &str) -> Result<System, DirectoryError> {
        let found = self.store.find_systems(self.account, &[name]).await?;
        found.into_iter().next().ok_or_else(|| unknown_system(name))
    }

    /// All systems, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn systems(&self) -> Result<Vec<System>, DirectoryError> {
        Ok(self.store.systems(self.account, "", usize::MAX).await?)
    }

    /// At most `limit` systems, by name.
    ///
    /// # Errors
    /// `cursor` is not the [`next`](Page::next) of another page.
    pub async fn systems_page(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<System>, DirectoryError> {
        let after = cursor.map(cursor::parse).transpose()?.unwrap_or_default();
        let more = limit.saturating_add(1);
        let systems = self.store.systems(self.account, &after, more).await?;
        Ok(cursor::page(systems, limit, |system| system.name.clone()))
    }

    /// The same store, clock and keys for another account.
    pub(crate) fn of(&self, account: AccountId) -> Self {
        Self { account, ..self.clone() }
    }

    pub(super) async fn done(&self, put: &Put) -> super::Change {
        self.wake(&put.withdrawn).await;
        put.change
    }

    pub(super) async fn wake(&self, challenges: &[i64]) {
        for &challenge in challenges {
            self.waiters.wake(challenge);
            self.store.announce(challenge);
        }
        self.store.announced().await;
    }
}

fn unknown_system(name: &str) -> DirectoryError {
    DirectoryError::UnknownSystem { system: name.to_owned() }
}

/// The one that is meant where none is named.
const DEFAULT_ACCOUNT: &str = "default";

/// More than there are on earth.
const MOST_COUNTRIES: usize = 300;
