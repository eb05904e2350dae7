use std::collections::HashMap;
use std::sync::Arc;

use super::super::{FLOWS_PER_SESSION, FlowRecord, Opened, RETENTION, Swap};
use super::key_hash::KeyHash;
use super::{Shared, is_sweep_due};
use crate::flow::FlowId;
use crate::{Elevation, Elevations, Requirement, SessionKey, Timestamp};

/// The sessions that share a lock.
///
/// The two times are never later than the truth, so a sweep before them is known to be in vain: a
/// full store refuses a thousand requests without looking at every flow a thousand times.
pub(super) struct Shard {
    sessions: HashMap<SessionKey, Session, KeyHash>,
    swept_at: Timestamp,
    /// When the first flow in here ends.
    first_flow_ends: Timestamp,
    /// When the first session in here holds nothing of use any more.
    first_elevations_end: Timestamp,
}

/// What a session has; an entry exists only while that is something.
#[derive(Default)]
struct Session {
    /// The oldest first.
    flows: Vec<Kept>,
    held: Option<Held>,
}

pub(super) struct Kept {
    record: FlowRecord,
    /// When it is over if nothing changes it.
    ends_at: Timestamp,
    /// A flow brings one elevation, even if that one is gone.
    granted: bool,
}

struct Held {
    elevations: Arc<Elevations>,
    /// When the youngest of them is outlived.
    ends_at: Timestamp,
}

/// What there is no room for.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoRoom {
    /// The session has all the live flows it can have.
    InSession,
    /// All places are taken.
    InStore,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            sessions: HashMap::default(),
            swept_at: EVER,
            first_flow_ends: NEVER,
            first_elevations_end: NEVER,
        }
    }
}

impl Shard {
    #[expect(clippy::result_large_err, reason = "the record is handed back to be tried again")]
    pub(super) fn open(
        &mut self,
        new: FlowRecord,
        now: Timestamp,
        shared: &Shared,
    ) -> Result<Opened, (FlowRecord, NoRoom)> {
        self.sweep_if_due(now, shared);
        let key = new.binding.session;
        if let Some(session) = self.sessions.get_mut(&key) {
            let same =
                |kept: &&Kept| kept.is_live(now) && kept.record.binding.is_same_as(&new.binding);
            if let Some(kept) = session.flows.iter().find(same) {
                return Ok(Opened::Joined(kept.record.clone()));
            }
            if session.flows.len() >= FLOWS_PER_SESSION && !session.drop_oldest_ended(now, shared) {
                return Err((new, NoRoom::InSession));
            }
        }
        if !shared.flows.take() {
            return Err((new, NoRoom::InStore));
        }
        let kept = Kept::new(new.clone());
        self.first_flow_ends = self.first_flow_ends.min(kept.droppable_from());
        let flows = &mut self.sessions.entry(key).or_default().flows;
        // Most sessions have one flow at a time; growing by more would waste more than it saves.
        flows.reserve_exact(1);
        flows.push(kept);
        Ok(Opened::New(new))
    }

    pub(super) fn flow(&self, key: &SessionKey, id: &FlowId) -> Option<FlowRecord> {
        let kept = self.sessions.get(key)?.flows.iter().find(|kept| kept.record.id == *id)?;
        Some(kept.record.clone())
    }

    /// None, and nothing done, if there is no room for the first elevation of a session.
    pub(super) fn swap(
        &mut self,
        next: &FlowRecord,
        grant: Option<&Elevation>,
        now: Timestamp,
        shared: &Shared,
    ) -> Option<Swap> {
        self.sweep_if_due(now, shared);
        let Some(session) = self.sessions.get_mut(&next.binding.session) else {
            return Some(Swap::Gone);
        };
        let Session { flows, held } = session;
        let Some(kept) = flows.iter_mut().find(|kept| kept.record.id == next.id) else {
            return Some(Swap::Gone);
        };
        if kept.record.version.checked_add(1) != Some(next.version) {
            return Some(Swap::Conflict);
        }
        if let Some(elevation) = grant.filter(|_| !kept.granted) {
            if held.is_none() && !shared.holders.take() {
                return None;
            }
            // The binding that was kept tells whose it is, not the one that was handed in.
            let owner = &kept.record.binding.auth_id;
            let of_owner = held.take().filter(|held| held.elevations.auth_id() == &**owner);
            let mut elevations = of_owner.map_or_else(
                || Elevations::none(Arc::clone(owner)),
                |held| Arc::unwrap_or_clone(held.elevations),
            );
            elevations.retain_useful(now);
            elevations.grant(elevation.clone());
            let new = Held::new(&elevations);
            self.first_elevations_end = self.first_elevations_end.min(new.ends_at);
            shared.index.publish(next.binding.session, Arc::clone(&new.elevations));
            *held = Some(new);
            kept.granted = true;
        }
        kept.replace(next);
        self.first_flow_ends = self.first_flow_ends.min(kept.droppable_from());
        Some(Swap::Done)
    }

    pub(super) fn consume(
        &mut self,
        key: &SessionKey,
        flow: &FlowId,
        now: Timestamp,
        shared: &Shared,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(held) = &mut session.held else { return false };
        let mut elevations = Elevations::clone(&held.elevations);
        elevations.retain_useful(now);
        let spent = elevations.spend(flow);
        if spent {
            held.elevations = Arc::new(elevations);
            shared.index.publish(*key, Arc::clone(&held.elevations));
        }
        spent
    }

    pub(super) fn revoke_session(&mut self, key: &SessionKey, shared: &Shared) {
        if let Some(mut session) = self.sessions.remove(key) {
            session.revoke(key, shared, |_| true);
        }
    }

    pub(super) fn revoke_user(&mut self, auth_id: &str, shared: &Shared) {
        self.sessions.retain(|key, session| {
            session.revoke(key, shared, |owner| owner == auth_id);
            session.has_anything()
        });
    }

    /// Drops the flows that have ended, even those that could still be asked about.
    pub(super) fn drop_ended_flows(&mut self, now: Timestamp, shared: &Shared) {
        if self.first_flow_ends <= now {
            self.sweep(now, shared, |kept| !kept.is_live(now));
        }
    }

    /// Drops the elevations of sessions that hold only outlived ones.
    pub(super) fn drop_useless_elevations(&mut self, now: Timestamp, shared: &Shared) {
        if self.first_elevations_end <= now {
            self.sweep(now, shared, |kept| kept.is_forgettable(now));
        }
    }

    fn sweep_if_due(&mut self, now: Timestamp, shared: &Shared) {
        if is_sweep_due(self.swept_at, now) {
            self.sweep(now, shared, |kept| kept.is_forgettable(now));
        }
    }

    fn sweep(&mut self, now: Timestamp, shared: &Shared, dispensable: impl Fn(&Kept) -> bool) {
        self.swept_at = now;
        let mut first_flow_ends = NEVER;
        let mut first_elevations_end = NEVER;
        self.sessions.retain(|key, session| {
            session.drop_flows(shared, &dispensable);
            if session.held.as_ref().is_some_and(|held| held.ends_at <= now) {
                session.drop_elevations(key, shared);
            }
            for kept in &session.flows {
                first_flow_ends = first_flow_ends.min(kept.droppable_from());
            }
            if let Some(held) = &session.held {
                first_elevations_end = first_elevations_end.min(held.ends_at);
            }
            session.has_anything()
        });
        self.first_flow_ends = first_flow_ends;
        self.first_elevations_end = first_elevations_end;
    }
}

impl Session {
    const fn has_anything(&self) -> bool {
        !self.flows.is_empty() || self.held.is_some()
    }

    fn revoke(&mut self, key: &SessionKey, shared: &Shared, is_owner: impl Fn(&str) -> bool) {
        self.drop_flows(shared, |kept| is_owner(&kept.record.binding.auth_id));
        if self.held.as_ref().is_some_and(|held| is_owner(held.elevations.auth_id())) {
            self.drop_elevations(key, shared);
        }
    }

    fn drop_oldest_ended(&mut self, now: Timestamp, shared: &Shared) -> bool {
        let oldest = self.flows.iter().position(|kept| !kept.is_live(now));
        if let Some(oldest) = oldest {
            self.flows.remove(oldest);
            shared.flows.give_back(1);
        }
        oldest.is_some()
    }

    fn drop_flows(&mut self, shared: &Shared, dispensable: impl Fn(&Kept) -> bool) {
        let before = self.flows.len();
        self.flows.retain(|kept| !dispensable(kept));
        let dropped = before.saturating_sub(self.flows.len());
        if dropped > 0 {
            // Elevations outlive their flows by far, and so would the space.
            self.flows.shrink_to_fit();
            shared.flows.give_back(dropped);
        }
    }

    fn drop_elevations(&mut self, key: &SessionKey, shared: &Shared) {
        if self.held.take().is_some() {
            shared.index.withdraw(key);
            shared.holders.give_back(1);
        }
    }
}

impl Kept {
    pub(super) fn new(record: FlowRecord) -> Self {
        let ends_at = end_of(&record);
        Self { record, ends_at, granted: false }
    }

    fn replace(&mut self, next: &FlowRecord) {
        self.record.version = next.version;
        self.record.flow = next.flow.clone();
        self.ends_at = end_of(next);
    }

    /// The same as [`FlowRecord::is_live`], without a copy.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        !self.record.flow.is_over() && now < self.ends_at
    }

    /// The same as [`FlowRecord::is_forgettable`], without a copy.
    pub(super) fn is_forgettable(&self, now: Timestamp) -> bool {
        !self.is_live(now) && now.since(self.ends_at) >= RETENTION
    }

    const fn droppable_from(&self) -> Timestamp {
        if self.record.flow.is_over() { EVER } else { self.ends_at }
    }
}

impl Held {
    fn new(elevations: &Elevations) -> Self {
        let times = elevations.list().iter().map(Elevation::authenticated_at);
        let ends_at = times.max().unwrap_or(EVER).after(Requirement::LONGEST_MAX_AGE);
        // A copy has no room to spare; what was added to has, for three more.
        Self { elevations: Arc::new(elevations.clone()), ends_at }
    }
}

/// When the flow is over if nothing more happens.
fn end_of(record: &FlowRecord) -> Timestamp {
    record.flow.clone().at(NEVER).ended_at().unwrap_or(NEVER)
}

const EVER: Timestamp = Timestamp::from_millis(0);

const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);
