use std::sync::Arc;

use super::super::{FlowRecord, RETENTION};
use super::Shared;
use crate::{Elevation, Elevations, Requirement, SessionKey, Timestamp};

/// What a session has; an entry exists only while that is something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Session {
    /// The oldest first.
    pub(super) flows: Vec<Kept>,
    pub(super) held: Option<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    pub(super) record: FlowRecord,
    pub(super) opened_at: Timestamp,
    /// When it is over if nothing changes it.
    pub(super) ends_at: Timestamp,
    /// A flow brings one elevation, even if that one is gone.
    pub(super) granted: bool,
    /// It has been rebound to the session that it is in.
    pub(super) moved: bool,
}

/// What one session leaves to another.
pub(super) struct Leaving {
    pub(super) flows: Vec<Kept>,
    pub(super) held: Option<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) elevations: Arc<Elevations>,
    /// When the youngest of them is outlived.
    pub(super) ends_at: Timestamp,
}

impl Session {
    pub(super) const fn has_anything(&self) -> bool {
        !self.flows.is_empty() || self.held.is_some()
    }

    pub(super) fn revoke(
        &mut self,
        key: &SessionKey,
        shared: &Shared,
        is_owner: impl Fn(&str) -> bool,
    ) {
        self.drop_flows(shared, |kept| is_owner(&kept.record.binding.auth_id));
        if self.held.as_ref().is_some_and(|held| is_owner(held.elevations.auth_id())) {
            self.drop_elevations(key, shared);
        }
    }

    pub(super) fn drop_oldest_ended(&mut self, now: Timestamp, shared: &Shared) -> bool {
        let oldest = self.flows.iter().position(|kept| !kept.is_live(now));
        if let Some(oldest) = oldest {
            self.flows.remove(oldest).drop_from(shared);
        }
        oldest.is_some()
    }

    pub(super) fn first_end(&self) -> Timestamp {
        self.flows.iter().map(|kept| kept.ends_at).min().unwrap_or(EVER)
    }

    pub(super) fn drop_flows(&mut self, shared: &Shared, dispensable: impl Fn(&Kept) -> bool) {
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

    pub(super) fn drop_elevations_before(
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

    pub(super) fn drop_elevations(&mut self, key: &SessionKey, shared: &Shared) {
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

    pub(super) fn replace(&mut self, next: &FlowRecord, now: Timestamp, shared: &Shared) {
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
    pub(super) fn drop_from(&self, shared: &Shared) {
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

    pub(super) const fn droppable_from(&self) -> Timestamp {
        if self.record.flow.is_over() { EVER } else { self.ends_at }
    }
}

impl Held {
    pub(super) fn new(elevations: &Elevations) -> Self {
        let times = elevations.list().iter().map(Elevation::authenticated_at);
        let ends_at = times.max().unwrap_or(EVER).after(Requirement::LONGEST_MAX_AGE);
        // A copy has no room to spare; what was added to has, for three more.
        Self { elevations: Arc::new(elevations.clone()), ends_at }
    }

    /// Both; of two for one scope the later, so that a spent one stays so.
    pub(super) fn merge(&self, other: &Self) -> Self {
        let mut both: Vec<_> = [self, other].iter().flat_map(|it| it.elevations.list()).collect();
        both.sort_by_key(|elevation| elevation.authenticated_at());
        let mut elevations = Elevations::none(self.elevations.auth_id().into());
        both.into_iter().for_each(|elevation| elevations.grant(elevation.clone()));
        Self::new(&elevations)
    }
}

/// When the flow is over if nothing more happens.
pub(super) fn end_of(record: &FlowRecord) -> Timestamp {
    record.flow.clone().at(NEVER).ended_at().unwrap_or(NEVER)
}

pub(super) const EVER: Timestamp = Timestamp::from_millis(0);

pub(super) const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);
