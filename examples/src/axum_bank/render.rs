//! Between axum and the rest of the bank.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::body::Sent;
use crate::reply::{BankError, Reply};

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => BankError::BodyTooLarge,
            _ => BankError::BodyIncomplete,
        });
        Ok(Self::new(content_type.as_ref().map(HeaderValue::as_bytes), body))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        put(&self, &mut response);
        // For whoever knows whether a person asks.
        response.extensions_mut().insert(self);
        response
    }
}

/// Makes `response` say what `reply` says; what others have noted in it stays.
pub(super) fn put(reply: &Reply, response: &mut Response) {
    let status = StatusCode::from_u16(reply.status());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    *response.body_mut() = Body::from(reply.body().clone());
}

impl IntoResponse for BankError {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}
