use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, Reply};
use crate::{challenge::ServiceError, directory::Caller};

/// A caller of the v1 API: his key is for it.
#[derive(Clone, Debug)]
pub(super) struct Asking(pub(super) Caller);

impl FromRequestParts<AppState> for Asking {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Reply> {
        let presented = parts.headers.get("apikey").and_then(|key| key.to_str().ok());
        let Some(presented) = presented else { return Err(Reply::UnknownKey) };
        let found = state.server.inner.directory.authorize(presented).await;
        match found {
            Ok(Some(caller)) if caller.scopes.authenticate => Ok(Self(caller)),
            Ok(_) => Err(Reply::UnknownKey),
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
