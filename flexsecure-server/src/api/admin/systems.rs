use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access::{Reading, Writing},
    body::Body,
    page::{Listed, listed},
    path::Named,
    problem::{BadBody, Missing, Problem, Refused},
    query::{Asked, Part},
    to_the_end,
};
use crate::{Change, Policies, System, directory::SystemFields};

/// What a system demands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemBody {
    /// Whether users can be assigned the method `pin`.
    pin: bool,
    /// Whether users can be assigned the method `passwordless`.
    passwordless: bool,
    /// Whether a check has to name its challenge by `txn`.
    #[serde(default)]
    requires_txn: bool,
}

/// Systems, by name.
#[utoipa::path(get, path = "/systems", tag = "systems", security(("apikey" = ["admin:read"])),
    params(Part), responses((status = 200, body = Listed<SystemFields>), Refused))]
pub(super) async fn list_systems(
    Reading(directory): Reading,
    Asked(part): Asked<Part>,
) -> Result<Response, Problem> {
    let page = directory.systems_page(part.cursor.as_deref(), part.limit()).await?;
    Ok(listed("systems", &[("limit", &part.limit().to_string())], page))
}

/// A system.
#[utoipa::path(get, path = "/systems/{name}", tag = "systems",
    security(("apikey" = ["admin:read"])), params(("name" = String, Path)),
    responses((status = 200, body = SystemFields), Refused, Missing))]
pub(super) async fn get_system(
    Reading(directory): Reading,
    Named(name): Named,
) -> Result<Json<System>, Problem> {
    Ok(Json(directory.system(&name).await?))
}

/// Adds a system, or makes the one of that name as this one is. What a switched-off method had allowed ends.
#[utoipa::path(put, path = "/systems/{name}", tag = "systems",
    security(("apikey" = ["admin:write"])), params(("name" = String, Path)),
    request_body = SystemBody,
    responses((status = 200, body = SystemFields, description = "There was one already."),
        (status = 201, body = SystemFields, description = "It was added."),
        Refused, Missing, BadBody))]
pub(super) async fn put_system(
    Writing(directory): Writing,
    Named(name): Named,
    Body(body): Body<SystemBody>,
) -> Result<Response, Problem> {
    to_the_end(async move {
        let mut system = System::new(name, Policies::new(body.pin, body.passwordless));
        system.requires_txn = body.requires_txn;
        let change = directory.put_system(system.clone()).await?;
        Ok((status(change), Json(system)).into_response())
    })
    .await
}

/// Deletes a system with all that is about it: assignments, challenges, and the API keys that are for it alone.
#[utoipa::path(delete, path = "/systems/{name}", tag = "systems",
    security(("apikey" = ["admin:write"])), params(("name" = String, Path)),
    responses((status = 204, description = "It is deleted."), Refused, Missing))]
pub(super) async fn delete_system(
    Writing(directory): Writing,
    Named(name): Named,
) -> Result<StatusCode, Problem> {
    to_the_end(async move {
        directory.delete_system(&name).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) const fn status(change: Change) -> StatusCode {
    match change {
        Change::Created => StatusCode::CREATED,
        Change::Updated | Change::Unchanged => StatusCode::OK,
    }
}
