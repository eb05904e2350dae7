use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access::{Reading, Writing},
    assignments::AssignmentBody,
    body::Body,
    page::{Listed, listed},
    path::Named,
    problem::{BadBody, Conflict, Missing, Problem, Refused},
    query::{Asked, UsersAsked},
    systems::status,
    to_the_end,
};
use crate::{NewUser, User, UserFilter, directory::ChannelWord};

/// What a user is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserBody {
    /// Where messages go: to the first of them that limits allow.
    #[schema(min_items = 1, max_items = 8)]
    contacts: Vec<ContactBody>,
    /// The language of messages, such as `de` (RFC 5646). Empty: English.
    #[serde(default)]
    locale: String,
    /// A disabled user is refused like an unknown one. Unless it is said, it stays as it is: false for a new user.
    disabled: Option<bool>,
    /// Exactly these. Unless they are said, they stay as they are.
    assignments: Option<Vec<AssignmentBody>>,
}

/// A way to a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactBody {
    channel: ChannelWord,
    /// A bare e-mail address, or a telephone number in E.164 form.
    #[schema(example = "alice@example.com")]
    address: String,
}

/// Users, by `authid`.
#[utoipa::path(get, path = "/users", tag = "users", security(("apikey" = ["admin:read"])),
    params(UsersAsked), responses((status = 200, body = Listed<User>), Refused))]
pub(super) async fn list_users(
    Reading(directory): Reading,
    Asked(asked): Asked<UsersAsked>,
) -> Result<Response, Problem> {
    let limit = asked.limit();
    let filter = UserFilter { prefix: asked.prefix.unwrap_or_default(), disabled: asked.disabled };
    let page = directory.users_page(&filter, asked.cursor.as_deref(), limit).await?;
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    if !filter.prefix.is_empty() {
        query.push(("prefix", &filter.prefix));
    }
    match filter.disabled {
        Some(true) => query.push(("disabled", "true")),
        Some(false) => query.push(("disabled", "false")),
        None => {}
    }
    Ok(listed("users", &query, page))
}

/// A user.
#[utoipa::path(get, path = "/users/{authid}", tag = "users",
    security(("apikey" = ["admin:read"])), params(("authid" = String, Path)),
    responses((status = 200, body = User), Refused, Missing))]
pub(super) async fn get_user(
    Reading(directory): Reading,
    Named(auth_id): Named,
) -> Result<Json<User>, Problem> {
    Ok(Json(directory.user(&auth_id).await?))
}

/// Adds a user, or makes the one with that `authid` as this one is.
#[utoipa::path(put, path = "/users/{authid}", tag = "users",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    request_body = UserBody,
    responses((status = 200, body = User, description = "There was one already."),
        (status = 201, body = User, description = "He was added."),
        Refused, Missing, BadBody, Conflict))]
pub(super) async fn put_user(
    Writing(directory): Writing,
    Named(auth_id): Named,
    Body(body): Body<UserBody>,
) -> Result<Response, Problem> {
    to_the_end(async move {
        let mut user = NewUser::new(&auth_id).locale(body.locale);
        for ContactBody { channel, address } in body.contacts {
            user = user.contact(channel.into(), address);
        }
        user.disabled = body.disabled;
        user.assignments = body.assignments.map(|all| all.into_iter().map(Into::into).collect());
        let change = directory.store_user(user, false).await?;
        Ok((status(change), Json(directory.user(&auth_id).await?)).into_response())
    })
    .await
}

/// Deletes a user with all that is about him. The audit trail stays.
#[utoipa::path(delete, path = "/users/{authid}", tag = "users",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    responses((status = 204, description = "He is deleted."), Refused, Missing))]
pub(super) async fn delete_user(
    Writing(directory): Writing,
    Named(auth_id): Named,
) -> Result<StatusCode, Problem> {
    done(async move { directory.delete_user(&auth_id).await }).await
}

/// Refuses a user from now on, and withdraws what waits for him.
#[utoipa::path(put, path = "/users/{authid}/disabled", tag = "users",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    responses((status = 204, description = "He is disabled."), Refused, Missing))]
pub(super) async fn disable_user(
    Writing(directory): Writing,
    Named(auth_id): Named,
) -> Result<StatusCode, Problem> {
    done(async move { directory.disable(&auth_id).await }).await
}

/// Lets a disabled user be asked again.
#[utoipa::path(delete, path = "/users/{authid}/disabled", tag = "users",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    responses((status = 204, description = "He is enabled."), Refused, Missing))]
pub(super) async fn enable_user(
    Writing(directory): Writing,
    Named(auth_id): Named,
) -> Result<StatusCode, Problem> {
    done(async move { directory.enable(&auth_id).await }).await
}

/// Forgets the wrong answers of a user: a method that they had disabled is enabled again.
#[utoipa::path(delete, path = "/users/{authid}/failures", tag = "users",
    security(("apikey" = ["admin:write"])), params(("authid" = String, Path)),
    responses((status = 204, description = "They are forgotten."), Refused, Missing))]
pub(super) async fn forgive_user(
    Writing(directory): Writing,
    Named(auth_id): Named,
) -> Result<StatusCode, Problem> {
    done(async move { directory.forgive(&auth_id).await }).await
}

pub(super) async fn done(
    work: impl Future<Output = Result<(), crate::DirectoryError>> + Send + 'static,
) -> Result<StatusCode, Problem> {
    to_the_end(async move {
        work.await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
