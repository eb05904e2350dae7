use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    challenge::{Answer, Started},
    serving::{NothingNew, Refused},
};

/// Everything the v1 API says.
#[derive(Debug)]
pub(super) enum Reply {
    Started(Started),
    Checked(Answer),
    StartRefused,
    TooMany { wait: Duration },
    UnknownKey,
    WrongKeys(Refused),
    BadRequest(&'static str),
    NotJson,
    TooLarge,
    NotFound,
    MethodNotAllowed,
    Unavailable,
}

/// What the v1 API says.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Answer)]
pub(super) struct Wire {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "match")]
    match_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after().map(HeaderValue::from);
        let is_pending = matches!(self, Self::Checked(Answer::Pending { .. }));
        let (status, wire) = self.into_parts();
        let mut response = (status, Json(wire)).into_response();
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        if is_pending {
            response.extensions_mut().insert(NothingNew);
        }
        response
    }
}

impl Reply {
    /// In whole seconds, if the same may be asked again later.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { wait } | Self::Checked(Answer::TooSoon { wait, .. }) => {
                Some(wait.as_secs().saturating_add(1))
            }
            // Rounded up: a second early is too early.
            Self::WrongKeys(refused) => Some(refused.retry_after.as_secs().saturating_add(1)),
            Self::Unavailable => Some(5),
            Self::Started(_)
            | Self::Checked(_)
            | Self::StartRefused
            | Self::UnknownKey
            | Self::BadRequest(_)
            | Self::NotJson
            | Self::TooLarge
            | Self::NotFound
            | Self::MethodNotAllowed => None,
        }
    }

    fn into_parts(self) -> (StatusCode, Wire) {
        let says = |result| Wire { result, ..Wire::default() };
        let objects = |detail| Wire { detail: Some(detail), ..says("bad request") };
        match self {
            Self::Started(started) => (
                StatusCode::OK,
                Wire {
                    txn: Some(started.txn),
                    method: Some(started.method.as_str()),
                    match_number: started.match_number.map(|number| number.to_string()),
                    expires_in: Some(started.remaining.as_secs()),
                    interval: Some(INTERVAL.as_secs()),
                    ..says("success")
                },
            ),
            Self::Checked(answer) => checked(answer),
            Self::StartRefused => (StatusCode::FORBIDDEN, says(SECURITY_ERROR)),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, says("too many")),
            Self::WrongKeys(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                Wire {
                    detail: Some("too many wrong API keys came from this address"),
                    ..says(SECURITY_ERROR)
                },
            ),
            Self::UnknownKey => (StatusCode::UNAUTHORIZED, says(SECURITY_ERROR)),
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, objects(detail)),
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, objects("the body must be application/json"))
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, objects("the body is longer than 16 KiB"))
            }
            Self::NotFound => (StatusCode::NOT_FOUND, says("not found")),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, objects("this call takes another HTTP method"))
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, says("unavailable")),
        }
    }
}

fn checked(answer: Answer) -> (StatusCode, Wire) {
    let says = |result| Wire { result, ..Wire::default() };
    match answer {
        Answer::Authenticated => (StatusCode::OK, says("authenticated")),
        Answer::Pending { remaining } => {
            (StatusCode::OK, Wire { expires_in: Some(remaining.as_secs()), ..says("pending") })
        }
        Answer::Expired => (StatusCode::FORBIDDEN, says("expired")),
        Answer::Refused => (StatusCode::FORBIDDEN, says(SECURITY_ERROR)),
        Answer::Rejected { reason, attempts_left } => (
            StatusCode::FORBIDDEN,
            Wire { attempts_left, reason: Some(reason.as_str()), ..says(SECURITY_ERROR) },
        ),
        Answer::TooSoon { attempts_left, .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            Wire {
                attempts_left: Some(attempts_left),
                reason: Some("too soon"),
                ..says(SECURITY_ERROR)
            },
        ),
    }
}

const SECURITY_ERROR: &str = "security error";
const INTERVAL: Duration = Duration::from_secs(2);
