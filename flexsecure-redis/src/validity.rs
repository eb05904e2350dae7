use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Until when copies can be relied on: as long as every watcher was answered in the last two seconds.
///
/// Its clock counts the milliseconds since it was made.
pub(crate) struct Validity {
    began: Instant,
    /// Read on every request.
    until: AtomicU64,
    /// When that was sent which each watcher was answered last; none if it is not watching.
    answered: Mutex<HashMap<String, Option<u64>>>,
}

impl Validity {
    /// Nothing can be relied on before all `watchers` have been answered.
    pub(crate) fn new(watchers: impl IntoIterator<Item = String>) -> Self {
        let answered = watchers.into_iter().map(|watcher| (watcher, None)).collect();
        let (began, until) = (Instant::now(), AtomicU64::new(0));
        Self { began, until, answered: Mutex::new(answered) }
    }

    pub(crate) fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    pub(crate) fn holds_at(&self, now: u64) -> bool {
        now < self.until.load(Ordering::Acquire)
    }

    /// What `watcher` sent at `sent_at` was answered.
    pub(crate) fn answered(&self, watcher: &str, sent_at: Instant) {
        let sent_at = self.at(sent_at);
        let mut answered = self.lock();
        if let Some(last) = answered.get_mut(watcher) {
            *last = Some(sent_at);
        }
        self.settle(&answered);
    }

    pub(crate) fn lost(&self, watcher: &str) {
        let mut answered = self.lock();
        if let Some(last) = answered.get_mut(watcher) {
            *last = None;
        }
        self.settle(&answered);
    }

    /// From here on these watchers count and no others; true if one is new.
    pub(crate) fn expect(&self, watchers: &HashSet<String>) -> bool {
        let mut answered = self.lock();
        answered.retain(|watcher, _| watchers.contains(watcher));
        let before = answered.len();
        for watcher in watchers {
            answered.entry(watcher.clone()).or_insert(None);
        }
        self.settle(&answered);
        answered.len() > before
    }

    fn settle(&self, answered: &HashMap<String, Option<u64>>) {
        let first = answered.values().copied().min().flatten();
        let until = first.map_or(0, |sent_at| sent_at.saturating_add(LEASE));
        self.until.store(until, Ordering::Release);
    }

    fn at(&self, instant: Instant) -> u64 {
        let millis = instant.saturating_duration_since(self.began).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Option<u64>>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In milliseconds.
const LEASE: u64 = 2000;

/// How often a watcher asks whether it is heard.
pub(crate) const BETWEEN_QUESTIONS: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_good_for_two_seconds_after_the_question_that_was_answered() {
        let validity = Validity::new(["one".to_owned(), "two".to_owned()]);
        let sent_at = validity.began + Duration::from_millis(100);
        assert!(!validity.holds_at(100));
        validity.answered("one", sent_at);
        assert!(!validity.holds_at(100));
        validity.answered("two", sent_at + Duration::from_millis(50));
        assert!(validity.holds_at(2099));
        assert!(!validity.holds_at(2100));
        validity.lost("two");
        assert!(!validity.holds_at(101));
    }

    #[test]
    fn master_that_nobody_watches_yet_makes_copies_worthless() {
        let validity = Validity::new(["one".to_owned()]);
        validity.answered("one", validity.began);
        assert!(validity.holds_at(10));
        let both = HashSet::from(["one".to_owned(), "two".to_owned()]);
        assert!(validity.expect(&both));
        assert!(!validity.holds_at(10));
        validity.answered("two", validity.began);
        validity.answered("unknown", validity.began);
        assert!(validity.holds_at(10));
        assert!(!validity.expect(&HashSet::from(["two".to_owned()])));
        assert!(validity.holds_at(10));
    }
}
