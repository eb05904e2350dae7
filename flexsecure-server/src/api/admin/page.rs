use axum::{
    Json,
    http::{HeaderValue, header::LINK},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use url::form_urlencoded::Serializer;
use utoipa::ToSchema;

use crate::directory::Page;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// In order. What is added or deleted meanwhile neither repeats nor hides another one.
    items: Vec<T>,
    /// What to give as `cursor` for the next part. Null at the end.
    next: Option<String>,
}

/// With the next part as a link too (RFC 8288).
pub(super) fn listed<T: Serialize>(path: &str, query: &[(&str, &str)], page: Page<T>) -> Response {
    let link = page.next.as_ref().and_then(|next| {
        let query =
            Serializer::new(String::new()).extend_pairs(query).append_pair("cursor", next).finish();
        HeaderValue::try_from(format!("</v1/admin/{path}?{query}>; rel=\"next\"")).ok()
    });
    let mut response = Json(Listed { items: page.items, next: page.next }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}
