//! What a client is told: finished answers, which adapters render and do not decide.

mod challenge;
mod details;
mod grpc;
mod page;
mod problem;
#[cfg(test)]
mod tests;
mod way;

use std::fmt;

use bytes::Bytes;

use self::details::Unread;
use crate::BodyReading;
use crate::page::Language;

pub(crate) use self::challenge::AcrValues;
pub(crate) use self::details::{Details, FlowObject};
pub(crate) use self::page::{Shown, Site, samples};
pub use self::problem::{Problem, Reason};
pub(crate) use self::way::{Lost, Way};

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

    /// A file of the gate's own, the same for everybody.
    pub(crate) fn file(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "public, max-age=300".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self { status: 200, headers, body: body.into() }
    }

    pub(crate) fn with_vary(mut self, vary: String) -> Self {
        self.headers.retain(|(name, _)| *name != "vary");
        self.with_header("vary", vary)
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
#[derive(Clone, Debug)]
pub struct Refusal(Box<Contents>);

#[derive(Clone, Debug)]
struct Contents {
    problem: Problem,
    answer: Answer,
    /// What the answer would be if it could carry the form that was refused.
    unread: Option<Unread>,
}

impl Refusal {
    pub(crate) fn new(problem: Problem, answer: Answer) -> Self {
        Self(Box::new(Contents { problem, answer, unread: None }))
    }

    fn unread(mut self, unread: Unread) -> Self {
        self.0.unread = Some(unread);
        self
    }

    /// How the body of the request is to be read, if the answer is a page that is to carry it.
    ///
    /// [`Refusal::carrying`] takes what was read. Without it the page says that the form has to be
    /// sent again.
    #[must_use]
    pub fn form_reading(&self) -> Option<BodyReading> {
        self.0.unread.as_ref().map(|_| BodyReading::of_form())
    }

    /// The same with a page that carries `form`, the whole body of the request.
    #[must_use]
    pub fn carrying(self, form: Bytes) -> Self {
        match self.0.unread {
            Some(unread) => unread.refuse(form),
            None => self,
        }
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
    /// A page, for people who read this language.
    Html(Language),
    /// A trailers-only gRPC response.
    Grpc,
}

/// What an answer depends on besides method, host and path, for caches that keep what they are told
/// not to: who asks, in which form they want it, whether another site or a prefetch made their browser
/// ask, and what they ask of the gate itself. A login by any other header is the app's to add.
pub(crate) const VARY: &str = "Accept, Authorization, Content-Type, Cookie, FlexSecure-Pin, Origin, \
     Prefer, Purpose, Sec-Fetch-Mode, Sec-Fetch-Site, Sec-Purpose, X-Moz";
