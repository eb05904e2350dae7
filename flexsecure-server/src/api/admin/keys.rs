use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    access::{Reading, Writing},
    body::Body,
    page::{Listed, listed},
    path::Named,
    problem::{BadBody, Conflict, Missing, Problem, Refused},
    query::{Asked, Part},
    to_the_end,
    users::done,
};
use crate::{ApiKey, ApiKeySecret, DirectoryError, KeyRequest, directory::ScopeWord};

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    /// 1 to 64 characters. No live key may have it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it is for.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeWord>,
    /// The only system it is for. Only where `authenticate` is the one scope.
    system: Option<String>,
    /// It is refused after so many days. Without, it does not expire.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

/// A key that has just been made.
#[derive(Serialize, ToSchema)]
pub(super) struct Minted {
    /// The value of the header `apikey`. It is shown this once.
    #[schema(example = "fsk_0123456789_..")]
    key: String,
    /// What is kept of it.
    about: ApiKey,
}

/// API keys, oldest first, revoked and replaced ones too.
#[utoipa::path(get, path = "/keys", tag = "keys", security(("apikey" = ["admin:read"])),
    params(Part), responses((status = 200, body = Listed<ApiKey>), Refused))]
pub(super) async fn list_keys(
    Reading(directory): Reading,
    Asked(part): Asked<Part>,
) -> Result<Response, Problem> {
    let page = directory.keys_page(part.cursor.as_deref(), part.limit()).await?;
    Ok(listed("keys", &[("limit", &part.limit().to_string())], page))
}

/// The API key that has this name: neither revoked nor replaced.
#[utoipa::path(get, path = "/keys/{name}", tag = "keys", security(("apikey" = ["admin:read"])),
    params(("name" = String, Path)), responses((status = 200, body = ApiKey), Refused, Missing))]
pub(super) async fn get_key(
    Reading(directory): Reading,
    Named(name): Named,
) -> Result<Json<ApiKey>, Problem> {
    Ok(Json(directory.key(&name).await?))
}

/// Makes an API key.
#[utoipa::path(post, path = "/keys", tag = "keys", security(("apikey" = ["admin:write"])),
    request_body = KeyBody,
    responses((status = 201, body = Minted, description = "It is made."),
        Refused, BadBody, Conflict))]
pub(super) async fn create_key(
    Writing(directory): Writing,
    Body(body): Body<KeyBody>,
) -> Result<Response, Problem> {
    let mut request = KeyRequest::new(&body.name).scopes(body.scopes.into_iter().collect());
    if let Some(days) = body.expires_in_days {
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(Problem::invalid_at("/expires_in_days", "it is 1 to 3650 days"));
        }
        request = request.life(Duration::from_secs(u64::from(days).saturating_mul(DAY)));
    }
    if let Some(system) = body.system {
        request = request.system(system);
    }
    to_the_end(async move {
        let secret = directory.create(request).await.map_err(refuse)?;
        Ok(minted(&secret, directory.key(&body.name).await?))
    })
    .await
}

/// Makes another API key of the same name, scopes, system and life. The old one is good for another 24 hours, or until
/// it expires if that is sooner.
#[utoipa::path(post, path = "/keys/{name}/rotate", tag = "keys",
    security(("apikey" = ["admin:write"])), params(("name" = String, Path)),
    responses((status = 201, body = Minted, description = "It is made."), Refused, Missing))]
pub(super) async fn rotate_key(
    Writing(directory): Writing,
    Named(name): Named,
) -> Result<Response, Problem> {
    to_the_end(async move {
        let secret = directory.rotate_key(&name).await?;
        Ok(minted(&secret, directory.key(&name).await?))
    })
    .await
}

/// Refuses an API key from the next request on, and those that it replaced.
#[utoipa::path(delete, path = "/keys/{name}", tag = "keys",
    security(("apikey" = ["admin:write"])), params(("name" = String, Path)),
    responses((status = 204, description = "It is revoked."), Refused, Missing))]
pub(super) async fn revoke_key(
    Writing(directory): Writing,
    Named(name): Named,
) -> Result<StatusCode, Problem> {
    done(async move { directory.revoke_key(&name).await }).await
}

fn minted(secret: &ApiKeySecret, about: ApiKey) -> Response {
    let minted = Minted { key: secret.expose().to_owned(), about };
    (StatusCode::CREATED, Json(minted)).into_response()
}

fn refuse(error: DirectoryError) -> Problem {
    let pointer = if matches!(error, DirectoryError::MalformedKeyName) {
        "/name"
    } else if matches!(error, DirectoryError::NoScope) {
        "/scopes"
    } else if matches!(error, DirectoryError::SystemAndAdmin | DirectoryError::UnknownSystem { .. })
    {
        "/system"
    } else {
        return error.into();
    };
    Problem::invalid_at(pointer, error.to_string())
}

const MOST_DAYS: u32 = 3_650;
const DAY: u64 = 24 * 60 * 60;
