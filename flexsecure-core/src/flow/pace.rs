//! The times of a flow.

use std::time::Duration;

use crate::Method;

/// How long the user has where the authority does not say.
pub(super) const fn default_lifetime(method: Method) -> Duration {
    match method {
        Method::Pin => Duration::from_secs(300),
        Method::Passwordless => Duration::from_secs(600),
    }
}

/// The time from one check to the next: the longer the user takes, the less a second matters.
pub(super) fn between_checks(interval: Duration, age: Duration) -> Duration {
    let half = interval.checked_div(2).unwrap_or_default();
    if age < Duration::from_secs(60) {
        interval
    } else if age < Duration::from_secs(180) {
        interval.saturating_add(half)
    } else {
        interval.saturating_add(interval).saturating_add(half)
    }
}

/// The time to the next check after `failures` in a row, or what the authority asked for.
pub(super) fn after_failure(failures: u8, retry_after: Option<Duration>) -> Duration {
    let usual = match failures {
        0 | 1 => Duration::from_secs(2),
        2 => Duration::from_secs(3),
        _ => Duration::from_secs(5),
    };
    retry_after.unwrap_or(usual).clamp(Duration::from_secs(2), Duration::from_secs(60))
}

/// The time until a start that did not happen may be tried again.
pub(super) fn after_no_start(retry_after: Option<Duration>) -> Duration {
    retry_after
        .unwrap_or(Duration::from_secs(5))
        .clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// The time until `messages` may be followed by another: 30 seconds, then doubling.
pub(super) fn cool_down(messages: u32) -> Duration {
    let doublings = messages.saturating_sub(1).min(5);
    FIRST_COOL_DOWN.saturating_mul(1_u32 << doublings)
}

/// The interval where the authority does not say, as the v1 API suggests.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// No authority makes a flow poll faster or slower than this.
pub(super) const INTERVALS: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));

/// No flow lasts longer after its last message, whatever the authority says.
pub(super) const LONGEST_LIFETIME: Duration = Duration::from_secs(600);

/// How long a flow that nobody starts is kept.
pub(super) const IDLE_LIFETIME: Duration = Duration::from_secs(600);

/// An authority answers a start within five seconds; a second more for the way.
pub(super) const START_LIMIT: Duration = Duration::from_secs(6);

/// An authority answers a check within three seconds; a second more for the way.
pub(super) const CHECK_LIMIT: Duration = Duration::from_secs(4);

/// How many PINs a flow compares.
pub(super) const ATTEMPTS: u8 = 5;

const FIRST_COOL_DOWN: Duration = Duration::from_secs(30);
