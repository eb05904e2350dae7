use std::{path::Path, sync::Arc, time::Duration};

use super::model::{
    ApiKey, NewUser, Policies, System, User, validate_auth_id, validate_email, validate_name,
    validate_sms,
};
use crate::{
    Clock, Method, OpenError, StoreError, SystemClock,
    challenge::Waiters,
    secret::{ApiKeyParts, ApiKeySecret, RandomnessError, ServerKeys, mint_api_key},
    server::open_store,
    store::{NewApiKey, PolicyChange, Store},
};

/// Administers systems, users and API keys. Cheap to clone.
///
/// Each call is one transaction with its own entry in the audit trail.
#[derive(Clone, Debug)]
pub struct Directory {
    store: Store,
    keys: Arc<ServerKeys>,
    waiters: Arc<Waiters>,
    clock: Arc<dyn Clock>,
}

impl Directory {
    /// Opens the database at `path`, also while a server runs on it; makes one if there is none.
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let (store, keys) = open_store(path.as_ref(), None).await?;
        Ok(Self::new(store, keys, Arc::default(), Arc::new(SystemClock)))
    }

    /// As [`open`](Self::open), with the server's keys in `key_file` instead of beside the database.
    ///
    /// # Errors
    /// The database or its key file can't be used.
    pub async fn open_with_keys(
        path: impl AsRef<Path>,
        key_file: impl AsRef<Path>,
    ) -> Result<Self, OpenError> {
        let (store, keys) = open_store(path.as_ref(), Some(key_file.as_ref())).await?;
        Ok(Self::new(store, keys, Arc::default(), Arc::new(SystemClock)))
    }

    pub(crate) fn new(
        store: Store,
        keys: Arc<ServerKeys>,
        waiters: Arc<Waiters>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, keys, waiters, clock }
    }

    /// Adds a system. Its name has 1..=64 characters, without control characters.
    ///
    /// # Errors
    /// The name is malformed or taken.
    pub async fn add_system(&self, name: &str, policies: Policies) -> Result<(), DirectoryError> {
        if !validate_name(name) {
            return Err(DirectoryError::MalformedSystem);
        }
        if self.store.add_system(name, policies, self.clock.now()).await? {
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
        let change = PolicyChange { pin, passwordless };
        let withdrawn = self
            .store
            .set_policies(system, change, self.clock.now())
            .await?
            .ok_or_else(|| DirectoryError::UnknownSystem { system: system.to_owned() })?;
        self.wake(&withdrawn);
        Ok(())
    }

    /// All systems, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn systems(&self) -> Result<Vec<System>, DirectoryError> {
        Ok(self.store.systems().await?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The `authid` or an address is malformed, there is no address, or the `authid` is taken.
    pub async fn add_user(&self, user: NewUser) -> Result<(), DirectoryError> {
        if !validate_auth_id(&user.auth_id) {
            return Err(DirectoryError::MalformedAuthId);
        }
        if user.email.as_deref().is_some_and(|email| !validate_email(email)) {
            return Err(DirectoryError::MalformedEmail);
        }
        if user.sms.as_deref().is_some_and(|number| !validate_sms(number)) {
            return Err(DirectoryError::MalformedSms);
        }
        if user.email.is_none() && user.sms.is_none() {
            return Err(DirectoryError::NoAddress);
        }
        if self.store.add_user(&user, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::UserExists { auth_id: user.auth_id })
        }
    }

    /// All users, by `authid`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn users(&self) -> Result<Vec<User>, DirectoryError> {
        Ok(self.store.users().await?)
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
        self.store.assign(auth_id, systems, method, self.clock.now()).await
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

    /// Makes an API key that does not expire. The secret can't be had again.
    ///
    /// # Errors
    /// The name is malformed (1..=64 characters, without control characters) or a live key has it.
    pub async fn create_key(&self, name: &str) -> Result<ApiKeySecret, DirectoryError> {
        self.create(name, None).await
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
        self.create(name, Some(life)).await
    }

    /// All API keys, oldest first, revoked ones too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, DirectoryError> {
        Ok(self.store.api_keys().await?)
    }

    /// Refuses a key from the next request on.
    ///
    /// # Errors
    /// No live key has that name.
    pub async fn revoke_key(&self, name: &str) -> Result<(), DirectoryError> {
        if self.store.revoke_api_key(name, self.clock.now()).await? {
            Ok(())
        } else {
            Err(DirectoryError::UnknownKey { name: name.to_owned() })
        }
    }

    /// The row id of a live key. An unknown one is compared too, with what no key has.
    pub(crate) async fn authorize(&self, presented: &str) -> Result<Option<i64>, StoreError> {
        let Some(parts) = ApiKeyParts::parse(presented) else { return Ok(None) };
        let stored = self.store.live_api_key(parts.prefix, self.clock.now()).await?;
        let (id, server_key, mac) = match stored {
            Some(stored) => (Some(stored.id), self.keys.find(&stored.server_key), stored.mac),
            None => (None, None, vec![0; 32]),
        };
        let matches = parts.matches(&server_key.unwrap_or_else(|| self.keys.current()), &mac);
        Ok(id.filter(|_| matches))
    }

    async fn create(
        &self,
        name: &str,
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
            name,
            prefix: parts.prefix,
            server_key: server_key.id(),
            mac: parts.mac(&server_key),
            expires_at: life.map(|life| now.saturating_add(life)),
        };
        if self.store.add_api_key(&key, now).await? {
            Ok(secret)
        } else {
            Err(DirectoryError::KeyExists { name: name.to_owned() })
        }
    }

    async fn set_disabled(&self, auth_id: &str, disabled: bool) -> Result<(), DirectoryError> {
        let withdrawn = self
            .store
            .set_disabled(auth_id, disabled, self.clock.now())
            .await?
            .ok_or_else(|| DirectoryError::UnknownUser { auth_id: auth_id.to_owned() })?;
        self.wake(&withdrawn);
        Ok(())
    }

    fn wake(&self, challenges: &[i64]) {
        for &challenge in challenges {
            self.waiters.wake(challenge);
        }
    }
}

/// Why the directory did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
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
    /// Nobody could be told anything.
    #[error("a user needs an e-mail address or an SMS number")]
    NoAddress,
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
