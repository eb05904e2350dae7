use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The delay that a `Retry-After` asks for (RFC 9110, section 10.2.3), an hour at most.
///
/// A date is measured against the answer's own `Date`, so neither clock has to be right; without
/// one, and if it lies in the past, there is no delay to speak of.
pub(crate) fn delay(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // All digits and yet no number: only too large a one.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(date(headers)?).ok()?
    };
    Some(delay.min(LONGEST))
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

const LONGEST: Duration = Duration::from_secs(3600);
