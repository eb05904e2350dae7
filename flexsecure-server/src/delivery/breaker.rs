use std::time::Duration;

use crate::UnixMillis;

/// Whether a provider is better tried last for a while. It is in memory only, and never keeps a message from anybody:
/// where there is no other provider, this one is tried all the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    rests_until: Option<UnixMillis>,
}

impl Breaker {
    pub(super) fn rests(&self, now: UnixMillis) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    pub(super) fn fail(&mut self, now: UnixMillis) {
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(FAILURES) {
            let rest = REST.saturating_mul(2_u32.saturating_pow(beyond)).min(LONGEST_REST);
            self.rests_until = Some(now.saturating_add(rest));
        }
    }
}

/// So many failures in a row are no accident.
const FAILURES: u32 = 3;
/// Doubles with each further failure.
const REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_000_000);

    fn after(failures: u32) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..failures {
            breaker.fail(NOW);
        }
        breaker
    }

    #[test]
    fn a_provider_rests_after_three_failures_and_longer_after_more() {
        let rest = |failures| {
            let seconds = |from: u64| NOW.saturating_add(Duration::from_secs(from));
            (0..1_000).find(|second| !after(failures).rests(seconds(*second))).unwrap()
        };
        let rests: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100].map(rest).into();
        assert_eq!(rests, [0, 0, 0, 30, 60, 120, 240, 300, 300, 300]);
    }

    #[test]
    fn one_success_ends_it() {
        let mut breaker = after(9);
        breaker.succeed();
        assert!(!breaker.rests(NOW));
        breaker.fail(NOW);
        assert!(!breaker.rests(NOW));
    }
}
