use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::{
    Admission, FLOWS_PER_USER, LoginName, REFUSALS, REFUSALS_WINDOW, STARTS, STARTS_WINDOW,
    StartTicket,
};
use super::is_sweep_due;
use super::room::Room;
use super::sharded::Sharded;
use crate::Timestamp;
use crate::flow::FlowId;

/// What is counted of users over all their sessions.
///
/// Its locks are the last to be taken: nothing else is locked under them.
pub(super) struct Users {
    shards: Sharded<Shard>,
    users: Room,
}

struct Shard {
    users: HashMap<Arc<str>, User, RandomState>,
    swept_at: Timestamp,
    /// Never later than when the first user in here can be forgotten to make room.
    first_dispensable: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct User {
    /// At most [`STARTS`], of the last [`STARTS_WINDOW`].
    starts: Vec<Timestamp>,
    /// At most one for each system.
    claims: Vec<Claim>,
    /// The live ones and when they end, at most [`FLOWS_PER_USER`] and what was rebound.
    flows: Vec<(FlowId, Timestamp)>,
    /// At most [`REFUSALS`], the oldest first.
    refusals: Vec<Timestamp>,
}

/// The login of a user on a system whose authority names no logins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    system: Arc<str>,
    holder: LoginName,
    until: Timestamp,
}

/// Why a user gets no further flow.
pub(super) enum NoFlow {
    /// They have as many as they can have until then.
    TooMany { until: Timestamp },
    /// There is no room for another user.
    NoRoom,
}

impl Users {
    pub(super) fn new(users: usize) -> Self {
        Self { shards: Sharded::default(), users: Room::new(users) }
    }

    /// How many users are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.users.taken()
    }

    /// None if there is no room for another user.
    pub(super) fn admit(&self, ticket: &StartTicket, now: Timestamp) -> Option<Admission> {
        self.change(&ticket.binding.auth_id, now, |user| user.admit(ticket, now))
    }

    pub(super) fn release(&self, ticket: &StartTicket) {
        let system = ticket.binding.scope.system();
        let holder = ticket.binding.name();
        self.change_known(&ticket.binding.auth_id, |user| {
            user.claims.retain(|claim| &*claim.system != system || claim.holder != holder);
        });
    }

    /// Counts a new flow that ends at `ends_at` if nothing changes it.
    pub(super) fn open(
        &self,
        auth_id: &Arc<str>,
        flow: FlowId,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), NoFlow> {
        let opened = self.change(auth_id, now, |user| user.open(flow, ends_at, now));
        match opened {
            Some(Ok(())) => Ok(()),
            Some(Err(until)) => Err(NoFlow::TooMany { until }),
            None => Err(NoFlow::NoRoom),
        }
    }

    /// Notes that a live flow now ends at another time.
    pub(super) fn prolong(&self, auth_id: &str, flow: &FlowId, ends_at: Timestamp) {
        self.change_known(auth_id, |user| {
            let known = user.flows.iter_mut().find(|(known, _)| known == flow);
            if let Some((_, end)) = known {
                *end = ends_at;
            }
        });
    }

    /// Notes that a flow is not live any more.
    pub(super) fn close(&self, auth_id: &str, flow: &FlowId) {
        self.change_known(auth_id, |user| user.flows.retain(|(known, _)| known != flow));
    }

    /// Remembers that a flow was refused; not if there is no room for a user that is not known.
    pub(super) fn refuse(&self, auth_id: &Arc<str>, at: Timestamp, now: Timestamp) {
        self.change(auth_id, now, |user| user.refuse(at));
    }

    pub(super) fn refusals(&self, auth_id: &str, since: Timestamp) -> usize {
        let shard = self.shards.of(auth_id);
        let user = shard.users.get(auth_id);
        user.map_or(0, |user| user.refusals.iter().filter(|at| **at >= since).count())
    }

    #[cfg(feature = "test-util")]
    pub(super) fn all(&self) -> Vec<(Arc<str>, User)> {
        let mut all = Vec::new();
        for shard in self.shards.iter() {
            all.extend(shard.users.iter().map(|(id, user)| (Arc::clone(id), user.clone())));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    #[cfg(feature = "test-util")]
    pub(super) fn put(&self, auth_id: Arc<str>, user: User) {
        assert!(self.users.take());
        let mut shard = self.shards.of(&*auth_id);
        shard.first_dispensable = shard.first_dispensable.min(user.dispensable_from());
        shard.users.insert(auth_id, user);
    }

    /// None, and nothing done, if there is no room for another user.
    fn change<T>(
        &self,
        auth_id: &Arc<str>,
        now: Timestamp,
        change: impl Fn(&mut User) -> T,
    ) -> Option<T> {
        loop {
            let mut shard = self.shards.of(&**auth_id);
            let outcome = shard.change(auth_id, now, &self.users, &change);
            drop(shard);
            if outcome.is_some() {
                return outcome;
            }
            let made_room = self.shards.any_in_turn(|shard| {
                shard.make_room(now, &self.users);
                self.users.has_any()
            });
            if !made_room {
                return None;
            }
        }
    }

    fn change_known(&self, auth_id: &str, change: impl FnOnce(&mut User)) {
        let mut shard = self.shards.of(auth_id);
        let Some(user) = shard.users.get_mut(auth_id) else { return };
        change(user);
        if user.idle_from() == EVER {
            shard.users.remove(auth_id);
            self.users.give_back(1);
        } else {
            let dispensable_from = user.dispensable_from();
            shard.first_dispensable = shard.first_dispensable.min(dispensable_from);
        }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self { users: HashMap::default(), swept_at: EVER, first_dispensable: NEVER }
    }
}

impl Shard {
    fn change<T>(
        &mut self,
        auth_id: &Arc<str>,
        now: Timestamp,
        room: &Room,
        change: impl Fn(&mut User) -> T,
    ) -> Option<T> {
        if is_sweep_due(self.swept_at, now) {
            self.sweep(now, room, |user| user.idle_from() <= now);
        }
        if !self.users.contains_key(auth_id) && !room.take() {
            return None;
        }
        let user = self.users.entry(Arc::clone(auth_id)).or_default();
        let outcome = change(user);
        self.first_dispensable = self.first_dispensable.min(user.dispensable_from());
        Some(outcome)
    }

    /// Forgets the users of whom nothing but refusals is remembered.
    fn make_room(&mut self, now: Timestamp, room: &Room) {
        if self.first_dispensable <= now {
            self.sweep(now, room, |user| user.dispensable_from() <= now);
        }
    }

    fn sweep(&mut self, now: Timestamp, room: &Room, is_dispensable: impl Fn(&User) -> bool) {
        self.swept_at = now;
        let before = self.users.len();
        let mut first_dispensable = NEVER;
        self.users.retain(|_, user| {
            let is_kept = !is_dispensable(user);
            if is_kept {
                first_dispensable = first_dispensable.min(user.dispensable_from());
            }
            is_kept
        });
        self.first_dispensable = first_dispensable;
        room.give_back(before.saturating_sub(self.users.len()));
    }
}

impl User {
    /// All or nothing: a start that is refused is neither counted nor claims anything.
    fn admit(&mut self, ticket: &StartTicket, now: Timestamp) -> Admission {
        // A start ahead of a clock that was set back would count for longer than the window.
        self.starts.iter_mut().for_each(|start| *start = now.min(*start));
        self.starts.retain(|start| now.since(*start) < STARTS_WINDOW);
        self.claims.retain(|claim| claim.until > now);
        if self.starts.len() >= STARTS {
            let oldest = self.starts.iter().min().copied().unwrap_or(now);
            return Admission::TooMany { until: oldest.after(STARTS_WINDOW) };
        }
        if let Some(until) = ticket.exclusive_until {
            let system = &ticket.binding.scope.system;
            let holder = ticket.binding.name();
            match self.claims.iter_mut().find(|claim| claim.system == *system) {
                Some(claim) if claim.holder == holder => claim.until = claim.until.max(until),
                Some(claim) => return Admission::InProgress { until: claim.until },
                None => {
                    self.claims.reserve_exact(1);
                    self.claims.push(Claim { system: Arc::clone(system), holder, until });
                }
            }
        }
        self.starts.reserve_exact(1);
        self.starts.push(now);
        Admission::Admitted
    }

    /// When a place is free at the latest if none is now.
    fn open(&mut self, flow: FlowId, ends_at: Timestamp, now: Timestamp) -> Result<(), Timestamp> {
        self.flows.retain(|(_, end)| *end > now);
        if self.flows.len() >= FLOWS_PER_USER {
            return Err(self.flows.iter().map(|(_, end)| *end).min().unwrap_or(now));
        }
        // Most users have one flow at a time; growing by more would waste more than it saves.
        if self.flows.len() < 4 {
            self.flows.reserve_exact(1);
        }
        self.flows.push((flow, ends_at));
        Ok(())
    }

    fn refuse(&mut self, at: Timestamp) {
        self.refusals.retain(|known| at.since(*known) < REFUSALS_WINDOW);
        if self.refusals.len() >= REFUSALS {
            self.refusals.remove(0);
        }
        self.refusals.reserve_exact(1);
        self.refusals.push(at);
    }

    fn idle_from(&self) -> Timestamp {
        let refusals = self.refusals.iter().map(|refusal| refusal.after(REFUSALS_WINDOW));
        refusals.max().unwrap_or(EVER).max(self.dispensable_from())
    }

    /// When nothing is left but refusals, which are forgotten rather than that somebody is kept
    /// from starting.
    fn dispensable_from(&self) -> Timestamp {
        let starts = self.starts.iter().map(|start| start.after(STARTS_WINDOW));
        let claims = self.claims.iter().map(|claim| claim.until);
        let flows = self.flows.iter().map(|(_, end)| *end);
        starts.chain(claims).chain(flows).max().unwrap_or(EVER)
    }
}

const EVER: Timestamp = Timestamp::from_millis(0);

const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);
