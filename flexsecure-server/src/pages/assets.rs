use axum::{
    body::Bytes,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use super::{Notice, Reader};
use crate::api::AppState;

pub(crate) async fn stylesheet(State(state): State<AppState>) -> Response {
    asset("text/css; charset=utf-8", state.server.inner.pages.style())
}

pub(crate) async fn logo(State(state): State<AppState>, reader: Reader) -> Response {
    match state.server.inner.pages.logo() {
        Some(logo) => asset(logo.content_type, &logo.bytes),
        None => reader.notice(StatusCode::NOT_FOUND, Notice::NotFound),
    }
}

/// Another file of the same name comes with a restart only.
fn asset(content_type: &'static str, bytes: &Bytes) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "max-age=300")], bytes.clone()).into_response()
}
