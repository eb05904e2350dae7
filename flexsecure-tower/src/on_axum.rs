//! Extractors of axum, and the refusal as an answer of its handlers.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::body::render;
use crate::{Ask, Elevated, Refused};

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
