use axum::http::{HeaderMap, header::ORIGIN};

/// Whether a form was posted from our own page, or by something that is no browser.
///
/// `Sec-Fetch-Site` decides where it is sent; a browser without it must name our origin.
pub(super) fn is_same_origin(headers: &HeaderMap, own_origin: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none` is the user's own doing: an address typed, a form sent again.
        return site == "same-origin" || site == "none";
    }
    headers.get(ORIGIN).is_none_or(|origin| origin == own_origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_told_apart() {
        let own = "https://auth.example.com";
        let allowed = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            is_same_origin(&headers, own)
        };
        assert!(allowed(&[]));
        assert!(allowed(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(allowed(&[("sec-fetch-site", "none")]));
        assert!(allowed(&[("origin", own)]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site"), ("origin", own)]));
        assert!(!allowed(&[("sec-fetch-site", "same-site")]));
        assert!(!allowed(&[("sec-fetch-site", "")]));
        assert!(!allowed(&[("origin", "https://evil.example")]));
        assert!(!allowed(&[("origin", "null")]));
        assert!(!allowed(&[("origin", "http://auth.example.com")]));
    }
}
