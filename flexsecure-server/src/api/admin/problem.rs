use std::{error::Error, time::Duration};

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::{DirectoryError, directory::Fault};

/// Why a call did not do what it was asked (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Which kind it is: never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:flexsecure:problem:invalid")]
    kind: &'static str,
    /// The same for all of the kind.
    title: &'static str,
    /// The status of the response.
    #[schema(value_type = u16)]
    #[serde(serialize_with = "number")]
    status: StatusCode,
    /// What to do.
    detail: String,
    /// Where in the body something is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// In whole seconds, for the header.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<u64>,
}

/// What is wrong with a part of the body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// A JSON pointer to it (RFC 6901).
    #[schema(example = "/contacts/0/address")]
    pointer: String,
    /// What it should be.
    detail: String,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { kind, title, status, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    pub(super) fn no_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:flexsecure:problem:unauthorized",
            "An API key is needed",
            "send a live API key in the header apikey",
        )
    }

    pub(super) fn wrong_keys(wait: Duration) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:flexsecure:problem:wrong-keys",
            "Too many wrong API keys",
            "correct the API key, and wait for as many seconds as the header Retry-After says",
        );
        // Rounded up: a second early is too early.
        Self { retry_after: Some(wait.as_secs().saturating_add(1)), ..problem }
    }

    pub(super) fn scope(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:flexsecure:problem:scope-missing",
            "The API key is not for this",
            format!("use an API key with the scope {scope}"),
        )
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "urn:flexsecure:problem:not-found",
            "There is none",
            detail,
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:flexsecure:problem:method-not-allowed",
            "The resource takes other methods",
            "use one of the methods in the header Allow",
        )
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "urn:flexsecure:problem:conflict",
            "It can't be beside what there is",
            detail,
        )
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "urn:flexsecure:problem:malformed",
            "The request can't be read",
            detail,
        )
    }

    /// Of something in the path or the query.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:flexsecure:problem:invalid",
            "Something has a value that it can't have",
            detail,
        )
    }

    /// Of something in the body.
    pub(super) fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(detail).at(pointer.into())
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:flexsecure:problem:too-large",
            "The body is too long",
            detail,
        )
    }

    pub(super) fn media_type(wanted: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:flexsecure:problem:media-type",
            "The body is of a type that can't be read",
            format!("send {wanted}, and say so in the header Content-Type"),
        )
    }

    pub(super) fn unavailable(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %error, source = error.source(), "a call of the administration failed");
        Self::busy("try again: the server could not do it now")
    }

    pub(super) fn busy(detail: &str) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:flexsecure:problem:unavailable",
            "Not now",
            detail,
        );
        Self { retry_after: Some(5), ..problem }
    }

    fn at(mut self, pointer: String) -> Self {
        self.errors.push(FieldError { pointer, detail: self.detail.clone() });
        self
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Self {
        match &error {
            DirectoryError::UnknownSystem { .. }
            | DirectoryError::UnknownUser { .. }
            | DirectoryError::UnknownKey { .. }
            | DirectoryError::UnknownAccount { .. }
            | DirectoryError::UnknownChallenge { .. }
            | DirectoryError::NotAssigned { .. } => Self::not_found(error.to_string()),
            DirectoryError::SystemExists { .. }
            | DirectoryError::UserExists { .. }
            | DirectoryError::AccountExists { .. }
            | DirectoryError::PolicyOff { .. } => Self::conflict(error.to_string()),
            DirectoryError::KeyExists { .. } => {
                Self::conflict(format!("{error}: rotate it, revoke it, or choose another name"))
            }
            DirectoryError::MalformedAccount
            | DirectoryError::MalformedCountry { .. }
            | DirectoryError::TooManyCountries
            | DirectoryError::BudgetOutOfRange
            | DirectoryError::MalformedSystem
            | DirectoryError::MalformedAuthId
            | DirectoryError::MalformedEmail
            | DirectoryError::MalformedSms
            | DirectoryError::MalformedKeyName
            | DirectoryError::MalformedLocale
            | DirectoryError::NoAddress
            | DirectoryError::SameAddress
            | DirectoryError::SameSystem { .. }
            | DirectoryError::NoScope
            | DirectoryError::SystemAndAdmin
            | DirectoryError::LifeOutOfRange => Self::invalid(error.to_string()),
            DirectoryError::MalformedCursor => Self::malformed(error.to_string()),
            DirectoryError::Store(_) | DirectoryError::Randomness(_) => Self::unavailable(&error),
        }
    }
}

impl From<Fault> for Problem {
    /// What a body names and there is not is a mistake in the body: the resource is there.
    fn from(fault: Fault) -> Self {
        let Fault { pointer, error } = fault;
        // The authid is in the path.
        if pointer.is_empty() || pointer == "/authid" {
            return error.into();
        }
        if matches!(error, DirectoryError::UnknownSystem { .. }) {
            return Self::invalid_at(pointer, error.to_string());
        }
        Self::from(error).at(pointer)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        if let Some(retry_after) = retry_after {
            headers.insert(RETRY_AFTER, retry_after.into());
        }
        response
    }
}

/// What every call can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(super) enum Refused {
    /// The path or the query can't be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// There is no live API key in the header `apikey`.
    #[response(status = 401, content_type = "application/problem+json")]
    NoKey(Problem),
    /// The API key lacks the scope.
    #[response(status = 403, content_type = "application/problem+json")]
    Scope(Problem),
    /// Too many wrong API keys came from there: try again, after as many seconds as `Retry-After` says.
    #[response(status = 429, content_type = "application/problem+json")]
    WrongKeys(Problem),
    /// The database fails, or too much is under way: try again, after as many seconds as `Retry-After` says.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a call of something by its name can answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(super) enum Missing {
    /// The account of the API key has none of that name.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// What a call with a body can answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(super) enum BadBody {
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is of another type.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// A part of the request has a value that it can't have: `errors` says which.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// What a call can answer that what there is may forbid.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(super) enum Conflict {
    /// It can't be beside what there is.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

pub(super) const PROBLEM: &str = "application/problem+json";
