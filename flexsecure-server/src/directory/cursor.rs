//! Where a list goes on: after what its last part ended with. Opaque, so that it can change.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{DirectoryError, Page};

/// A page of what a store gave, which was asked for one more than `limit`.
pub(super) fn page<T>(mut items: Vec<T>, limit: usize, last: impl FnOnce(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| URL_SAFE_NO_PAD.encode(last(item)));
    Page { items, next }
}

pub(super) fn parse(cursor: &str) -> Result<String, DirectoryError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| DirectoryError::MalformedCursor)?;
    // PostgreSQL takes no NUL, and nothing that is listed holds one.
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(DirectoryError::MalformedCursor)
}
