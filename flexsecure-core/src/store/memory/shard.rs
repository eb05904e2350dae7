use std::collections::HashMap;
use std::sync::Arc;

use super::super::{Binding, FLOWS_PER_SESSION, FlowRecord, Opened, RETENTION, Swap};
use super::key_hash::KeyHash;
use super::users::NoFlow;
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
    opened_at: Timestamp,
    /// When it is over if nothing changes it.
    ends_at: Timestamp,
    /// A flow brings one elevation, even if that one is gone.
    granted: bool,
    /// It has been rebound to the session that it is in.
    moved: bool,
}

/// What one session leaves to another.
pub(super) struct Leaving {
    flows: Vec<Kept>,
    held: Option<Held>,
}

struct Held {
    elevations: Arc<Elevations>,
    /// When the youngest of them is outlived.
    ends_at: Timestamp,
}

/// What there is no room for.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoRoom {
    /// All users that can be are remembered.
    ForUser,
    /// All places are taken.
    ForFlow,
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
        let mut login = new.id;
        if let Some(session) = self.sessions.get_mut(&key) {
            let same = |kept: &&Kept| kept.record.binding.is_same_as(&new.binding);
            let mut alike = session.flows.iter().filter(same);
            if let Some(kept) = alike.clone().find(|kept| kept.is_live(now)) {
                return Ok(Opened::Joined(kept.record.clone()));
            }
            login = alike.next_back().and_then(|last| last.record.binding.login).unwrap_or(login);
            if session.flows.len() >= FLOWS_PER_SESSION && !session.drop_oldest_ended(now, shared) {
                return Ok(Opened::TooMany { until: session.first_end() });
            }
        }
        let (auth_id, ends_at) = (Arc::clone(&new.binding.auth_id), end_of(&new));
        match shared.users.open(&auth_id, new.id, ends_at, now) {
            Ok(()) => {}
            Err(NoFlow::TooMany { until }) => return Ok(Opened::TooMany { until }),
            Err(NoFlow::NoRoom) => return Err((new, NoRoom::ForUser)),
        }
        if !shared.flows.take() {
            shared.users.close(&auth_id, &new.id);
            return Err((new, NoRoom::ForFlow));
        }
        let mut new = new;
        Arc::make_mut(&mut new.binding).login = Some(login);
        let kept = Kept::new(new.clone(), now);
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
        key: &SessionKey,
        next: &FlowRecord,
        grant: Option<&Elevation>,
        now: Timestamp,
        shared: &Shared,
    ) -> Option<Swap> {
        self.sweep_if_due(now, shared);
        let Some(session) = self.sessions.get_mut(key) else {
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
            shared.index.publish(*key, Arc::clone(&new.elevations));
            *held = Some(new);
            kept.granted = true;
        }
        kept.replace(next, now, shared);
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

    pub(super) fn revoke_before(
        &mut self,
        auth_id: Option<&str>,
        before: Timestamp,
        shared: &Shared,
    ) {
        let is_owner = |owner: &str| auth_id.is_none_or(|auth_id| owner == auth_id);
        self.sessions.retain(|key, session| {
            session.drop_flows(shared, |kept| {
                kept.opened_at < before && is_owner(&kept.record.binding.auth_id)
            });
            session.drop_elevations_before(key, shared, before, is_owner);
            session.has_anything()
        });
    }

    /// Takes everything of `auth_id` out of the session, and drops the rest.
    pub(super) fn leave(&mut self, key: &SessionKey, auth_id: &str, shared: &Shared) -> Leaving {
        let Some(mut session) = self.sessions.remove(key) else {
            return Leaving { flows: Vec::new(), held: None };
        };
        session.revoke(key, shared, |owner| owner != auth_id);
        shared.index.withdraw(key);
        Leaving { flows: session.flows, held: session.held }
    }

    /// Adds what has left another session to this one, and drops what is not of `auth_id`.
    pub(super) fn arrive(
        &mut self,
        key: &SessionKey,
        auth_id: &str,
        leaving: Leaving,
        shared: &Shared,
    ) {
        let mut session = self.sessions.remove(key).unwrap_or_default();
        session.revoke(key, shared, |owner| owner != auth_id);
        for mut kept in leaving.flows {
            Binding::rebind(&mut kept.record.binding, *key);
            kept.moved = true;
            shared.moved.insert(kept.record.id, *key);
            self.first_flow_ends = self.first_flow_ends.min(kept.droppable_from());
            session.flows.push(kept);
        }
        session.flows.sort_by_key(|kept| kept.opened_at);
        session.flows.shrink_to_fit();
        if let Some(arriving) = leaving.held {
            let held = match session.held.take() {
                None => arriving,
                Some(held) => {
                    shared.holders.give_back(1);
                    held.merge(&arriving)
                }
            };
            self.first_elevations_end = self.first_elevations_end.min(held.ends_at);
            shared.index.publish(*key, Arc::clone(&held.elevations));
            session.held = Some(held);
        }
        if session.has_anything() {
            self.sessions.insert(*key, session);
        }
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
            self.flows.remove(oldest).drop_from(shared);
        }
        oldest.is_some()
    }

    fn first_end(&self) -> Timestamp {
        self.flows.iter().map(|kept| kept.ends_at).min().unwrap_or(EVER)
    }

    fn drop_flows(&mut self, shared: &Shared, dispensable: impl Fn(&Kept) -> bool) {
        let before = self.flows.len();
        self.flows.retain(|kept| {
            let is_kept = !dispensable(kept);
            if !is_kept {
                kept.drop_from(shared);
            }
            is_kept
        });
        if self.flows.len() < before {
            // Elevations outlive their flows by far, and so would the space.
            self.flows.shrink_to_fit();
        }
    }

    fn drop_elevations_before(
        &mut self,
        key: &SessionKey,
        shared: &Shared,
        before: Timestamp,
        is_owner: impl Fn(&str) -> bool,
    ) {
        let Some(held) = self.held.as_ref().filter(|held| is_owner(held.elevations.auth_id()))
        else {
            return;
        };
        let list = held.elevations.list();
        let kept = || list.iter().filter(|elevation| elevation.authenticated_at() >= before);
        let count = kept().count();
        if count == 0 {
            self.drop_elevations(key, shared);
        } else if count < list.len() {
            let mut elevations = Elevations::none(held.elevations.auth_id().into());
            kept().for_each(|elevation| elevations.grant(elevation.clone()));
            let held = Held::new(&elevations);
            shared.index.publish(*key, Arc::clone(&held.elevations));
            self.held = Some(held);
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
    pub(super) fn new(record: FlowRecord, opened_at: Timestamp) -> Self {
        let ends_at = end_of(&record);
        Self { record, opened_at, ends_at, granted: false, moved: false }
    }

    fn replace(&mut self, next: &FlowRecord, now: Timestamp, shared: &Shared) {
        let (was_over, ended_at) = (self.record.flow.is_over(), self.ends_at);
        self.record.version = next.version;
        self.record.flow = next.flow.clone();
        self.ends_at = end_of(next);
        let auth_id = &self.record.binding.auth_id;
        match next.flow.refused_at() {
            Some(at) if !was_over => shared.users.refuse(auth_id, at, now),
            _ => {}
        }
        if next.flow.is_over() {
            shared.users.close(auth_id, &next.id);
        } else if self.ends_at != ended_at {
            shared.users.prolong(auth_id, &next.id, self.ends_at);
        }
    }

    /// Gives back all that a flow takes outside of its session.
    fn drop_from(&self, shared: &Shared) {
        shared.flows.give_back(1);
        if !self.record.flow.is_over() {
            shared.users.close(&self.record.binding.auth_id, &self.record.id);
        }
        if self.moved {
            shared.moved.remove(&self.record.id);
        }
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

    /// Both; of two for one scope the later, so that a spent one stays so.
    fn merge(&self, other: &Self) -> Self {
        let mut both: Vec<_> = [self, other].iter().flat_map(|it| it.elevations.list()).collect();
        both.sort_by_key(|elevation| elevation.authenticated_at());
        let mut elevations = Elevations::none(self.elevations.auth_id().into());
        both.into_iter().for_each(|elevation| elevations.grant(elevation.clone()));
        Self::new(&elevations)
    }
}

/// When the flow is over if nothing more happens.
fn end_of(record: &FlowRecord) -> Timestamp {
    record.flow.clone().at(NEVER).ended_at().unwrap_or(NEVER)
}

const EVER: Timestamp = Timestamp::from_millis(0);

const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);
