use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{
    access::Reading,
    calls,
    problem::{FieldError, Problem, Refused},
};
use crate::api::{check, reply, start};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "FlexSecure",
        description = "Starts and checks of the v1 API, and the administration of the account \
            that an API key is of. Each key has scopes; `security` names the one that a call needs.",
    ),
    modifiers(&Keys),
    paths(start_v1, check_v1, capabilities_v1),
    components(schemas(Problem, FieldError)),
    tags(
        (name = "authentication", description = "What a system asks."),
        (name = "account", description = "What the account may do."),
        (name = "systems", description = "What users want to reach."),
        (name = "users", description = "Who can be asked."),
        (name = "assignments", description = "How a user is asked for a system."),
        (name = "keys", description = "Who may call."),
    ),
)]
struct Base;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let key = ApiKey::Header(ApiKeyValue::new("apikey"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("apikey", SecurityScheme::ApiKey(key));
    }
}

/// Both APIs in OpenAPI 3.1.
pub(crate) fn document() -> Document {
    OpenApiRouter::with_openapi(Base::openapi()).nest("/v1/admin", calls()).into_openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "account",
    security(("apikey" = ["admin:read"])),
    responses((status = 200, body = Object, description = "OpenAPI 3.1"), Refused))]
pub(super) async fn get_document(_: Reading) -> Result<Json<Document>, Problem> {
    Ok(Json(document()))
}

/// Asks a user, who is sent a PIN or a link.
#[utoipa::path(post, path = "/v1/start", tag = "authentication",
    security(("apikey" = ["authenticate"])), request_body = start::StartBody,
    params(("idempotency-key" = Option<String>, Header,
        description = "1 to 255 characters: the same start again is answered like the first")),
    responses(
        (status = 200, body = reply::Wire, description = "He is asked."),
        (status = 400, body = reply::Wire, description = "The body can't be used: `detail` says why."),
        (status = 401, body = reply::Wire, description = "There is no live API key."),
        (status = 403, body = reply::Wire, description = "He can't be asked."),
        (status = 413, body = reply::Wire, description = "The body is longer than 16 KiB."),
        (status = 415, body = reply::Wire, description = "The body is not JSON."),
        (status = 429, body = reply::Wire, description = "Too many: see `Retry-After`."),
        (status = 503, body = reply::Wire, description = "Not now: see `Retry-After`."),
    ))]
#[expect(dead_code, reason = "it describes a call that is elsewhere")]
fn start_v1() {}

/// Asks what became of a challenge, or gives the PIN for it.
#[utoipa::path(post, path = "/v1/check", tag = "authentication",
    security(("apikey" = ["authenticate"])), request_body = check::CheckBody,
    params(("prefer" = Option<String>, Header,
        description = "`wait=N` answers at the next change, after 30 seconds at most (RFC 7240)")),
    responses(
        (status = 200, body = reply::Wire, description = "Authenticated, or pending."),
        (status = 400, body = reply::Wire, description = "The body can't be used: `detail` says why."),
        (status = 401, body = reply::Wire, description = "There is no live API key."),
        (status = 403, body = reply::Wire, description = "Expired, or a security error."),
        (status = 413, body = reply::Wire, description = "The body is longer than 16 KiB."),
        (status = 415, body = reply::Wire, description = "The body is not JSON."),
        (status = 429, body = reply::Wire, description = "Too soon: see `Retry-After`."),
        (status = 503, body = reply::Wire, description = "Not now: see `Retry-After`."),
    ))]
#[expect(dead_code, reason = "it describes a call that is elsewhere")]
fn check_v1() {}

/// What the server can do beyond the original API.
#[utoipa::path(get, path = "/v1/capabilities", tag = "authentication",
    security(("apikey" = ["authenticate"])),
    responses(
        (status = 200, body = Object, description = "Which fields and headers it knows."),
        (status = 401, body = reply::Wire, description = "There is no live API key."),
        (status = 503, body = reply::Wire, description = "Not now: see `Retry-After`."),
    ))]
#[expect(dead_code, reason = "it describes a call that is elsewhere")]
fn capabilities_v1() {}
