//! What users hold, as this node has read it, for requests that are to cost no round trip.
//!
//! A copy is shown only while the watchers are sure to hear of whatever makes it wrong. What is not in
//! a copy is asked for, so a copy that lags can withhold, and whoever is about to refuse asks anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flexsecure_core::{Elevations, SessionKey, Timestamp};
use foldhash::fast::RandomState;

use crate::kept::{Holdings, Sessions};
use crate::validity::Validity;

pub(crate) struct Copies {
    /// Read without a lock; written under that of the book, so that the two never differ for long.
    shown: papaya::HashMap<Arc<str>, UserCopy, RandomState>,
    book: Mutex<Book>,
    validity: Arc<Validity>,
    /// How many sessions may be in copies.
    capacity: usize,
}

struct UserCopy {
    sessions: Sessions,
    /// When the first elevation in it is outlived, on the clock of [`Validity`].
    until: u64,
}

#[derive(Default)]
struct Book {
    /// By the name that users have in keys.
    users: HashMap<String, Entry, RandomState>,
    sessions: usize,
    reads: u64,
    swept_at: Option<Instant>,
    cutoff: Cutoff,
}

struct Entry {
    auth_id: Arc<str>,
    /// What reads that are under way have to find unchanged.
    era: u64,
    since: Instant,
    shown: Option<Shown>,
}

struct Shown {
    /// When the server read it, by its clock: a read that came before never takes its place.
    read_at: u64,
    sessions: usize,
}

#[derive(Default)]
struct Cutoff {
    era: u64,
    known: Option<Timestamp>,
}

/// A read that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u64);

impl Copies {
    pub(crate) fn new(validity: Arc<Validity>, capacity: usize) -> Self {
        let (shown, book) = (papaya::HashMap::default(), Mutex::default());
        Self { shown, book, validity, capacity }
    }

    /// What `auth_id` is known to hold in `session`, if anything: no lock, and nothing allocated.
    pub(crate) fn get(&self, session: &SessionKey, auth_id: &str) -> Option<Arc<Elevations>> {
        let now = self.validity.now();
        if !self.validity.holds_at(now) {
            return None;
        }
        let shown = self.shown.pin();
        let copy = shown.get(auth_id).filter(|copy| now < copy.until)?;
        copy.sessions.get(session).map(Arc::clone)
    }

    /// To be called before a user is read; none while no copy may be made of it, because changes that
    /// come meanwhile may not be told.
    pub(crate) fn begin(&self, user: &str, auth_id: &str) -> Option<Era> {
        if !self.validity.holds_at(self.validity.now()) {
            return None;
        }
        let mut book = self.lock();
        if let Some(entry) = book.users.get(user) {
            return Some(Era(entry.era));
        }
        book.reads = book.reads.wrapping_add(1);
        let era = book.reads;
        let (auth_id, since) = (Arc::from(auth_id), Instant::now());
        book.users.insert(user.to_owned(), Entry { auth_id, era, since, shown: None });
        Some(Era(era))
    }

    /// Keeps what was read, unless it has become wrong meanwhile. If it has, and what others have
    /// read is older still, that is not kept either: who has seen the newer sees no older one after.
    pub(crate) fn end(&self, user: &str, era: Option<Era>, held: &Holdings) {
        let mut guard = self.lock();
        let book = &mut *guard;
        let Some(entry) = book.users.get_mut(user) else { return };
        if entry.shown.as_ref().is_some_and(|shown| shown.read_at >= held.read_at) {
            return;
        }
        let others = book.sessions.saturating_sub(entry.shown.as_ref().map_or(0, |it| it.sessions));
        let count = held.sessions.len();
        let all = others.saturating_add(count);
        if era != Some(Era(entry.era)) || count == 0 || all > self.capacity {
            self.remove(book, user);
            return;
        }
        book.sessions = all;
        entry.since = Instant::now();
        entry.shown = Some(Shown { read_at: held.read_at, sessions: count });
        let until = self.validity.now().saturating_add(millis(held.good_for));
        let copy = UserCopy { sessions: held.sessions.clone(), until };
        self.shown.pin().insert(Arc::clone(&entry.auth_id), copy);
    }

    /// Has the next request for this user ask, and keeps nothing that is being read.
    pub(crate) fn forget(&self, user: &str) {
        self.remove(&mut self.lock(), user);
    }

    pub(crate) fn clear(&self) {
        let mut book = self.lock();
        book.users.clear();
        book.sessions = 0;
        book.cutoff.era = book.cutoff.era.wrapping_add(1);
        book.cutoff.known = None;
        self.shown.pin().clear();
    }

    /// Lets go of whom nobody has asked for in an hour, every ten minutes.
    pub(crate) fn sweep_if_due(&self, now: Instant) {
        let mut book = self.lock();
        if book.swept_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_SWEEPS) {
            return;
        }
        book.swept_at = Some(now);
        let is_old = |entry: &Entry| now.saturating_duration_since(entry.since) >= KEPT;
        let old: Vec<_> = book.users.iter().filter(|(_, entry)| is_old(entry)).collect();
        let old: Vec<_> = old.into_iter().map(|(user, _)| user.clone()).collect();
        old.iter().for_each(|user| self.remove(&mut book, user));
    }

    /// Before what time everybody is revoked, if that is sure.
    pub(crate) fn cutoff(&self) -> Result<Timestamp, Era> {
        let book = self.lock();
        let is_sure = self.validity.holds_at(self.validity.now());
        book.cutoff.known.filter(|_| is_sure).ok_or(Era(book.cutoff.era))
    }

    /// Keeps what was read of it, unless it has become wrong meanwhile.
    pub(crate) fn learn_cutoff(&self, era: Era, cutoff: Timestamp) {
        let mut book = self.lock();
        if book.cutoff.era == era.0 && self.validity.holds_at(self.validity.now()) {
            book.cutoff.known = Some(cutoff);
        }
    }

    fn remove(&self, book: &mut Book, user: &str) {
        let Some(entry) = book.users.remove(user) else { return };
        if let Some(shown) = entry.shown {
            book.sessions = book.sessions.saturating_sub(shown.sessions);
            self.shown.pin().remove(&*entry.auth_id);
        }
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How many sessions may be in copies, unless set.
pub(crate) const CAPACITY: usize = 1_000_000;

const BETWEEN_SWEEPS: Duration = Duration::from_secs(600);

const KEPT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
