use std::sync::Arc;

use super::MemoryStore;
use super::session::Session;
use super::users::User;
use crate::flow::FlowId;
use crate::store::FlowRecord;
use crate::{Elevations, SessionKey};

/// All that a [`MemoryStore`] keeps at one moment, for a test that explores what may follow it.
///
/// Two that are equal answer every verb alike, but for when they forget what nobody asks for any
/// more: a store [made of one](MemoryStore::from) does that with the first write to each shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    flows: usize,
    sessions: Vec<(SessionKey, Session)>,
    users: Vec<(Arc<str>, User)>,
    moved: Vec<(FlowId, SessionKey)>,
}

impl Snapshot {
    /// The flows that are kept, those that have ended included.
    pub fn flows(&self) -> impl Iterator<Item = &FlowRecord> {
        let kept = self.sessions.iter().flat_map(|(_, session)| &session.flows);
        kept.map(|kept| &kept.record)
    }

    /// What each session holds, if it holds anything.
    pub fn elevations(&self) -> impl Iterator<Item = (&SessionKey, &Elevations)> {
        let sessions = self.sessions.iter();
        sessions.filter_map(|(key, session)| Some((key, &*session.held.as_ref()?.elevations)))
    }
}

impl MemoryStore {
    /// What it keeps now, as long as nobody else is at work on it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut sessions = Vec::new();
        for shard in self.shards.iter() {
            sessions.extend(shard.sessions().map(|(key, session)| (*key, session.clone())));
        }
        sessions.sort_by_key(|(key, _)| *key.as_bytes());
        let flows = self.shared.flows.places();
        Snapshot { flows, sessions, users: self.shared.users.all(), moved: self.shared.moved.all() }
    }
}

impl From<&Snapshot> for MemoryStore {
    fn from(snapshot: &Snapshot) -> Self {
        let store = Self::with_capacity(snapshot.flows);
        for (key, session) in &snapshot.sessions {
            // There was room for all of them.
            session.flows.iter().for_each(|_| assert!(store.shared.flows.take()));
            if let Some(held) = &session.held {
                assert!(store.shared.holders.take());
                store.shared.index.publish(*key, Arc::clone(&held.elevations));
            }
            store.shards.of(key).put(*key, session.clone());
        }
        for (auth_id, user) in &snapshot.users {
            store.shared.users.put(Arc::clone(auth_id), user.clone());
        }
        for (flow, session) in &snapshot.moved {
            store.shared.moved.insert(*flow, *session);
        }
        store
    }
}
