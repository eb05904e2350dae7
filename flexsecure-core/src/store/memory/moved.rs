use std::collections::HashMap;
use std::sync::PoisonError;

use foldhash::fast::RandomState;

use crate::SessionKey;
use crate::flow::FlowId;
use crate::sync::{Mutex, MutexGuard};

/// Where the flows are that are not with the session which opened them.
///
/// An entry is written and removed under the lock of the shard that has the flow.
#[derive(Default)]
pub(super) struct Moved {
    sessions: Mutex<HashMap<FlowId, SessionKey, RandomState>>,
    turn: Mutex<()>,
}

impl Moved {
    /// While this is held, no flow and no elevation moves. Taken before any other lock.
    pub(super) fn stand_still(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    pub(super) fn get(&self, flow: &FlowId) -> Option<SessionKey> {
        lock(&self.sessions).get(flow).copied()
    }

    pub(super) fn insert(&self, flow: FlowId, session: SessionKey) {
        lock(&self.sessions).insert(flow, session);
    }

    #[cfg(feature = "test-util")]
    pub(super) fn all(&self) -> Vec<(FlowId, SessionKey)> {
        let sessions = lock(&self.sessions);
        let mut all: Vec<_> = sessions.iter().map(|(flow, session)| (*flow, *session)).collect();
        all.sort_by_key(|(flow, _)| flow.to_string());
        all
    }

    pub(super) fn remove(&self, flow: &FlowId) {
        lock(&self.sessions).remove(flow);
    }
}

/// Nothing panics under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
