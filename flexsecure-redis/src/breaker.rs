use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::Fault;

/// Spares a server that does not answer, and those who would wait for it.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    next_trial: Option<Instant>,
}

impl Breaker {
    /// Whether to ask: always while all is well, else once in [`REST`].
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Fault> {
        let mut state = self.lock();
        if state.failures < FAILURES {
            return Ok(());
        }
        if state.next_trial.is_some_and(|trial| now < trial) {
            return Err(Fault::Resting);
        }
        state.next_trial = now.checked_add(REST);
        Ok(())
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.next_trial = now.checked_add(REST);
        }
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many in a row open it.
const FAILURES: u32 = 5;

const REST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..4 {
            breaker.failed(now);
        }
        assert_eq!(breaker.admit(now), Ok(()));
        breaker.succeeded();
        for _ in 0..5 {
            assert_eq!(breaker.admit(now), Ok(()));
            breaker.failed(now);
        }
        assert_eq!(breaker.admit(now), Err(Fault::Resting));
        breaker.succeeded();
        assert_eq!(breaker.admit(now), Ok(()));
    }

    #[test]
    fn one_trial_a_second_is_made_while_it_is_open() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.failed(now);
        }
        let later = |millis| now + Duration::from_millis(millis);
        assert_eq!(breaker.admit(later(999)), Err(Fault::Resting));
        assert_eq!(breaker.admit(later(1000)), Ok(()));
        assert_eq!(breaker.admit(later(1001)), Err(Fault::Resting));
        breaker.failed(later(1500));
        assert_eq!(breaker.admit(later(2499)), Err(Fault::Resting));
        assert_eq!(breaker.admit(later(2500)), Ok(()));
    }
}
