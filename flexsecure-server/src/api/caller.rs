use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, Reply};
use crate::challenge::ServiceError;

/// The API key that a call came with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) api_key: i64,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Reply> {
        let presented = parts.headers.get("apikey").and_then(|key| key.to_str().ok());
        let Some(presented) = presented else { return Err(Reply::UnknownKey) };
        let found = state.server.inner.directory.authorize(presented).await;
        match found {
            Ok(Some(api_key)) => Ok(Self { api_key }),
            Ok(None) => Err(Reply::UnknownKey),
            Err(error) => Err(ServiceError::from(error).into()),
        }
    }
}
