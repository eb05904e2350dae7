use axum::{extract::FromRequestParts, http::request::Parts};

use super::{AppState, problem::Problem};
use crate::{
    api::caller::{self, NoCaller},
    directory::{Caller, Directory},
};

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
    let caller = caller::caller(parts, state).await.map_err(|none| match none {
        NoCaller::Unknown => Problem::no_key(),
        NoCaller::TooMany(refused) => Problem::wrong_keys(refused.retry_after),
        NoCaller::Failed(error) => Problem::unavailable(&error),
    })?;
    let directory = &state.server.inner.directory;
    directory.note_use(&caller).await.map_err(|error| Problem::unavailable(&error))?;
    let directory = directory.of(caller.account);
    Ok((caller, directory))
}
