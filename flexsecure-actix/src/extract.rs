//! What a handler takes as an argument behind a middleware, and what it answers with.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError};
use bytes::Bytes;
use flexsecure_core::policy::Proofs;
use flexsecure_core::{Identity, Refusal};

use crate::answer::{respond, status};

/// The elevation that let the request through, for handlers behind
/// [`StepUp::require`](crate::StepUp::require).
///
/// Without the middleware the answer is 500, and the log says which middleware is missing. Take an
/// `Option<Elevated>` where the middleware may let requests through without a proof.
#[derive(Clone, Debug)]
pub struct Elevated(flexsecure_core::Elevated);

impl Deref for Elevated {
    type Target = flexsecure_core::Elevation;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Asks for a proof from within a handler behind [`StepUp::on_demand`](crate::StepUp::on_demand).
#[derive(Clone, Debug)]
pub struct Ask(flexsecure_core::Ask);

impl Ask {
    /// Goes on only with a proof that satisfies `proofs`, most often a [`Requirement`]; one that is
    /// good for a single request is used up by this call, so make it the last thing before the deed.
    ///
    /// # Errors
    ///
    /// The refusal to return from the handler.
    ///
    /// [`Requirement`]: flexsecure_core::Requirement
    pub async fn require(&self, proofs: impl Into<Proofs>) -> Result<Elevated, Refused> {
        Ok(Elevated(self.0.require(proofs).await?))
    }

    /// Hands over the body that the handler has read, all of it and as it came, if it was a form: a
    /// person finds it on the step-up page, and sends it from there.
    ///
    /// Without this they are told, before anything is sent to them, that they have to fill it in again.
    #[must_use]
    pub fn carrying(self, form: impl Into<Option<Bytes>>) -> Self {
        Self(self.0.carrying(form))
    }

    /// The refusal of a request that no proof would let through.
    #[must_use]
    pub fn deny(&self) -> Refused {
        Refused(self.0.deny())
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

/// A refusal that a handler returns.
#[derive(Clone, Debug)]
pub struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.problem().title())
    }
}

impl std::error::Error for Refused {}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        status(self.0.answer())
    }

    fn error_response(&self) -> HttpResponse {
        respond(&self.0)
    }
}

impl Responder for Refused {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        respond(&self.0)
    }
}

impl FromRequest for Elevated {
    type Error = MissingMiddleware;
    type Future = Ready<Result<Self, MissingMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let elevated = request.extensions().get::<flexsecure_core::Elevated>().cloned();
        ready(elevated.map(Self).ok_or_else(|| MissingMiddleware::new("StepUp::require", request)))
    }
}

impl FromRequest for Ask {
    type Error = MissingMiddleware;
    type Future = Ready<Result<Self, MissingMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ask = request.extensions().get::<flexsecure_core::Ask>().cloned();
        ready(ask.map(Self).ok_or_else(|| MissingMiddleware::new("StepUp::on_demand", request)))
    }
}

/// The handler asks for what only a middleware that is not there could give.
///
/// It is logged when it becomes an answer: an extractor like `Option<Elevated>` makes none of it.
#[derive(Clone, Debug)]
pub struct MissingMiddleware {
    middleware: &'static str,
    path: Box<str>,
}

impl MissingMiddleware {
    fn new(middleware: &'static str, request: &HttpRequest) -> Self {
        Self { middleware, path: request.path().into() }
    }
}

impl fmt::Display for MissingMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this handler needs the middleware of `{}` around its route", self.middleware)
    }
}

impl std::error::Error for MissingMiddleware {}

impl ResponseError for MissingMiddleware {
    fn error_response(&self) -> HttpResponse {
        tracing::error!(target: "flexsecure::layer", path = &*self.path, "{self}");
        HttpResponse::new(self.status_code())
    }
}
