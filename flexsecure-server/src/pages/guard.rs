use axum::{
    extract::State,
    http::{
        HeaderName, HeaderValue,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
    },
    response::Response,
};

use crate::api::AppState;

/// Puts the protective headers on every response, whoever made it: pages, refusals of the router, errors.
pub(crate) async fn guard(State(state): State<AppState>, mut response: Response) -> Response {
    let has_logo = state.server.inner.pages.logo().is_some();
    let policy = if has_logo { POLICY_WITH_PICTURES } else { POLICY };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const POLICY_WITH_PICTURES: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const GUARDS: [(HeaderName, &str); 3] = [
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
