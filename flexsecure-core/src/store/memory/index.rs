use std::sync::Arc;

use super::key_hash::KeyHash;

use crate::{Elevations, SessionKey};

/// What the requests read: the present picture of every session's elevations.
///
/// Only the shard of a session writes its entry, under its lock.
#[derive(Default)]
pub(super) struct Index(papaya::HashMap<SessionKey, Arc<Elevations>, KeyHash>);

impl Index {
    #[inline]
    pub(super) fn get(&self, session: &SessionKey) -> Option<Arc<Elevations>> {
        self.0.pin().get(session).map(Arc::clone)
    }

    pub(super) fn publish(&self, session: SessionKey, elevations: Arc<Elevations>) {
        self.0.pin().insert(session, elevations);
    }

    pub(super) fn withdraw(&self, session: &SessionKey) {
        self.0.pin().remove(session);
    }
}
