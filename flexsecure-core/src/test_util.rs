//! Stand-ins for tests: of this crate, and of the apps that use it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Clock, Timestamp};

pub use crate::authority::{Call, ScriptedAuthority};
pub use crate::store::acceptance;

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct SettableClock(AtomicU64);

impl SettableClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.as_millis()))
    }

    /// Sets it to `now`, be that ahead or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves it ahead by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().after(duration));
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
