use std::time::Duration;

use axum::{extract::FromRequestParts, http::request::Parts};
use secrecy::{ExposeSecret, SecretString};

use super::{AppState, Reply, in_time};
use crate::{
    StoreError,
    challenge::ServiceError,
    directory::Caller,
    metrics,
    serving::{Client, Refused},
};

/// An API key that a request came with, and from where.
#[derive(Debug)]
pub(super) struct Presented {
    key: SecretString,
    client: Client,
}

impl Presented {
    /// None, if there is no key, or nobody to be limited as: a request that came over no connection of ours.
    fn of(parts: &Parts) -> Option<Self> {
        let key = parts.headers.get("apikey").and_then(|key| key.to_str().ok())?;
        Some(Self { key: SecretString::from(key), client: *parts.extensions.get::<Client>()? })
    }

    pub(super) fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// Looks at the key, which `look` does if there is not too much of that. Each API asks here, so that a wrong key
    /// counts whichever it is shown to.
    pub(super) async fn admit<T>(
        &self,
        state: &AppState,
        look: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Result<T, NoCaller> {
        let wrong_keys = &state.server.inner.wrong_keys;
        let admitted = wrong_keys.admit(self.client, self.key().as_bytes()).await;
        let admitted = admitted.map_err(|refused| {
            metrics::wrong_keys_limited();
            NoCaller::TooMany(refused)
        })?;
        match in_time(Duration::ZERO, look).await {
            Ok(Some(found)) => {
                admitted.was_right();
                Ok(found)
            }
            Ok(None) => {
                admitted.was_wrong();
                Err(NoCaller::Unknown)
            }
            Err(error) => Err(NoCaller::Failed(error)),
        }
    }
}

/// Whose key a request came with.
pub(super) async fn caller(parts: &Parts, state: &AppState) -> Result<Caller, NoCaller> {
    let presented = Presented::of(parts).ok_or(NoCaller::Unknown)?;
    presented.admit(state, state.server.inner.directory.authorize(presented.key())).await
}

/// Why it is nobody's.
pub(super) enum NoCaller {
    /// There is no key, or no live one.
    Unknown,
    /// Too many wrong ones came from there.
    TooMany(Refused),
    /// The database failed.
    Failed(ServiceError),
}

/// A caller of the v1 API: his key is for it.
#[derive(Clone, Debug)]
pub(super) struct Asking(pub(super) Caller);

impl FromRequestParts<AppState> for Asking {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Reply> {
        Self::of(caller(parts, state).await?)
    }
}

impl FromRequestParts<AppState> for Presented {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Reply> {
        Self::of(parts).ok_or(Reply::UnknownKey)
    }
}

impl Asking {
    pub(super) fn of(caller: Caller) -> Result<Self, Reply> {
        if caller.scopes.authenticate { Ok(Self(caller)) } else { Err(Reply::UnknownKey) }
    }

    /// The name of the system, or one that nothing has if the key is for another: that is refused like an unknown one.
    pub(super) fn may_ask_for(&self, system: String) -> String {
        if self.0.may_ask_for(&system) { system } else { String::new() }
    }
}

impl From<NoCaller> for Reply {
    fn from(none: NoCaller) -> Self {
        match none {
            NoCaller::Unknown => Self::UnknownKey,
            NoCaller::TooMany(refused) => Self::WrongKeys(refused),
            NoCaller::Failed(error) => error.into(),
        }
    }
}
