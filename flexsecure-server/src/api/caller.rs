use std::time::Duration;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, Reply, in_time};
use crate::{
    challenge::ServiceError,
    directory::Caller,
    metrics,
    serving::{Client, Refused},
};

/// Whose key a request came with. Each API asks here, so that a wrong key counts whichever it is shown to.
pub(super) async fn caller(parts: &Parts, state: &AppState) -> Result<Caller, NoCaller> {
    let presented = parts.headers.get("apikey").and_then(|key| key.to_str().ok());
    let Some(presented) = presented else { return Err(NoCaller::Unknown) };
    // A request that came over no connection of ours has nobody to be limited as.
    let client = parts.extensions.get::<Client>().ok_or(NoCaller::Unknown)?;
    let admitted = state.wrong_keys.admit(*client, presented.as_bytes()).await;
    let admitted = admitted.map_err(|refused| {
        metrics::wrong_keys_limited();
        NoCaller::TooMany(refused)
    })?;
    let authorized = state.server.inner.directory.authorize(presented);
    match in_time(Duration::ZERO, authorized).await {
        Ok(Some(caller)) => {
            admitted.was_right();
            Ok(caller)
        }
        Ok(None) => {
            admitted.was_wrong();
            Err(NoCaller::Unknown)
        }
        Err(error) => Err(NoCaller::Failed(error)),
    }
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
        match caller(parts, state).await {
            Ok(caller) if caller.scopes.authenticate => Ok(Self(caller)),
            Ok(_) | Err(NoCaller::Unknown) => Err(Reply::UnknownKey),
            Err(NoCaller::TooMany(refused)) => Err(Reply::WrongKeys(refused)),
            Err(NoCaller::Failed(error)) => Err(error.into()),
        }
    }
}

impl Asking {
    /// The name of the system, or one that nothing has if the key is for another: that is refused like an unknown one.
    pub(super) fn may_ask_for(&self, system: String) -> String {
        if self.0.system.as_ref().is_none_or(|only| *only == system) {
            system
        } else {
            String::new()
        }
    }
}
