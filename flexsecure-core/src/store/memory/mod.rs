mod index;
mod key_hash;
mod room;
mod shard;
mod sharded;
mod starts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::index::Index;
use self::room::Room;
use self::shard::{NoRoom, Shard};
use self::sharded::Sharded;
use self::starts::Starts;
use super::{Admission, FlowRecord, Opened, Peek, StartTicket, Store, StoreError, Swap};
use crate::flow::FlowId;
use crate::{Elevation, Elevations, SessionKey, Timestamp};

/// A store in the memory of one process: for one node, and for tests.
///
/// 1. [`Store::peek`] takes no lock and allocates nothing, so that requests which are let through
///    never wait for each other.
/// 2. Everything else about a session happens under the lock of its shard, one of 64: a swap and
///    the elevation it grants are one step, and no revocation comes between them.
/// 3. What has run out is swept when its shard is written to, at most every ten seconds.
/// 4. It is bounded, and full means full of live state: to make room it sweeps every shard, then
///    forgets flows that have ended before [their time](super::RETENTION), then refuses with
///    [`StoreError::Full`]. Other sessions, and flows already open, go on undisturbed.
///
/// [`Store::revoke_user`] looks at every session, one shard after another: about 50 milliseconds
/// where a million hold elevations. Nothing else takes longer than the sweep of a shard, two
/// milliseconds in the same store.
///
/// # Memory
///
/// On 64-bit machines, as measured by `tests/memory_store_footprint.rs`: 960 bytes for a pending
/// flow in a session of its own, with operation, return path, user agent, start counter and claim;
/// 400 bytes for the first elevation of a session and 100 for each further one. At the default
/// capacity that is 96 MB of flows and, if ten times as many sessions hold an elevation, 400 MB of
/// these. Tables keep the size they once needed.
///
/// # Deployment
///
/// Nodes behind one load balancer do not see each other's memory: a user elevated on one is asked
/// again on the next, and limits count on each alone. Nothing survives a restart, which is safe:
/// users are asked again.
pub struct MemoryStore {
    shards: Sharded<Shard>,
    shared: Shared,
    starts: Starts,
}

/// What all shards have in common.
struct Shared {
    index: Index,
    flows: Room,
    /// Sessions with elevations.
    holders: Room,
}

impl MemoryStore {
    /// A store for [`MemoryStore::FLOWS`] flows.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::FLOWS)
    }

    /// A store for at most `flows` flows, ten times as many sessions with elevations, and start
    /// counters of ten times as many users.
    #[must_use]
    pub fn with_capacity(flows: usize) -> Self {
        let many = flows.saturating_mul(10);
        Self {
            shards: Sharded::default(),
            shared: Shared {
                index: Index::default(),
                flows: Room::new(flows),
                holders: Room::new(many),
            },
            starts: Starts::new(many),
        }
    }

    /// How many flows a store is for that is not told otherwise.
    pub const FLOWS: usize = 100_000;

    /// Sweeps one shard after another until one of them has freed a place; false if none did.
    fn make_room(
        &self,
        room: &Room,
        now: Timestamp,
        sweep: fn(&mut Shard, Timestamp, &Shared),
    ) -> bool {
        self.shards.any_in_turn(|shard| {
            sweep(shard, now, &self.shared);
            room.has_any()
        })
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("flows", &self.shared.flows)
            .field("sessions_with_elevations", &self.shared.holders)
            .field("users_with_starts", &self.starts.users())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn peek(&self, session: &SessionKey) -> Peek {
        Peek::Known(self.shared.index.get(session))
    }

    async fn elevations(
        &self,
        session: &SessionKey,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        Ok(self.shared.index.get(session))
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        let session = new.binding.session;
        let mut new = new;
        loop {
            let outcome = self.shards.of(&session).open(new, now, &self.shared);
            new = match outcome {
                Ok(opened) => return Ok(opened),
                Err((_, NoRoom::InSession)) => return Err(StoreError::Full),
                Err((new, NoRoom::InStore)) => new,
            };
            if !self.make_room(&self.shared.flows, now, Shard::drop_ended_flows) {
                return Err(StoreError::Full);
            }
        }
    }

    async fn flow(
        &self,
        session: &SessionKey,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        Ok(self.shards.of(session).flow(session, id))
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        loop {
            let mut shard = self.shards.of(&next.binding.session);
            let outcome = shard.swap(&next, grant.as_ref(), now, &self.shared);
            drop(shard);
            if let Some(swap) = outcome {
                return Ok(swap);
            }
            if !self.make_room(&self.shared.holders, now, Shard::drop_useless_elevations) {
                return Err(StoreError::Full);
            }
        }
    }

    async fn consume(
        &self,
        session: &SessionKey,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.shards.of(session).consume(session, flow, now, &self.shared))
    }

    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        self.starts.admit(ticket, now).ok_or(StoreError::Full)
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.starts.release(ticket);
        Ok(())
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.shards.of(session).revoke_session(session, &self.shared);
        Ok(())
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        for mut shard in self.shards.iter() {
            shard.revoke_user(auth_id, &self.shared);
        }
        Ok(())
    }
}

/// How often a shard that is written to is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Whether a shard swept at `last` is due again; also when the clock was set back since, or it
/// would not be swept until the clock has caught up.
fn is_sweep_due(last: Timestamp, now: Timestamp) -> bool {
    now.since(last).max(last.since(now)) >= SWEEP_INTERVAL
}
