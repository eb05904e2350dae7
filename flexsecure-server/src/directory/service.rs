use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::model::{
    ApiKey, NewUser, Policies, Scopes, System, User, validate_auth_id, validate_country,
    validate_email, validate_locale, validate_name, validate_sms,
};
use crate::{
    Channel, Clock, Method, OpenError, StoreError, SystemClock,
    challenge::Waiters,
    config::Place,
    secret::{ApiKeyParts, ApiKeySecret, RandomnessError, ServerKeys, mint_api_key},
    server::open_store,
    store::{AccountId, NewApiKey, PolicyChange, SharedStore},
};

/// Administers the systems, users and API keys of one account. Cheap to clone.
///
/// Each call is one transaction with its own entry in the audit trail.
#[derive(Clone, Debug)]
pub struct Directory {
    account: AccountId,
    store: SharedStore,
    keys: Arc<ServerKeys>,
    waiters: Arc<Waiters>,
    clock: Arc<dyn Clock>,
}

impl Directory {
    /// Opens the database at `path`, also while a server runs on it; makes one if there is none. It is the directory of
    /// the account `default`: see [`account`](Self::account).
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_at(&Place::File(path.as_ref().to_owned())).await
    }

    /// Like [`open`](Self::open), in PostgreSQL: see [`Config::postgres`](crate::Config::postgres).
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open_postgres(
        url: impl Into<SecretString>,
        keys: impl Into<PathBuf>,
    ) -> Result<Self, OpenError> {
        Self::open_at(&Place::Postgres { url: url.into(), keys: keys.into() }).await
    }

    async fn open_at(place: &Place) -> Result<Self, OpenError> {
        let opened = open_store(place, None).await?;
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
        Ok(Self { account, ..self.clone() })
    }

    /// To which dialling prefixes SMS may go, such as `["+41", "+49"]`. None, unless this is called: an SMS costs
    /// money, and there are numbers whose owners are paid for each.
    ///
    /// # Errors
    /// One is not `+` and 1..=7 digits.
    pub async fn allow_sms_to(&self, prefixes: &[&str]) -> Result<(), DirectoryError> {
        if let Some(bad) = prefixes.iter().find(|prefix| !validate_country(prefix)) {
            return Err(DirectoryError::MalformedCountry { prefix: (*bad).to_owned() });
        }
        let now = self.clock.now();
        Ok(self.store.set_sms_limits(self.account, Some(prefixes), None, now).await?)
    }

    /// How many SMS the account may send a day (UTC); 1,000 unless this is called. Numbers that begin with the same
    /// seven characters may have a tenth of it, and at least ten.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_sms_budget(&self, daily: u32) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        Ok(self.store.set_sms_limits(self.account, None, Some(daily), now).await?)
    }

    /// Adds a system. Its name has 1..=64 characters, without control characters.
    ///
    /// # Errors
    /// The name is malformed or taken.
    pub async fn add_system(&self, name: &str, policies: Policies) -> Result<(), DirectoryError> {
        if !validate_name(name) {
            return Err(DirectoryError::MalformedSystem);
        }
        if self.store.add_system(self.account, name, policies, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::SystemExists { system: name.to_owned() })
        }
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
            .ok_or_else(|| DirectoryError::UnknownSystem { system: system.to_owned() })?;
        self.wake(&withdrawn).await;
        Ok(())
    }

    /// All systems, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn systems(&self) -> Result<Vec<System>, DirectoryError> {
        Ok(self.store.systems(self.account).await?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The `authid` or an address is malformed, there is no address, or the `authid` is taken.
    pub async fn add_user(&self, user: NewUser) -> Result<(), DirectoryError> {
        if !validate_auth_id(&user.auth_id) {
            return Err(DirectoryError::MalformedAuthId);
        }
        for contact in &user.contacts {
            match contact.channel {
                Channel::Email if !validate_email(&contact.address) => {
                    return Err(DirectoryError::MalformedEmail);
                }
                Channel::Sms if !validate_sms(&contact.address) => {
                    return Err(DirectoryError::MalformedSms);
                }
                Channel::Email | Channel::Sms => {}
            }
        }
        if !user.locale.is_empty() && !validate_locale(&user.locale) {
            return Err(DirectoryError::MalformedLocale);
        }
        if !(1..=MOST_CONTACTS).contains(&user.contacts.len()) {
            return Err(DirectoryError::NoAddress);
        }
        let distinct: HashSet<_> = user.contacts.iter().collect();
        if distinct.len() < user.contacts.len() {
            return Err(DirectoryError::SameAddress);
        }
        let auth_id = user.auth_id.clone();
        if self.store.add_user(self.account, user, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::UserExists { auth_id })
        }
    }

    /// All users, by `authid`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn users(&self) -> Result<Vec<User>, DirectoryError> {
        Ok(self.store.users(self.account).await?)
    }

    /// Gives a user systems, all or none, each with this method; what was assigned before is replaced.
    ///
    /// It counts from the next start on: a challenge that is out keeps its method.
    ///
    /// # Errors
    /// The user or a system is unknown, or the method's policy is off on a system.
    pub async fn assign(
        &self,
        auth_id: &str,
        systems: &[&str],
        method: Method,
    ) -> Result<(), DirectoryError> {
        self.store.assign(self.account, auth_id, systems, method, self.clock.now()).await
    }

    /// Refuses a user from now on, and withdraws what waits for him.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn disable(&self, auth_id: &str) -> Result<(), DirectoryError> {
        self.set_disabled(auth_id, true).await
    }

    /// Lets a disabled user be asked again.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn enable(&self, auth_id: &str) -> Result<(), DirectoryError> {
        self.set_disabled(auth_id, false).await
    }

    /// Forgets the wrong answers of a user: a method that they had disabled is enabled again.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn forgive(&self, auth_id: &str) -> Result<(), DirectoryError> {
        if self.store.forgive(self.account, auth_id, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::UnknownUser { auth_id: auth_id.to_owned() })
        }
    }

    /// Makes an API key for a system, that does not expire. The secret can't be had again.
    ///
    /// # Errors
    /// The name is malformed (1..=64 characters, without control characters) or a live key has it.
    pub async fn create_key(&self, name: &str) -> Result<ApiKeySecret, DirectoryError> {
        self.create(name, Scopes::AUTHENTICATE, None).await
    }

    /// Makes an API key that is refused after `life`.
    ///
    /// # Errors
    /// As for [`Self::create_key`].
    pub async fn create_expiring_key(
        &self,
        name: &str,
        life: Duration,
    ) -> Result<ApiKeySecret, DirectoryError> {
        self.create(name, Scopes::AUTHENTICATE, Some(life)).await
    }

    /// All API keys, oldest first, revoked ones too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, DirectoryError> {
        Ok(self.store.api_keys(self.account).await?)
    }

    /// Refuses a key from the next request on.
    ///
    /// # Errors
    /// No live key has that name.
    pub async fn revoke_key(&self, name: &str) -> Result<(), DirectoryError> {
        if self.store.revoke_api_key(self.account, name, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::UnknownKey { name: name.to_owned() })
        }
    }

    /// Whose key it is, if it is a live one. An unknown one is compared too, with what no key has.
    pub(crate) async fn authorize(&self, presented: &str) -> Result<Option<Caller>, StoreError> {
        let Some(parts) = ApiKeyParts::parse(presented) else { return Ok(None) };
        let stored = self.store.live_api_key(parts.prefix, self.clock.now()).await?;
        let (server_key, mac) = match &stored {
            Some(stored) => (self.keys.find(&stored.server_key), &*stored.mac),
            None => (None, &[0; 32][..]),
        };
        let matches = parts.matches(server_key.unwrap_or(self.keys.current()), mac);
        Ok(stored.filter(|_| matches).map(|stored| Caller {
            api_key: stored.id,
            account: stored.account,
            scopes: stored.scopes,
            system: stored.system,
        }))
    }

    async fn create(
        &self,
        name: &str,
        scopes: Scopes,
        life: Option<Duration>,
    ) -> Result<ApiKeySecret, DirectoryError> {
        if !validate_name(name) {
            return Err(DirectoryError::MalformedKeyName);
        }
        let secret = mint_api_key()?;
        let server_key = self.keys.current();
        let now = self.clock.now();
        let parts = ApiKeyParts::parse(secret.expose()).ok_or(DirectoryError::MalformedKeyName)?;
        let key = NewApiKey {
            name: name.to_owned(),
            prefix: parts.prefix.to_owned(),
            server_key: server_key.id().to_owned(),
            mac: parts.mac(server_key),
            scopes,
            expires_at: life.map(|life| now.saturating_add(life)),
        };
        if self.store.add_api_key(self.account, key, now).await? {
            Ok(secret)
        } else {
            Err(DirectoryError::KeyExists { name: name.to_owned() })
        }
    }

    async fn set_disabled(&self, auth_id: &str, disabled: bool) -> Result<(), DirectoryError> {
        let withdrawn = self
            .store
            .set_disabled(self.account, auth_id, disabled, self.clock.now())
            .await?
            .ok_or_else(|| DirectoryError::UnknownUser { auth_id: auth_id.to_owned() })?;
        self.wake(&withdrawn).await;
        Ok(())
    }

    async fn wake(&self, challenges: &[i64]) {
        for &challenge in challenges {
            self.waiters.wake(challenge);
            self.store.announce(challenge);
        }
        self.store.announced().await;
    }
}

/// Who calls the API.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) api_key: i64,
    pub(crate) account: AccountId,
    pub(crate) scopes: Scopes,
    /// The only system that the key is for, if it is not for all.
    pub(crate) system: Option<String>,
}

/// Why the directory did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It has no characters, too many, or some that mislead a reader.
    #[error("an account's name has 1 to 64 characters, without control characters")]
    MalformedAccount,
    /// It is not a dialling prefix.
    #[error("`{prefix}` is not a dialling prefix like +41")]
    MalformedCountry {
        /// What came instead.
        prefix: String,
    },
    /// It has no characters, too many, or some that mislead a reader.
    #[error("a system's name has 1 to 64 characters, without control characters")]
    MalformedSystem,
    /// It has no characters, too many, or some that mislead a reader.
    #[error("an authid has 1 to 255 characters, without control characters")]
    MalformedAuthId,
    /// It is not one bare address.
    #[error("the e-mail address is not of the form name@example.com")]
    MalformedEmail,
    /// It is not in E.164 form.
    #[error("the number is not of the form +41790000001")]
    MalformedSms,
    /// It has no characters, too many, or some that mislead a reader.
    #[error("the name of an API key has 1 to 64 characters, without control characters")]
    MalformedKeyName,
    /// It is no language tag of RFC 5646.
    #[error("the locale is not a language tag like de or pt-BR")]
    MalformedLocale,
    /// Nobody could be told anything; or there are more than eight.
    #[error("a user needs an e-mail address or an SMS number, and has at most 8 of them")]
    NoAddress,
    /// Twice the same.
    #[error("two contacts of the user are the same")]
    SameAddress,
    /// Set its policies instead of adding it again.
    #[error("there is already a system `{system}`")]
    SystemExists {
        /// Its name.
        system: String,
    },
    /// An `authid` is unique.
    #[error("there is already a user `{auth_id}`")]
    UserExists {
        /// The `authid`.
        auth_id: String,
    },
    /// Live keys have different names; a revoked one's is free again.
    #[error("there is already a live API key `{name}`")]
    KeyExists {
        /// Its name.
        name: String,
    },
    /// It was not added, or is spelled differently.
    #[error("there is no system `{system}`")]
    UnknownSystem {
        /// Its name.
        system: String,
    },
    /// It was not added, or is spelled differently.
    #[error("there is no user `{auth_id}`")]
    UnknownUser {
        /// The `authid`.
        auth_id: String,
    },
    /// It was not created, is spelled differently, or is revoked already.
    #[error("there is no live API key `{name}`")]
    UnknownKey {
        /// Its name.
        name: String,
    },
    /// Turn the policy on first.
    #[error("the {method} policy is off on system `{system}`: turn it on before you assign it")]
    PolicyOff {
        /// The system.
        system: String,
        /// The method that it does not allow.
        method: Method,
    },
    /// The disk is full, another process holds the database too long, or it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There was nothing to make a key of.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// The one that is meant where none is named.
const DEFAULT_ACCOUNT: &str = "default";
const MOST_CONTACTS: usize = 8;
