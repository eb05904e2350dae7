//! What an axum handler takes as an argument behind a layer, and what it answers with.

use std::ops::Deref;

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use flexsecure_core::{Identity, Refusal, Requirement};
use http::StatusCode;
use http::request::Parts;

use crate::body::render;

/// The elevation that let the request through, for handlers behind
/// [`StepUp::require`](crate::StepUp::require).
///
/// Without the layer the answer is 500, and the log says which layer is missing. Take an
/// `Option<Elevated>` where the layer may let requests through without a proof.
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
    /// Goes on only with a proof that satisfies `requirement`; one that is good for a single
    /// request is used up by this call, so make it the last thing before the deed.
    ///
    /// # Errors
    ///
    /// The refusal to return from the handler.
    pub async fn require(&self, requirement: Requirement) -> Result<Elevated, Refused> {
        Ok(Elevated(self.0.require(requirement).await?))
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

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let mut response = render(self.0.answer()).map(Body::from);
        response.extensions_mut().insert(problem);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Elevated {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let elevated = parts.extensions.get::<flexsecure_core::Elevated>();
        elevated.cloned().map(Self).ok_or_else(|| missing("StepUp::require", parts))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Elevated {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<flexsecure_core::Elevated>().cloned().map(Self))
    }
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let ask = parts.extensions.get::<flexsecure_core::Ask>();
        ask.cloned().map(Self).ok_or_else(|| missing("StepUp::on_demand", parts))
    }
}

fn missing(layer: &'static str, parts: &Parts) -> StatusCode {
    tracing::error!(
        target: "flexsecure::layer",
        path = parts.uri.path(),
        "this handler needs the layer of `{layer}` around its route"
    );
    StatusCode::INTERNAL_SERVER_ERROR
}
