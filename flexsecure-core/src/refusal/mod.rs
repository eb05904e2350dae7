//! What a client is told: finished answers, which adapters render and do not decide.

mod challenge;
mod details;
mod grpc;
mod page;
mod problem;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub(crate) use self::challenge::AcrValues;
pub(crate) use self::details::{Details, FlowObject};
pub(crate) use self::page::{STYLE_SHEET, flow_page};
pub use self::problem::{Problem, Reason};

/// A finished answer: status, headers and body.
///
/// Header names are in lower case; names and values are valid as they stand. A name may be there more
/// than once: an adapter appends each.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("vary", VARY.to_owned()),
        ];
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn see_other(location: String) -> Self {
        let headers = vec![
            ("location", location),
            ("cache-control", "no-store".to_owned()),
            ("vary", VARY.to_owned()),
        ];
        Self { status: 303, headers, body: Bytes::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, names in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A request that was not let through: why, and the answer to give.
///
/// It is boxed, so that a request which is let through does not pay for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Box<Contents>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    problem: Problem,
    answer: Answer,
}

impl Refusal {
    pub(crate) fn new(problem: Problem, answer: Answer) -> Self {
        Self(Box::new(Contents { problem, answer }))
    }

    /// Why.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.0.problem
    }

    /// What to answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.0.answer
    }

    /// What to answer, by value.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.0.answer
    }
}

/// The form of an answer that a client understands best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/problem+json`, for programs.
    Json,
    /// A page, for people.
    Html,
    /// A trailers-only gRPC response.
    Grpc,
}

/// What an answer depends on besides method, host and path, for caches that keep what they are told
/// not to: who asks, in which form they want it, whether another site or a prefetch made their browser
/// ask, and what they ask of the gate itself. A login by any other header is the app's to add.
pub(crate) const VARY: &str = "Accept, Authorization, Content-Type, Cookie, FlexSecure-Pin, Origin, \
     Prefer, Purpose, Sec-Fetch-Mode, Sec-Fetch-Site, Sec-Purpose, X-Moz";
