use std::hash::{BuildHasher, Hash};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;

use crate::sync::{AtomicUsize, Mutex, MutexGuard};

/// 64 parts, each with its own lock, told apart by a hash that is keyed per process.
pub(super) struct Sharded<T> {
    shards: Box<[Mutex<T>; SHARDS]>,
    hasher: RandomState,
    turn: AtomicUsize,
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        let shards = Box::new(std::array::from_fn(|_| Mutex::default()));
        Self { shards, hasher: RandomState::default(), turn: AtomicUsize::new(0) }
    }
}

impl<T> Sharded<T> {
    /// The part that `key` belongs to, locked.
    pub(super) fn of<K: Hash + ?Sized>(&self, key: &K) -> MutexGuard<'_, T> {
        self.at(self.hasher.hash_one(key) as usize)
    }

    /// Whether `one` and `other` belong to the same part.
    pub(super) fn are_together<K: Hash + ?Sized>(&self, one: &K, other: &K) -> bool {
        let [one, other] = [one, other].map(|key| self.hasher.hash_one(key) as usize % SHARDS);
        one == other
    }

    /// All parts, each locked when it is reached.
    pub(super) fn iter(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(lock)
    }

    /// Whether `is_found` is true of a part; it is asked of one after the other, beginning after
    /// the one of which it was true the last time, so that all have their turn.
    pub(super) fn any_in_turn(&self, is_found: impl Fn(&mut T) -> bool) -> bool {
        let turn = self.turn.load(Ordering::Relaxed);
        let mut turns = (0..SHARDS).map(|offset| turn.wrapping_add(offset));
        let found = turns.find(|number| is_found(&mut self.at(*number)));
        if let Some(number) = found {
            self.turn.store(number.wrapping_add(1), Ordering::Relaxed);
        }
        found.is_some()
    }

    #[expect(clippy::indexing_slicing, reason = "the rest is less than the divisor")]
    fn at(&self, number: usize) -> MutexGuard<'_, T> {
        lock(&self.shards[number % SHARDS])
    }
}

/// Nothing that is done under these locks panics. If it did, a later caller would find a flow or an
/// elevation changed or not, and a place too few given back; refusing everybody would be worse.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where every order of locks is tried, fewer are of more use.
const SHARDS: usize = if cfg!(shuttle) { 2 } else { 64 };
