use std::time::Duration;

use axum::http::HeaderMap;

/// How long a check may be held.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// `Prefer: wait=N` (RFC 7240, section 4.3), capped. An unusable one is none.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=')?;
            let value = value.trim().trim_matches('"');
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            (digits && name.trim().eq_ignore_ascii_case("wait"))
                .then(|| value.parse().map_or(LONGEST_WAIT, Duration::from_secs).min(LONGEST_WAIT))
        })
        .filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_used_is_used() {
        let wait_of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value.parse().unwrap());
            wait(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&HeaderMap::new()), None);
        for (value, seconds) in [
            ("wait=10", 10),
            ("respond-async, Wait=5", 5),
            ("wait=\"7\"; foo=bar", 7),
            ("wait = 9", 9),
            ("wait=31", 30),
            ("wait=99999999999999999999999", 30),
        ] {
            assert_eq!(wait_of(value), Some(seconds), "{value}");
        }
        for value in ["", "wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "wait=0", "await=3"] {
            assert_eq!(wait_of(value), None, "{value}");
        }
    }
}
