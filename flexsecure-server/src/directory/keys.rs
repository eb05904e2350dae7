use std::time::Duration;

use super::{
    ApiKey, Directory, DirectoryError, KeyRequest, Page, Scopes, cursor, validate::validate_name,
};
use crate::{
    StoreError, UnixMillis,
    secret::{ApiKeyParts, ApiKeySecret, mint_api_key},
    store::{
        AccountId, Asked, CheckedChallenge, LAST_USED_PRECISION, NewApiKey, Replacement,
        StoredApiKey,
    },
};

impl Directory {
    /// Makes an API key for a system, that does not expire. The secret can't be had again.
    ///
    /// # Errors
    /// The name is malformed (1..=64 characters, without control characters) or a live key has it.
    pub async fn create_key(&self, name: &str) -> Result<ApiKeySecret, DirectoryError> {
        self.create(KeyRequest::new(name)).await
    }

    /// Makes an API key that is refused after `life`.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn create_expiring_key(
        &self,
        name: &str,
        life: Duration,
    ) -> Result<ApiKeySecret, DirectoryError> {
        self.create(KeyRequest::new(name).life(life)).await
    }

    /// Makes an API key. The secret can't be had again.
    ///
    /// # Errors
    /// The name is malformed or a live key has it, it is for nothing, its system is unknown or it is also to
    /// administer, or it is to live for less than a minute or more than ten years.
    pub async fn create(&self, request: KeyRequest) -> Result<ApiKeySecret, DirectoryError> {
        if !validate_name(&request.name) {
            return Err(DirectoryError::MalformedKeyName);
        }
        if request.scopes.is_empty() {
            return Err(DirectoryError::NoScope);
        }
        if request.system.is_some() && request.scopes != Scopes::AUTHENTICATE {
            return Err(DirectoryError::SystemAndAdmin);
        }
        if let Some(system) = request.system.as_ref().filter(|system| !validate_name(system)) {
            return Err(DirectoryError::UnknownSystem { system: system.clone() });
        }
        if request.life.is_some_and(|life| !(SHORTEST_LIFE..=LONGEST_LIFE).contains(&life)) {
            return Err(DirectoryError::LifeOutOfRange);
        }
        let now = self.clock.now();
        let (secret, minted) = self.mint()?;
        let key = NewApiKey {
            name: request.name.clone(),
            prefix: minted.prefix,
            server_key: minted.server_key,
            mac: minted.mac,
            scopes: request.scopes,
            system: request.system,
            expires_at: request.life.map(|life| now.saturating_add(life)),
        };
        if self.store.add_api_key(self.account, key, now).await? {
            Ok(secret)
        } else {
            Err(DirectoryError::KeyExists { name: request.name })
        }
    }

    /// Makes another API key of the same name, scopes, system and life. The old one is good for another 24 hours, or
    /// until it expires if that is sooner: nothing has to change at the same moment.
    ///
    /// # Errors
    /// No live key has that name.
    pub async fn rotate_key(&self, name: &str) -> Result<ApiKeySecret, DirectoryError> {
        let now = self.clock.now();
        let (secret, minted) = self.mint()?;
        let overlap_ends = now.saturating_add(OVERLAP);
        self.store
            .rotate_api_key(self.account, name, minted, overlap_ends, now)
            .await?
            .map(|_| secret)
            .ok_or_else(|| unknown_key(name))
    }

    /// The key that has this name: neither revoked nor replaced.
    ///
    /// # Errors
    /// There is none.
    pub async fn key(&self, name: &str) -> Result<ApiKey, DirectoryError> {
        let found = self.store.api_key(self.account, name).await?;
        found.ok_or_else(|| unknown_key(name))
    }

    /// All API keys, oldest first, revoked ones too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, DirectoryError> {
        Ok(self.store.api_keys(self.account, 0, usize::MAX).await?)
    }

    /// At most `limit` API keys, oldest first, revoked ones too.
    ///
    /// # Errors
    /// `cursor` is not the [`next`](Page::next) of another page.
    pub async fn keys_page(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ApiKey>, DirectoryError> {
        let after = match cursor.map(cursor::parse).transpose()? {
            Some(after) => after.parse().map_err(|_| DirectoryError::MalformedCursor)?,
            None => 0,
        };
        let keys = self.store.api_keys(self.account, after, limit.saturating_add(1)).await?;
        Ok(cursor::page(keys, limit, |key| key.id.to_string()))
    }

    /// Refuses a key from the next request on, and those that it replaced.
    ///
    /// # Errors
    /// No live key has that name.
    pub async fn revoke_key(&self, name: &str) -> Result<(), DirectoryError> {
        if self.store.revoke_api_key(self.account, name, self.clock.now()).await? {
            Ok(())
        } else {
            Err(unknown_key(name))
        }
    }

    /// Whose key it is, if it is a live one. An unknown one is compared too, with what no key has.
    pub(crate) async fn authorize(&self, presented: &str) -> Result<Option<Caller>, StoreError> {
        let Some(parts) = ApiKeyParts::parse(presented) else { return Ok(None) };
        let now = self.clock.now();
        let stored = self.store.live_api_key(parts.prefix, now).await?;
        Ok(self.caller(parts, stored, now))
    }

    /// The same, and the challenge that is asked for, if it is for the caller to see.
    pub(crate) async fn authorize_check(
        &self,
        presented: &str,
        asked: Asked<'_>,
    ) -> Result<Option<(Caller, Option<CheckedChallenge>)>, StoreError> {
        if !asked.is_plausible() {
            return Ok(self.authorize(presented).await?.map(|caller| (caller, None)));
        }
        let Some(parts) = ApiKeyParts::parse(presented) else { return Ok(None) };
        let now = self.clock.now();
        let (stored, found) = self.store.presented(parts.prefix, &asked, now).await?.unzip();
        let caller = self.caller(parts, stored, now);
        Ok(caller.map(|caller| {
            let found = found.flatten().filter(|_| caller.may_ask_for(asked.system));
            (caller, found)
        }))
    }

    fn caller(
        &self,
        parts: ApiKeyParts<'_>,
        stored: Option<StoredApiKey>,
        now: UnixMillis,
    ) -> Option<Caller> {
        let (server_key, mac) = match &stored {
            Some(stored) => (self.keys.find(&stored.server_key), &*stored.mac),
            None => (None, &[0; 32][..]),
        };
        let server_key = server_key.unwrap_or_else(|| self.keys.current());
        let matches = parts.matches(&server_key, mac);
        stored.filter(|_| matches).map(|stored| Caller {
            api_key: stored.id,
            account: stored.account,
            scopes: stored.scopes,
            system: stored.system,
            use_is_news: stored
                .last_used_at
                .is_none_or(|last| now.saturating_since(last) >= LAST_USED_PRECISION),
        })
    }

    /// Notes that a key is used, once a minute.
    pub(crate) async fn note_use(&self, caller: &Caller) -> Result<(), StoreError> {
        if caller.use_is_news {
            self.store.touch_api_key(caller.api_key, self.clock.now()).await?;
        }
        Ok(())
    }

    fn mint(&self) -> Result<(ApiKeySecret, Replacement), DirectoryError> {
        let secret = mint_api_key()?;
        let server_key = self.keys.current();
        let parts = ApiKeyParts::parse(secret.expose()).ok_or(DirectoryError::MalformedKeyName)?;
        let minted = Replacement {
            prefix: parts.prefix.to_owned(),
            server_key: server_key.id().to_owned(),
            mac: parts.mac(&server_key),
        };
        Ok((secret, minted))
    }
}

fn unknown_key(name: &str) -> DirectoryError {
    DirectoryError::UnknownKey { name: name.to_owned() }
}

/// Who calls the API.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) api_key: i64,
    pub(crate) account: AccountId,
    pub(crate) scopes: Scopes,
    /// The only system that the key is for, if it is not for all.
    pub(crate) system: Option<String>,
    /// Whether it was not used in this minute yet.
    use_is_news: bool,
}

impl Caller {
    /// Whether the key is for that system. What it is not for is refused like what there is not.
    pub(crate) fn may_ask_for(&self, system: &str) -> bool {
        self.system.as_ref().is_none_or(|only| only == system)
    }
}

/// How long a key is good after another one took its name.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(3_653 * 24 * 60 * 60);
