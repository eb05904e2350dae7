use axum::{Json, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access::Writing,
    body::Body,
    path::{Named, NamedTwice},
    problem::{BadBody, Conflict, Missing, Problem, Refused},
    to_the_end,
    users::done,
};
use crate::{Assignment, User, directory::MethodWord};

/// How a user is asked for a system.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentBody {
    /// The name of the system.
    system: String,
    method: MethodWord,
}

/// How a user is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MethodBody {
    method: MethodWord,
}

impl From<AssignmentBody> for Assignment {
    fn from(body: AssignmentBody) -> Self {
        Self::new(body.system, body.method.into())
    }
}

/// Gives a user exactly these assignments: all of them, or none if one can't be.
#[utoipa::path(put, path = "/users/{authid}/assignments", tag = "assignments",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    request_body = Vec<AssignmentBody>,
    responses((status = 200, body = User), Refused, Missing, BadBody, Conflict))]
pub(super) async fn put_assignments(
    Writing(directory): Writing,
    Named(auth_id): Named,
    Body(body): Body<Vec<AssignmentBody>>,
) -> Result<Json<User>, Problem> {
    to_the_end(async move {
        let assignments = body.into_iter().map(Into::into).collect();
        directory.store_assignments(&auth_id, assignments).await?;
        Ok(Json(directory.user(&auth_id).await?))
    })
    .await
}

/// Gives a user a system. A challenge that is out keeps its method: it counts from the next start on.
#[utoipa::path(put, path = "/users/{authid}/assignments/{system}", tag = "assignments",
    security(("apikey" = ["admin:write"])),
    params(("authid" = String, Path), ("system" = String, Path)), request_body = MethodBody,
    responses((status = 204, description = "He has it."), Refused, Missing, BadBody, Conflict))]
pub(super) async fn put_assignment(
    Writing(directory): Writing,
    NamedTwice(auth_id, system): NamedTwice,
    Body(body): Body<MethodBody>,
) -> Result<StatusCode, Problem> {
    done(async move { directory.assign(&auth_id, &[&system], body.method.into()).await }).await
}

/// Takes a system from a user, and withdraws what waits for him there.
#[utoipa::path(delete, path = "/users/{authid}/assignments/{system}", tag = "assignments",
    security(("apikey" = ["admin:write"])),
    params(("authid" = String, Path), ("system" = String, Path)),
    responses((status = 204, description = "He has it no more."), Refused, Missing))]
pub(super) async fn delete_assignment(
    Writing(directory): Writing,
    NamedTwice(auth_id, system): NamedTwice,
) -> Result<StatusCode, Problem> {
    done(async move { directory.unassign(&auth_id, &system).await }).await
}
