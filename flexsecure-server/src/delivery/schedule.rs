use std::time::Duration;

use crate::UnixMillis;

/// When a message that surely nobody has taken is tried again, `attempt` attempts having been made; `None` if it is not.
///
/// Nothing is tried at or after `deadline`, the end of the challenge: the user could do nothing with it. `retry_after`
/// is what the providers ask for.
pub(super) fn next_attempt(
    attempt: u32,
    now: UnixMillis,
    retry_after: Duration,
    deadline: UnixMillis,
) -> Option<UnixMillis> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let delay = *DELAYS.get(index)?;
    let next = now.saturating_add(delay.max(retry_after));
    (next < deadline).then_some(next)
}

const DELAYS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(0);
    const FAR: UnixMillis = UnixMillis::new(300_000);

    #[test]
    fn five_more_attempts_follow_ever_more_slowly() {
        let next = |attempt| next_attempt(attempt, NOW, Duration::ZERO, FAR);
        let seconds = [1, 2, 3, 4, 5].map(|attempt| next(attempt).unwrap().as_millis() / 1_000);
        assert_eq!(seconds, [1, 2, 4, 8, 15]);
        assert_eq!((next(0), next(6), next(u32::MAX)), (None, None, None));
    }

    #[test]
    fn none_comes_after_the_challenge() {
        let next = |deadline| next_attempt(5, NOW, Duration::ZERO, UnixMillis::new(deadline));
        assert_eq!(next(15_001), Some(UnixMillis::new(15_000)));
        assert_eq!(next(15_000), None);
        assert_eq!(next(-1), None);
    }

    #[test]
    fn a_provider_is_left_alone_as_long_as_it_asks() {
        let next = |seconds| next_attempt(2, NOW, Duration::from_secs(seconds), FAR);
        assert_eq!(next(1), Some(UnixMillis::new(2_000)));
        assert_eq!(next(60), Some(UnixMillis::new(60_000)));
        assert_eq!(next(300), None);
        assert_eq!(next(u64::MAX), None);
    }
}
