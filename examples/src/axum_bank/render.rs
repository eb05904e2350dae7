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
        let status = StatusCode::from_u16(self.status());
        let headers: Vec<_> = self
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
            })
            .collect();
        let mut response = Response::new(Body::from(self.into_body()));
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(headers);
        response
    }
}

impl IntoResponse for BankError {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}
