//! The locks and counters that are raced by a scheduler of its own under `--cfg shuttle`: those of
//! the memory store, and of who waits for a flow. `proofs/README.md` says how.

#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicUsize};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic::AtomicUsize};
