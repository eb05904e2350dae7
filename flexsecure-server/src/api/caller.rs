use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, Reply};
use crate::{challenge::ServiceError, directory::Caller, metrics, serving::Client};

/// A caller of the v1 API: his key is for it.
#[derive(Clone, Debug)]
pub(super) struct Asking(pub(super) Caller);

impl FromRequestParts<AppState> for Asking {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Reply> {
        let presented = parts.headers.get("apikey").and_then(|key| key.to_str().ok());
        let Some(presented) = presented else { return Err(Reply::UnknownKey) };
        // A request that came over no connection of ours has nobody to be limited as.
        let client = parts.extensions.get::<Client>().ok_or(Reply::UnknownKey)?;
        let limit = &state.wrong_keys;
        let admitted = limit.admit(*client, presented.as_bytes()).map_err(|refused| {
            metrics::wrong_keys_limited();
            Reply::WrongKeys(refused)
        })?;
        let found = state.server.inner.directory.authorize(presented).await;
        match found {
            Ok(Some(caller)) => {
                limit.was_right(&admitted);
                if caller.scopes.authenticate { Ok(Self(caller)) } else { Err(Reply::UnknownKey) }
            }
            Ok(None) => {
                limit.was_wrong(&admitted);
                Err(Reply::UnknownKey)
            }
            Err(error) => Err(ServiceError::from(error).into()),
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
