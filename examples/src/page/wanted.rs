//! Who gets a page: the rule is the gate's, so that refusals and answers speak one language.

/// Whether a browser navigates, or the client understands HTML better than JSON.
///
/// `mode` is the `Sec-Fetch-Mode` header (W3C Fetch Metadata) and `accept` are the lines of `Accept`
/// (RFC 9110, section 12.5.1), in which wildcards count for nothing: what takes anything is a program.
pub(crate) fn is_wanted<'h>(
    mode: Option<&[u8]>,
    accept: impl IntoIterator<Item = &'h [u8]>,
) -> bool {
    if mode == Some(b"navigate") {
        return true;
    }
    let lines = accept.into_iter().filter_map(|line| std::str::from_utf8(line).ok());
    let (mut html, mut json) = (0.0, 0.0);
    for (kind, quality) in lines.flat_map(|line| line.split(',')).filter_map(weighed) {
        if kind.eq_ignore_ascii_case("text/html") {
            html = quality.max(html);
        } else if kind.eq_ignore_ascii_case("application/json") {
            json = quality.max(json);
        }
    }
    html > json
}

/// A media range and its quality; nothing if that is no number.
fn weighed(range: &str) -> Option<(&str, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?;
    let weight = parts.find_map(|parameter| {
        parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q"))
    });
    let quality: f32 = weight.map_or(Some(1.0), |(_, value)| value.parse().ok())?;
    Some((kind, quality.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers_pages(accept: &[&str]) -> bool {
        is_wanted(None, accept.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn a_page_is_for_who_navigates_or_prefers_html() {
        assert!(is_wanted(Some(b"navigate"), [b"application/json".as_slice()]));
        assert!(!is_wanted(Some(b"cors"), [b"*/*".as_slice()]));
        for accept in [
            &["text/html"][..],
            &["text/html,application/xhtml+xml,*/*;q=0.8"],
            &["Text/HTML; Q=0.5, application/json; q=0.4"],
            &["application/json;q=0.9", "text/html"],
        ] {
            assert!(prefers_pages(accept), "{accept:?}");
        }
    }

    #[test]
    fn json_is_for_everybody_else() {
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/*"],
            &["text/html, application/json"],
            &["text/html;q=0.5, application/json"],
            &["text/html;q=0"],
            &["text/html;q=high"],
            &["text/htmlx"],
        ] {
            assert!(!prefers_pages(accept), "{accept:?}");
        }
    }
}
