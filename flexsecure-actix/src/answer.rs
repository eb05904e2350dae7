use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use flexsecure_core::refusal::Answer;
use flexsecure_core::{Applied, Refusal};

/// The refusal as a response, with its [`Problem`](flexsecure_core::refusal::Problem) in the
/// extensions for the middleware outside.
pub(crate) fn respond(refusal: &Refusal) -> HttpResponse {
    let mut response = render(refusal.answer());
    response.extensions_mut().insert(refusal.problem());
    response
}

/// Adds what the gate has to say of the client's preferences.
pub(crate) fn note(headers: &mut HeaderMap, applied: Option<&Applied>) {
    if let Some((name, value)) = applied.and_then(Applied::header)
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        headers.append(HeaderName::from_static(name), value);
    }
}

/// The gate answers with valid statuses and headers only; should it not, less is said, not more.
pub(crate) fn render(answer: &Answer) -> HttpResponse {
    let mut response = HttpResponse::with_body(status(answer), BoxBody::new(answer.body().clone()));
    for (name, value) in answer.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

pub(crate) fn status(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
