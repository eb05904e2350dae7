//! Between actix-web and the rest of the bank.

use std::convert::Infallible;
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};

use crate::body::Sent;
use crate::reply::{BankError, Reply};

impl FromRequest for Sent {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            let body = body.await.map_err(|error| match error.as_error() {
                Some(PayloadError::Overflow) => BankError::BodyTooLarge,
                _ => BankError::BodyIncomplete,
            });
            Ok(Self::new(content_type.as_ref().map(|header| header.as_bytes()), body))
        })
    }
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into()
    }
}

impl Responder for BankError {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        Reply::from(self).into()
    }
}

impl ResponseError for BankError {
    fn status_code(&self) -> StatusCode {
        status(&Reply::from(*self))
    }

    fn error_response(&self) -> HttpResponse {
        Reply::from(*self).into()
    }
}

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        let mut response = put(&reply, Self::new(StatusCode::OK));
        // For whoever knows whether a person asks.
        response.extensions_mut().insert(reply);
        response
    }
}

/// Makes `response` say what `reply` says; what others have noted in it stays.
pub(super) fn put(reply: &Reply, response: HttpResponse) -> HttpResponse {
    let mut response = response.set_body(BoxBody::new(reply.body().clone()));
    *response.status_mut() = status(reply);
    for (name, value) in reply.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn status(reply: &Reply) -> StatusCode {
    StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
