mod index;
mod key_hash;
mod moved;
mod room;
mod session;
mod shard;
mod sharded;
#[cfg(feature = "test-util")]
mod snapshot;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::index::Index;
use self::moved::Moved;
use self::room::Room;
use self::shard::{NoRoom, Shard};
use self::sharded::Sharded;
#[cfg(feature = "test-util")]
pub use self::snapshot::Snapshot;
use self::users::Users;
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
/// 5. No user fills it alone: each has [so many](super::FLOWS_PER_USER) live flows over all their
///    sessions. Refusals are counted for as long as there is room for the users that start.
///
/// [`Store::revoke_user`] and [`Store::revoke_before`] look at every session, one shard after
/// another: about 50 milliseconds where a million hold elevations, and [`Store::rebind`] waits for
/// that long. Nothing else takes longer than the sweep of a shard, two milliseconds in the same
/// store.
///
/// # Memory
///
/// On 64-bit machines, as measured by `tests/memory_store_footprint.rs`: 1040 bytes for a pending
/// flow in a session of its own, with operation, return path, user agent, start counter and claim;
/// 400 bytes for the first elevation of a session and 100 for each further one. At the default
/// capacity that is 104 MB of flows and, if ten times as many sessions hold an elevation, 400 MB of
/// these. Tables keep the size they once needed.
///
/// # Deployment
///
/// Nodes behind one load balancer do not see each other's memory: a user elevated on one is asked
/// again on the next, and limits count on each alone. Nothing survives a restart, which is safe:
/// users are asked again. For more nodes than one there is the store of `flexsecure-redis`.
pub struct MemoryStore {
    shards: Sharded<Shard>,
    shared: Shared,
}

/// What all shards have in common.
struct Shared {
    index: Index,
    flows: Room,
    /// Sessions with elevations.
    holders: Room,
    users: Users,
    moved: Moved,
}

impl MemoryStore {
    /// A store for [`MemoryStore::FLOWS`] flows.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::FLOWS)
    }

    /// A store for at most `flows` flows, ten times as many sessions with elevations, and counters
    /// of ten times as many users.
    #[must_use]
    pub fn with_capacity(flows: usize) -> Self {
        let many = flows.saturating_mul(10);
        Self {
            shards: Sharded::default(),
            shared: Shared {
                index: Index::default(),
                flows: Room::new(flows),
                holders: Room::new(many),
                users: Users::new(many),
                moved: Moved::default(),
            },
        }
    }

    /// How many flows a store is for that is not told otherwise.
    pub const FLOWS: usize = 100_000;

    /// What `look` finds in the session that `flow` was moved to, if it was.
    fn elsewhere<T>(&self, flow: &FlowId, look: impl FnOnce(&SessionKey) -> T) -> Option<T> {
        // Most were not, and need not wait for those that are.
        self.shared.moved.get(flow)?;
        let _standing = self.shared.moved.stand_still();
        let session = self.shared.moved.get(flow)?;
        Some(look(&session))
    }

    fn swap_in(
        &self,
        session: &SessionKey,
        next: &FlowRecord,
        grant: Option<&Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        loop {
            let outcome = self.shards.of(session).swap(session, next, grant, now, &self.shared);
            if let Some(swap) = outcome {
                return Ok(swap);
            }
            if !self.make_room(&self.shared.holders, now, Shard::drop_useless_elevations) {
                return Err(StoreError::Full);
            }
        }
    }

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
            .field("users", &self.shared.users.remembered())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn peek(&self, session: &SessionKey, _: &str) -> Peek {
        Peek::Known(self.shared.index.get(session))
    }

    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        Ok(self.shared.index.get(session).filter(|held| held.auth_id() == auth_id))
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        let session = new.binding.session;
        let mut new = new;
        loop {
            let outcome = self.shards.of(&session).open(new, now, &self.shared);
            new = match outcome {
                Ok(opened) => return Ok(opened),
                Err((_, NoRoom::ForUser)) => return Err(StoreError::Full),
                Err((new, NoRoom::ForFlow)) => new,
            };
            if !self.make_room(&self.shared.flows, now, Shard::drop_ended_flows) {
                return Err(StoreError::Full);
            }
        }
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        let found = self.shards.of(session).flow(session, id);
        Ok(found.filter(|record| *record.binding.auth_id == *auth_id))
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        let session = &record.binding.session;
        let found = self.shards.of(session).flow(session, &record.id);
        Ok(found.or_else(|| {
            self.elsewhere(&record.id, |session| self.shards.of(session).flow(session, &record.id))?
        }))
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let swap_in = |session: &SessionKey| self.swap_in(session, &next, grant.as_ref(), now);
        match swap_in(&next.binding.session)? {
            Swap::Gone => self.elsewhere(&next.id, swap_in).unwrap_or(Ok(Swap::Gone)),
            swap @ (Swap::Done | Swap::Conflict) => Ok(swap),
        }
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.shards.of(session).consume(session, auth_id, flow, now, &self.shared))
    }

    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        self.shared.users.admit(ticket, now).ok_or(StoreError::Full)
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.shared.users.release(ticket);
        Ok(())
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.shards.of(session).revoke_session(session, &self.shared);
        Ok(())
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        // What moved from a shard that is still to come to one that was done would be spared.
        let _standing = self.shared.moved.stand_still();
        for mut shard in self.shards.iter() {
            shard.revoke_user(auth_id, &self.shared);
        }
        Ok(())
    }

    async fn revoke_before(
        &self,
        auth_id: Option<&str>,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let _standing = self.shared.moved.stand_still();
        for mut shard in self.shards.iter() {
            shard.revoke_before(auth_id, before, &self.shared);
        }
        Ok(())
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        // Nobody else ever locks two shards, so in which order makes no difference.
        let _alone = self.shared.moved.stand_still();
        let mut shard = self.shards.of(from);
        let leaving = shard.leave(from, auth_id, &self.shared);
        if self.shards.are_together(from, to) {
            shard.arrive(to, auth_id, leaving, &self.shared);
        } else {
            self.shards.of(to).arrive(to, auth_id, leaving, &self.shared);
        }
        Ok(())
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        let counted = self.shared.users.refusals(auth_id, since);
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    }
}

/// How often a shard that is written to is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Whether a shard swept at `last` is due again; also when the clock was set back since, or it
/// would not be swept until the clock has caught up.
fn is_sweep_due(last: Timestamp, now: Timestamp) -> bool {
    now.since(last).max(last.since(now)) >= SWEEP_INTERVAL
}
