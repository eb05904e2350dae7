use std::fmt;
use std::sync::atomic::Ordering;

use crate::sync::AtomicUsize;

/// So many places, taken and given back.
///
/// Places are taken before what they are for is kept and given back after it is dropped, so more
/// than there are cannot be in use. The count guards no other data, hence the relaxed order.
pub(super) struct Room {
    places: usize,
    taken: AtomicUsize,
}

impl Room {
    pub(super) const fn new(places: usize) -> Self {
        Self { places, taken: AtomicUsize::new(0) }
    }

    /// Takes a place; false if there is none.
    #[must_use]
    pub(super) fn take(&self) -> bool {
        let one_more = |taken: usize| (taken < self.places).then(|| taken.saturating_add(1));
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(super) fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::Relaxed);
    }

    pub(super) fn has_any(&self) -> bool {
        self.taken() < self.places
    }

    #[cfg(feature = "test-util")]
    pub(super) const fn places(&self) -> usize {
        self.places
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.taken(), self.places)
    }
}
