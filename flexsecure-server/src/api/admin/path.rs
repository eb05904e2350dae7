use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::{AppState, problem::Problem};

/// The first name in the path, percent-decoded.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

/// The first two names in the path, percent-decoded.
#[derive(Debug)]
pub(super) struct NamedTwice(pub(super) String, pub(super) String);

impl FromRequestParts<AppState> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let mut names = names(parts, state).await?.into_iter();
        // The one path of a named thing that is written out is that of a call.
        Ok(Self(names.next().unwrap_or_else(|| "import".to_owned())))
    }
}

impl FromRequestParts<AppState> for NamedTwice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let mut names = names(parts, state).await?.into_iter();
        let missing = || Problem::not_found("there is no such resource");
        Ok(Self(names.next().ok_or_else(missing)?, names.next().ok_or_else(missing)?))
    }
}

async fn names(parts: &mut Parts, state: &AppState) -> Result<Vec<String>, Problem> {
    let raw = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::malformed("write names in the path in percent-encoded UTF-8"))?;
    let names: Vec<_> = raw.iter().map(|(_, name)| name.to_owned()).collect();
    // Nothing has such a name, and not every database can be asked for it.
    if names.iter().any(|name| name.contains('\0')) {
        return Err(Problem::not_found("no name holds a NUL"));
    }
    Ok(names)
}
