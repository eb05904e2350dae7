//! What an answer on the wire means, as plain functions, so that hostile ones can be tried by the
//! hundred.

mod json;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};

use super::{
    Accepted, Capabilities, CheckReply, MatchNumber, SecurityErrorReason, StartReply, Txn,
};
use crate::{Method, retry_after};

/// An answer of which at least the head has arrived.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// What arrived of a body.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Bytes),
    /// More than anybody has to say; the rest was not read.
    TooLong,
    /// The connection ended, or the time did.
    CutShort,
}

/// What `answer` says of a start sent to an authority that promised `capabilities`.
///
/// Only the exact documented success is one. A status by which HTTP says that the request was not
/// processed means that nothing was sent; all else leaves it open.
pub(super) fn start(answer: &Answer, capabilities: Capabilities) -> StartReply {
    match answer.status.as_u16() {
        200 => match answer.object() {
            Some(object) if result(&object) == Some("success") => accepted(&object, capabilities),
            Some(_) | None => StartReply::Unknown,
        },
        401 => StartReply::Misconfigured,
        403 => match (&answer.body, answer.object()) {
            (Body::Whole(_), Some(object)) if result(&object) == Some("security error") => {
                StartReply::Refused
            }
            (Body::Whole(_), _) => StartReply::Misconfigured,
            (Body::TooLong | Body::CutShort, _) => StartReply::Unknown,
        },
        300..=499 | 503 => StartReply::NotStarted { retry_after: answer.retry_after() },
        _ => StartReply::Unknown,
    }
}

/// What `answer` says of a check.
///
/// Nothing but 200 with exactly the documented `authenticated` is one; a success that says anything
/// else is pending, because the v1 API leaves open what a check answers while the user thinks.
pub(super) fn check(answer: &Answer) -> CheckReply {
    let unavailable = |sent| CheckReply::Unavailable { retry_after: answer.retry_after(), sent };
    match answer.status.as_u16() {
        200..=299 if !matches!(answer.body, Body::Whole(_)) => unavailable(true),
        200 => match answer.object() {
            Some(object) if result(&object) == Some("authenticated") => CheckReply::Authenticated,
            Some(_) | None => CheckReply::Pending,
        },
        201..=299 => CheckReply::Pending,
        403 => match answer.object() {
            Some(object) => match result(&object) {
                Some("expired") => CheckReply::Expired,
                Some("security error") => security_error(&object),
                Some(_) | None => unavailable(true),
            },
            None => unavailable(true),
        },
        429 | 503 => unavailable(false),
        _ => unavailable(true),
    }
}

/// What `answer` says of the authority's capabilities; nothing if it is an outage.
pub(super) fn capabilities(answer: &Answer) -> Option<Capabilities> {
    match (answer.status.as_u16(), &answer.body) {
        (429 | 500..=599, _) | (200, Body::CutShort) => None,
        (200, _) => {
            Some(answer.object().and_then(|object| promised(&object)).unwrap_or(Capabilities::V1))
        }
        _ => Some(Capabilities::V1),
    }
}

impl Answer {
    /// Whether the authority refuses us rather than being out of order: nothing to wait out.
    pub(super) fn is_alarming(&self) -> bool {
        self.status != StatusCode::TOO_MANY_REQUESTS
            && (self.status.is_redirection() || self.status.is_client_error())
    }

    fn retry_after(&self) -> Option<Duration> {
        retry_after::delay(&self.headers)
    }

    fn object(&self) -> Option<Map<String, Value>> {
        let Body::Whole(bytes) = &self.body else {
            return None;
        };
        if self.is_encoded() || !self.may_be_json() {
            return None;
        }
        json::object(bytes)
    }

    /// No encoding was asked for, so one that comes regardless is not undone.
    fn is_encoded(&self) -> bool {
        self.headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    }

    /// The v1 API promises JSON but no `Content-Type`, so only one that says otherwise counts.
    fn may_be_json(&self) -> bool {
        let Some(value) = self.headers.get(CONTENT_TYPE) else {
            return true;
        };
        let essence = value.to_str().ok().and_then(|text| text.split(';').next());
        let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
        matches!(essence.as_str(), "application/json" | "text/json" | "text/plain")
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    }
}

fn result(object: &Map<String, Value>) -> Option<&str> {
    object.get("result").and_then(Value::as_str)
}

/// Without the name that was promised, or with one that is none, the login would be bound to
/// nothing: that is the one field which is not passed over when it is malformed.
fn accepted(object: &Map<String, Value>, capabilities: Capabilities) -> StartReply {
    let txn = match object.get("txn") {
        None | Some(Value::Null) if capabilities.txn => return StartReply::Misconfigured,
        None | Some(Value::Null) => None,
        Some(value) => match value.as_str().and_then(txn) {
            Some(txn) => Some(txn),
            None => return StartReply::Misconfigured,
        },
    };
    StartReply::Accepted(Accepted {
        txn,
        method: object.get("method").and_then(Value::as_str).and_then(method),
        match_number: object.get("match").and_then(Value::as_str).and_then(MatchNumber::parse),
        expires_in: seconds(object, "expires_in"),
        interval: seconds(object, "interval"),
    })
}

fn txn(text: &str) -> Option<Txn> {
    let well_formed =
        (1..=LONGEST_TXN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    well_formed.then(|| Txn::new(text))
}

fn method(word: &str) -> Option<Method> {
    [Method::Pin, Method::Passwordless].into_iter().find(|method| method.as_str() == word)
}

fn seconds(object: &Map<String, Value>, name: &str) -> Option<Duration> {
    let seconds = object.get(name).and_then(Value::as_u64);
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn security_error(object: &Map<String, Value>) -> CheckReply {
    let attempts_left = object.get("attempts_left").and_then(Value::as_u64);
    let reason = object.get("reason").and_then(Value::as_str).map(|word| match word {
        "declined" => SecurityErrorReason::Declined,
        "attempts" => SecurityErrorReason::Attempts,
        _ => SecurityErrorReason::Other,
    });
    CheckReply::SecurityError {
        attempts_left: attempts_left.and_then(|left| u8::try_from(left).ok()),
        reason,
    }
}

/// The documented object, or nothing if one of its fields is not what is documented: half an
/// understanding is none.
fn promised(object: &Map<String, Value>) -> Option<Capabilities> {
    let flag = |name| object.get(name).map_or(Some(false), Value::as_bool);
    let wait = object.get("wait").map_or(Some(0), Value::as_u64)?;
    Some(Capabilities {
        txn: flag("txn")?,
        match_number: flag("match")?,
        wait: Duration::from_secs(wait).min(LONGEST_WAIT),
        idempotency: flag("idempotency")?,
    })
}

/// No authority makes a check be held longer than this, whatever it offers.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

const LONGEST_TXN: usize = 256;
