use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, problem::Problem};
use crate::directory::{Caller, Directory};

/// The directory of a caller whose key may read it. The account is the key's: nothing in a path or a body says which.
#[derive(Debug)]
pub(super) struct Reading(pub(super) Directory);

/// The directory of a caller whose key may change it.
#[derive(Debug)]
pub(super) struct Writing(pub(super) Directory);

impl FromRequestParts<AppState> for Reading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let (caller, directory) = caller(parts, state).await?;
        if caller.scopes.admin_read {
            Ok(Self(directory))
        } else {
            Err(Problem::scope("admin:read"))
        }
    }
}

impl FromRequestParts<AppState> for Writing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let (caller, directory) = caller(parts, state).await?;
        if caller.scopes.admin_write {
            Ok(Self(directory))
        } else {
            Err(Problem::scope("admin:write"))
        }
    }
}

async fn caller(parts: &Parts, state: &AppState) -> Result<(Caller, Directory), Problem> {
    let directory = &state.server.inner.directory;
    let presented = parts.headers.get("apikey").and_then(|key| key.to_str().ok());
    let Some(presented) = presented else { return Err(Problem::no_key()) };
    let found = directory.authorize(presented).await;
    let caller =
        found.map_err(|error| Problem::unavailable(&error))?.ok_or_else(Problem::no_key)?;
    directory.note_use(&caller).await.map_err(|error| Problem::unavailable(&error))?;
    let directory = directory.of(caller.account);
    Ok((caller, directory))
}
