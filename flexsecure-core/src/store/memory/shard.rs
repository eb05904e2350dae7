use std::collections::HashMap;
use std::sync::Arc;

use super::super::{Binding, FLOWS_PER_SESSION, FlowRecord, Opened, Swap};
use super::key_hash::KeyHash;
use super::session::{EVER, Held, Kept, Leaving, NEVER, Session, end_of};
use super::users::NoFlow;
use super::{Shared, is_sweep_due};
use crate::flow::FlowId;
use crate::{Elevation, Elevations, SessionKey, Timestamp};

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
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
        shared: &Shared,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let of_user = |held: &&mut Held| held.elevations.auth_id() == auth_id;
        let Some(held) = session.held.as_mut().filter(of_user) else { return false };
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

    #[cfg(feature = "test-util")]
    pub(super) fn sessions(&self) -> impl Iterator<Item = (&SessionKey, &Session)> {
        self.sessions.iter()
    }

    #[cfg(feature = "test-util")]
    pub(super) fn put(&mut self, key: SessionKey, session: Session) {
        for kept in &session.flows {
            self.first_flow_ends = self.first_flow_ends.min(kept.droppable_from());
        }
        if let Some(held) = &session.held {
            self.first_elevations_end = self.first_elevations_end.min(held.ends_at);
        }
        self.sessions.insert(key, session);
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
