//! What the bank answers: decided here, rendered by each framework.
//!
//! A program gets the reply as it stands, and a person what [`Bank::page`](crate::bank::Bank::page)
//! makes of it.

use bytes::Bytes;
use serde::Serialize;

use crate::bank::MalformedAmount;

/// A finished answer. Header names are in lower case.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    for_people: Option<ForPeople>,
}

/// What a person gets in the place of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForPeople {
    /// What this template makes of the body.
    Page(&'static str),
    /// The page at this address.
    SeeOther(&'static str),
}

impl Reply {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::bare(status).with("cache-control", "no-store")
    }

    /// A file that is the same for everybody, and for some minutes.
    #[must_use]
    pub fn asset(content_type: &str, text: &'static str) -> Self {
        let reply = Self::bare(200)
            .with("content-type", content_type)
            .with("cache-control", "public, max-age=300")
            .with("x-content-type-options", "nosniff");
        Self { body: Bytes::from_static(text.as_bytes()), ..reply }
    }

    /// `body` as it is.
    #[must_use]
    pub fn content(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let empty = Self::empty(status).with("content-type", content_type);
        Self { body: body.into(), ..empty }
    }

    /// `value` as JSON.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        Self::content(status, "application/json", to_json(value))
    }

    /// Shows a person what `template` makes of the JSON in it.
    #[must_use]
    pub(crate) fn page(self, template: &'static str) -> Self {
        Self { for_people: Some(ForPeople::Page(template)), ..self }
    }

    /// Leads a person to the page at `path`.
    #[must_use]
    pub(crate) fn see_other(self, path: &'static str) -> Self {
        Self { for_people: Some(ForPeople::SeeOther(path)), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same with another status and body, and without what described the body there was.
    #[must_use]
    pub(crate) fn replaced(mut self, status: u16, body: impl Into<Bytes>) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        Self { status, body: body.into(), for_people: None, ..self }
    }

    /// What a person gets instead, if that is anything else.
    pub(crate) fn for_people(&self) -> Option<ForPeople> {
        self.for_people
    }

    fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), for_people: None }
    }
}

/// Why the bank does not do what it is asked; what the gate refuses is not among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// The body broke off.
    #[error("the body ends before it is complete")]
    BodyIncomplete,
    /// Nobody of this name can log in.
    #[error("log in as alice, bob or carol")]
    UnknownUser,
    /// The user's account is frozen.
    #[error("nothing can be sent from this account")]
    Frozen,
    /// There is no such page.
    #[error("there is nothing at this address")]
    NotFound,
    /// There is no such user.
    #[error("there is no user of this name")]
    NoSuchUser,
    /// The resource knows other methods only: these.
    #[error("the Allow header names the methods known here")]
    MethodNotAllowed(&'static str),
    /// The body is larger than any that makes sense.
    #[error("at most 16 KiB are read here")]
    BodyTooLarge,
    /// The body is neither JSON nor a form.
    #[error("send application/json or application/x-www-form-urlencoded")]
    ContentTypeUnsupported,
    /// What was sent can't be done by anybody; this is what to send.
    #[error("{0}")]
    Invalid(&'static str),
    /// There was nothing to make a session of.
    #[error("no session can be opened at the moment")]
    NoSession,
    /// The elevations of a session could not be revoked; it is better to ask again.
    #[error("this could not be completed; try again")]
    StoreUnavailable,
}

impl BankError {
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BodyIncomplete => (400, "body-malformed", "Malformed body"),
            Self::UnknownUser => (401, "unknown-user", "Unknown user"),
            Self::Frozen => (403, "account-frozen", "Account frozen"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::NoSuchUser => (404, "user-not-found", "User not found"),
            Self::MethodNotAllowed(_) => (405, "method-not-allowed", "Method not allowed"),
            Self::BodyTooLarge => (413, "body-too-large", "Body too large"),
            Self::ContentTypeUnsupported => {
                (415, "content-type-unsupported", "Content type not supported")
            }
            Self::Invalid(_) => (422, "invalid", "Invalid request"),
            Self::NoSession => (503, "session-unavailable", "Session unavailable"),
            Self::StoreUnavailable => (503, "store-unavailable", "Store unavailable"),
        }
    }
}

impl From<MalformedAmount> for BankError {
    fn from(_: MalformedAmount) -> Self {
        Self::Invalid(
            "an amount is a positive number with at most two decimals, such as 250 or \"250.00\"",
        )
    }
}

impl From<BankError> for Reply {
    fn from(error: BankError) -> Self {
        let (status, name, title) = error.row();
        let r#type = format!("urn:bank:problem:{name}");
        let body = to_json(&Problem { r#type, title, status, detail: error.to_string() });
        let reply = Self::content(status, "application/problem+json", body).page("problem.html");
        match error {
            BankError::MethodNotAllowed(known) => reply.with("allow", known),
            BankError::UnknownUser => reply.with("www-authenticate", "Cookie realm=\"bank\""),
            BankError::NoSession | BankError::StoreUnavailable => reply.with("retry-after", "5"),
            BankError::BodyIncomplete
            | BankError::Frozen
            | BankError::NotFound
            | BankError::NoSuchUser
            | BankError::BodyTooLarge
            | BankError::ContentTypeUnsupported
            | BankError::Invalid(_) => reply,
        }
    }
}

/// The body of a problem, RFC 9457.
#[derive(Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
}

/// Serializing text, numbers and lists of them into memory has no way to fail.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
