use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{AppState, problem::Problem};

/// A query of which every parameter is known.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
        Ok(Self(asked))
    }
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
    /// The `next` of the part before.
    pub(super) cursor: Option<String>,
}

/// Which part of the list of users, and which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsersAsked {
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 100)]
    limit: Limit,
    /// The `next` of the part before.
    pub(super) cursor: Option<String>,
    /// Only those whose `authid` begins so.
    pub(super) prefix: Option<String>,
    /// Only those that are disabled, or only those that are not.
    pub(super) disabled: Option<bool>,
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportAsked {
    /// Writes nothing, and says what would become of each line.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Writes the lines that can be. Without, nothing is written if any line is refused.
    #[serde(default)]
    pub(super) skip_refused: bool,
}

/// 1..=500, and 100 if it is not said.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "u64")]
#[schema(value_type = u16)]
struct Limit(u16);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u64> for Limit {
    type Error = &'static str;

    fn try_from(limit: u64) -> Result<Self, Self::Error> {
        match u16::try_from(limit) {
            Ok(limit @ 1..=500) => Ok(Self(limit)),
            Ok(_) | Err(_) => Err("limit is 1 to 500"),
        }
    }
}

impl Part {
    pub(super) fn limit(&self) -> usize {
        self.limit.0.into()
    }
}

impl UsersAsked {
    pub(super) fn limit(&self) -> usize {
        self.limit.0.into()
    }
}
