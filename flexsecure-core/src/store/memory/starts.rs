use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::{Admission, STARTS, STARTS_WINDOW, StartTicket};
use super::is_sweep_due;
use super::room::Room;
use super::sharded::Sharded;
use crate::{SessionKey, Timestamp};

/// The starts of users in the last [`STARTS_WINDOW`], and who has their login.
pub(super) struct Starts {
    shards: Sharded<Shard>,
    users: Room,
}

struct Shard {
    users: HashMap<Arc<str>, User, RandomState>,
    swept_at: Timestamp,
    /// Never later than when the first user in here can be forgotten.
    first_idle: Timestamp,
}

#[derive(Default)]
struct User {
    /// At most [`STARTS`].
    starts: Vec<Timestamp>,
    /// At most one for each system.
    claims: Vec<Claim>,
}

/// The login of a user on a system whose authority names no logins.
struct Claim {
    system: Arc<str>,
    holder: Holder,
    until: Timestamp,
}

#[derive(PartialEq, Eq)]
struct Holder {
    session: SessionKey,
    operation: Option<[u8; 32]>,
    single_use: bool,
}

impl Starts {
    pub(super) fn new(users: usize) -> Self {
        Self { shards: Sharded::default(), users: Room::new(users) }
    }

    /// How many users are remembered.
    pub(super) fn users(&self) -> usize {
        self.users.taken()
    }

    /// None if there is no room for another user.
    pub(super) fn admit(&self, ticket: &StartTicket, now: Timestamp) -> Option<Admission> {
        loop {
            let mut shard = self.shards.of(&*ticket.binding.auth_id);
            let outcome = shard.admit(ticket, now, &self.users);
            drop(shard);
            if outcome.is_some() {
                return outcome;
            }
            let made_room = self.shards.any_in_turn(|shard| {
                shard.sweep_if_useful(now, &self.users);
                self.users.has_any()
            });
            if !made_room {
                return None;
            }
        }
    }

    pub(super) fn release(&self, ticket: &StartTicket) {
        let mut shard = self.shards.of(&*ticket.binding.auth_id);
        if let Some(user) = shard.users.get_mut(&*ticket.binding.auth_id) {
            let holder = Holder::of(ticket);
            let system = ticket.binding.scope.system();
            user.claims.retain(|claim| &*claim.system != system || claim.holder != holder);
        }
    }
}

impl Default for Shard {
    fn default() -> Self {
        let [ever, never] = [0, u64::MAX].map(Timestamp::from_millis);
        Self { users: HashMap::default(), swept_at: ever, first_idle: never }
    }
}

impl Shard {
    fn admit(&mut self, ticket: &StartTicket, now: Timestamp, room: &Room) -> Option<Admission> {
        if is_sweep_due(self.swept_at, now) {
            self.sweep(now, room);
        }
        let auth_id = &ticket.binding.auth_id;
        let admission = if let Some(user) = self.users.get_mut(auth_id) {
            user.admit(ticket, now)
        } else if room.take() {
            self.users.entry(Arc::clone(auth_id)).or_default().admit(ticket, now)
        } else {
            return None;
        };
        // A start or a claim that was added can only make this user's time later; the first of a
        // new user is over no earlier than this.
        self.first_idle = self.first_idle.min(now.after(STARTS_WINDOW));
        Some(admission)
    }

    fn sweep_if_useful(&mut self, now: Timestamp, room: &Room) {
        if self.first_idle <= now {
            self.sweep(now, room);
        }
    }

    fn sweep(&mut self, now: Timestamp, room: &Room) {
        self.swept_at = now;
        let before = self.users.len();
        let mut first_idle = Timestamp::from_millis(u64::MAX);
        self.users.retain(|_, user| {
            let idle_from = user.idle_from();
            if idle_from > now {
                first_idle = first_idle.min(idle_from);
            }
            idle_from > now
        });
        self.first_idle = first_idle;
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
            let holder = Holder::of(ticket);
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

    fn idle_from(&self) -> Timestamp {
        let starts = self.starts.iter().map(|start| start.after(STARTS_WINDOW));
        let claims = self.claims.iter().map(|claim| claim.until);
        starts.chain(claims).max().unwrap_or(Timestamp::from_millis(0))
    }
}

impl Holder {
    fn of(ticket: &StartTicket) -> Self {
        let scope = &ticket.binding.scope;
        Self {
            session: ticket.binding.session,
            operation: scope.operation().map(|operation| *operation.digest()),
            single_use: scope.single_use(),
        }
    }
}
