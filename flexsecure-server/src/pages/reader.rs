use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderValue, StatusCode,
        header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, VARY},
        request::Parts,
    },
    response::{Html, IntoResponse, Response},
};
use flexsecure_core::page::Language;
use serde::Serialize;

use super::{Notice, notice::NoticePage};
use crate::{Server, api::AppState};

/// Whoever asks for a page, in the language that the browser prefers.
#[derive(Debug)]
pub(crate) struct Reader {
    server: Server,
    language: Language,
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(ACCEPT_LANGUAGE).into_iter();
        let accept: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
        let language = state.server.inner.pages.language(&accept.join(","));
        Ok(Self { server: state.server.clone(), language })
    }
}

impl Reader {
    pub(crate) fn page(
        &self,
        status: StatusCode,
        template: &str,
        page: &impl Serialize,
    ) -> Response {
        let inner = &self.server.inner;
        let context = Context { base: inner.challenges.public_url.path(), page };
        let mut response = match inner.pages.render(template, self.language, &context) {
            Ok(page) => (status, Html(page)).into_response(),
            Err(error) => {
                tracing::error!(template, error = %error, "a page could not be rendered");
                return (StatusCode::INTERNAL_SERVER_ERROR, Html(BROKEN)).into_response();
            }
        };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
        if let Ok(tag) = HeaderValue::from_str(inner.pages.tag(self.language)) {
            headers.insert(CONTENT_LANGUAGE, tag);
        }
        response
    }

    pub(crate) fn notice(&self, status: StatusCode, notice: Notice) -> Response {
        self.page(status, "notice.html", &NoticePage { notice })
    }
}

/// What each page is filled in with, beside its own.
#[derive(Debug, Serialize)]
pub(super) struct Context<'a, P> {
    /// The path of the public URL.
    pub(super) base: &'a str,
    #[serde(flatten)]
    pub(super) page: P,
}

const BROKEN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>FlexSecure</title>\
                      <h1>Something went wrong</h1><p>This page can't be shown. Try again later.</p></html>";
