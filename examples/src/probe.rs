//! `GET /probe`: would this take a proof now? So a client can ask before its user fills in a form.

use flexsecure_core::refusal::Reason;
use serde::Serialize;

use crate::bank::Transfer;
use crate::body::Form;
use crate::policy::{self, Need};
use crate::reply::{BankError, Reply};

/// What the request of the query, `path=/transfers&method=POST&to=bob&amount=250`, takes.
///
/// # Errors
///
/// [`BankError::NotFound`] for an unknown path, [`BankError::Invalid`] for a query that makes no
/// sense.
pub fn need(query: &str) -> Result<Need, BankError> {
    let query = Form::parse(query.as_bytes());
    let method = query.optional("method")?.unwrap_or("GET");
    let order = || Transfer::new(query.one("to")?, query.one("amount")?.parse()?);
    policy::of(method, query.one("path")?, order)
}

/// The answer where nothing is needed.
#[must_use]
pub fn open() -> Reply {
    answer(None)
}

/// The answer where a proof may be needed: for a reason, or not any more.
#[must_use]
pub fn answer(reason: Option<Reason>) -> Reply {
    #[derive(Serialize)]
    struct Answer {
        required: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    }
    Reply::json(200, &Answer { required: reason.is_some(), reason: reason.map(Reason::as_str) })
        .page("probe.html")
}
