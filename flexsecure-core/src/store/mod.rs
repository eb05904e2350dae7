//! Where flows and elevations live: the one thing that nodes share.
//!
//! The verbs are atomic, because nothing else coordinates nodes: whoever wins a [`Store::swap`]
//! carries out the effect. Each says what a store that answers wrongly would mean for security.
//!
//! A store never forgets live state to make room: at capacity it refuses with
//! [`StoreError::Full`]. Session identifiers reach it hashed, as a [`SessionKey`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::authority::Origin;
use crate::flow::{Flow, FlowId};
use crate::{Elevation, Elevations, Scope, SessionKey, Timestamp};

#[cfg(feature = "test-util")]
pub mod acceptance;
mod memory;
mod written;

pub use self::memory::MemoryStore;
#[cfg(feature = "test-util")]
pub use self::memory::Snapshot;
pub use self::written::Unreadable;

/// Flows and elevations, shared by all nodes.
///
/// Times are given by the caller; a store that keeps its own uses them only to forget. Where a
/// session is named, so is its user, and a store may keep all that is of one user in one place.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What the user `auth_id` holds in `session`, if that can be told at once.
    ///
    /// This is the whole cost of a request that is let through, so it must not block. It may show
    /// what the session holds of [another user](Elevations::auth_id), which is worth nothing. The
    /// default cannot tell.
    ///
    /// *False positive*: an elevation that was revoked still lets requests through. *False
    /// negative*: none; the caller asks [`Store::elevations`] before it refuses anything.
    fn peek(&self, session: &SessionKey, auth_id: &str) -> Peek {
        let _ = (session, auth_id);
        Peek::Ask
    }

    /// What the user `auth_id` holds in `session`, spent elevations included.
    ///
    /// *False positive*: requests pass without a proof. *False negative*: the user is asked again.
    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError>;

    /// Has `tell` called whenever somebody else, on another node, has changed what somebody here may
    /// wait for. Each gate that is built on the store asks for it once. The default, for a store
    /// that has no other node, never calls it.
    ///
    /// *False positive*: somebody looks in vain. *False negative*: who waits here for what happens
    /// there learns of it only when their time is over.
    fn listen(&self, tell: Box<dyn Fn(News) + Send + Sync>) {
        drop(tell);
    }

    /// Keeps `new` unless a live flow of the same session, user and scope exists, and gives that
    /// one back instead. What has ended or [timed out](Flow::at) at `now` is not live. Ended flows
    /// make room for new ones; with too many live flows of this session or user, nothing is kept.
    ///
    /// The store says whose [login](Binding::login) a new flow goes on with: that of the last flow
    /// of the same session, user and scope, as long as that is kept, else its own.
    ///
    /// *False positive* (two live flows): the user gets two messages. *False negative* (an ended
    /// flow is given back): the user waits for a message that never comes. A login shared with a
    /// flow of another session: an approval for one lets the other in.
    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError>;

    /// The flow `id` if it is one of the user `auth_id` in `session`, and nothing if it is anybody
    /// else's: what a client that names a flow gets to see.
    ///
    /// *False positive*: somebody else's flow is shown, cancelled, or fed with PINs.
    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError>;

    /// How the flow of `record` stands now, also if it has been [rebound](Store::rebind) since: for
    /// who is at work on it, not for a client.
    ///
    /// *False positive*: work goes on for a flow that was revoked. *False negative*: an answer of
    /// the authority is lost.
    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError>;

    /// Puts `next` in the place of the record whose version is one less, and in the same step gives
    /// its session the elevation `grant`. A grant for a flow that has one already changes nothing.
    ///
    /// Whose the flow is stays as it is kept: if it has been [rebound](Store::rebind) since `next`
    /// was read, that session gets the elevation. A swap that ends the flow
    /// [by a refusal](crate::flow::Over::is_refusal) counts that for its user.
    ///
    /// *False positive* (swapped though somebody else came first): an effect is carried out twice,
    /// a counted attempt is lost. *False negative*: the caller reads again and repeats its step.
    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError>;

    /// Spends the elevation that `flow` brought the user `auth_id` in `session`: true for exactly one
    /// caller.
    ///
    /// *False positive*: one approval lets two requests through. *False negative*: the user is
    /// asked again.
    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Counts a start for its user and, if it is exclusive, claims the user's login on its system,
    /// all or nothing.
    ///
    /// *False positive*: a user gets more messages than [`STARTS`] in [`STARTS_WINDOW`], or, with an
    /// authority that names no logins, one session takes another's approval. *False negative*: a
    /// user waits for nothing.
    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError>;

    /// Gives back the claim of an [admitted](Store::admit_start) start whose login is over for
    /// certain: authenticated, or never begun.
    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError>;

    /// Forgets all flows and elevations of `session`.
    ///
    /// *False negative*: what a session held survives the user's logout.
    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError>;

    /// Forgets all flows and elevations of the user `auth_id`, in every session.
    ///
    /// *False negative*: what a user held survives a change of their credentials.
    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError>;

    /// Forgets the elevations authenticated before `before` and the flows [opened](Store::open)
    /// before it: of the user `auth_id` or, without one, of everybody. What comes later is not
    /// touched.
    ///
    /// *False positive* (later ones go too): users are asked again. *False negative*: what an
    /// intruder got by then stays good, or is still to come of a flow they had opened.
    async fn revoke_before(
        &self,
        auth_id: Option<&str>,
        before: Timestamp,
    ) -> Result<(), StoreError>;

    /// Moves the flows and elevations that `auth_id` has in the session `from` to the session `to`:
    /// for an app that gives a session another id.
    ///
    /// Nothing is left under `from`. What `to` had of another user is dropped, what it had of the
    /// same one is kept; of two elevations for one scope, the later. A flow is the same as before
    /// but for its session: version, effects under way and [login](Binding::login) go on. It may
    /// not fail halfway, and no reader finds an elevation under both, though one may for a moment
    /// find it under neither. Rebinding a session to itself changes nothing.
    ///
    /// *False positive* (something stays under `from`, or another user's under `to`): whoever knows
    /// the id of before, or has planted the new one, passes with the user's proof. *False negative*:
    /// the user is asked again.
    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError>;

    /// How many flows of the user `auth_id` have ended [by a refusal](crate::flow::Over::is_refusal) at `since`
    /// or later. What is longer ago than [`REFUSALS_WINDOW`] or more than [`REFUSALS`] need not be
    /// remembered. No revocation takes anything from it.
    ///
    /// *False positive*: a policy asks more of a user than it should. *False negative*: one under
    /// attack is asked for no more than usual.
    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError>;
}

/// What a store can tell at once.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "known or not; there is no third answer")]
pub enum Peek {
    /// All that the session holds.
    Known(Option<Arc<Elevations>>),
    /// It has to be [asked](Store::elevations).
    Ask,
}

/// What somebody on another node did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "one flow or all; who listens has to look in either case"
)]
pub enum News {
    /// Something that a client can see of this flow is different, or it is gone.
    Flow(FlowId),
    /// Anything may be different: everybody was revoked, or news were missed.
    Anything,
}

/// A flow as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowRecord {
    /// Its name.
    pub id: FlowId,
    /// How many times it was swapped.
    pub version: u64,
    /// Whose it is and what for; the same from open to end, but for a session that is
    /// [rebound](Store::rebind).
    pub binding: Arc<Binding>,
    /// How far it has come.
    pub flow: Flow,
}

impl FlowRecord {
    /// The record that follows this one, with `flow` in it.
    #[must_use]
    pub fn next(&self, flow: Flow) -> Self {
        Self {
            id: self.id,
            version: self.version.saturating_add(1),
            binding: Arc::clone(&self.binding),
            flow,
        }
    }

    /// What it brings its session once it has authenticated: the grant of the
    /// [swap](Store::swap) that stores it.
    #[must_use]
    pub fn elevation(&self) -> Option<Elevation> {
        let Flow::Authenticated(end) = &self.flow else {
            return None;
        };
        Some(Elevation {
            scope: self.binding.scope.clone(),
            method: end.method(),
            authenticated_at: end.at(),
            flow: self.id,
            address: self.binding.origin.ip,
            spent: false,
        })
    }

    /// Whether it can still change at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.flow.clone().at(now).is_over()
    }

    /// Whether it ended so long before `now` that nobody asks for it any more.
    #[must_use]
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        let ended_at = self.flow.clone().at(now).ended_at();
        ended_at.is_some_and(|ended_at| now.since(ended_at) >= RETENTION)
    }
}

/// Whose a flow is and what for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Binding {
    /// The session that opened it, or that it was [rebound](Store::rebind) to.
    pub session: SessionKey,
    /// The user.
    pub auth_id: Arc<str>,
    /// What it is run for.
    pub scope: Scope,
    /// The path and query a browser goes back to.
    pub return_to: Option<Box<str>>,
    /// Where the request that opened it came from.
    pub origin: Origin,
    /// The flow whose login at the authority it goes on with, be that itself; set by
    /// [`Store::open`].
    pub login: Option<FlowId>,
}

impl Binding {
    /// A flow of `session` and `auth_id` for `scope`, with nowhere to go back to.
    #[must_use]
    pub fn new(session: SessionKey, auth_id: Arc<str>, scope: Scope) -> Self {
        Self { session, auth_id, scope, return_to: None, origin: Origin::default(), login: None }
    }

    /// What the authority is told to keep logins apart by: it says nothing of the session, differs
    /// with everything that is not in the text the authority sees, and stays the same when the
    /// session is [rebound](Store::rebind), so that a message sent again is one of the same login.
    ///
    /// It is not made of the session once the flow is open: whoever opens a flow under the id that
    /// was given up would share the login, and the approval.
    #[must_use]
    pub fn name(&self) -> LoginName {
        let mut hasher = blake3::Hasher::new_derive_key(NAME_CONTEXT);
        match self.login {
            Some(flow) => hasher.update(flow.to_string().as_bytes()),
            None => hasher.update(self.session.as_bytes()),
        };
        hasher.update(&[u8::from(self.scope.single_use())]);
        if let Some(operation) = self.scope.operation() {
            hasher.update(operation.digest());
        }
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        LoginName(name)
    }

    /// The same in the session `to`; whoever holds the one before keeps it.
    pub(crate) fn rebind(binding: &mut Arc<Self>, to: SessionKey) {
        Arc::make_mut(binding).session = to;
    }

    /// Whether two live flows with these bindings would be one too many.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.session == other.session && self.auth_id == other.auth_id && self.scope == other.scope
    }
}

/// What keeps a login apart from others of the same user on the same system; written as 32
/// hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoginName([u8; 16]);

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What came of [`Store::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a flow is new, or there already, or one too many; there is no fourth"
)]
pub enum Opened {
    /// The record given was kept, with its [login](Binding::login).
    New(FlowRecord),
    /// A live one was there.
    Joined(FlowRecord),
    /// The session has [`FLOWS_PER_SESSION`] live flows or the user [`FLOWS_PER_USER`].
    TooMany {
        /// When the first of them ends at the latest.
        until: Timestamp,
    },
}

/// What came of [`Store::swap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the outcomes of a compare-and-swap")]
pub enum Swap {
    /// The record is in its place, and so is the elevation.
    Done,
    /// Another version is there.
    Conflict,
    /// No record of this name is there: it was revoked or forgotten.
    Gone,
}

/// A start that wants to be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StartTicket {
    /// Whose start it is and what for.
    pub binding: Arc<Binding>,
    /// Until when the authority would take an approval for this login, if it names no logins: no
    /// other session or operation of the same user and system may have one until then.
    pub exclusive_until: Option<Timestamp>,
}

impl StartTicket {
    /// A start for a login that the authority names.
    #[must_use]
    pub const fn new(binding: Arc<Binding>) -> Self {
        Self { binding, exclusive_until: None }
    }

    /// The same for one that it does not.
    #[must_use]
    pub const fn exclusive_until(mut self, until: Timestamp) -> Self {
        self.exclusive_until = Some(until);
        self
    }
}

/// What came of [`Store::admit_start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a start is admitted or it is not, for one of two reasons"
)]
pub enum Admission {
    /// It is counted and claimed.
    Admitted,
    /// This user had too many starts.
    TooMany {
        /// When the next one is admitted.
        until: Timestamp,
    },
    /// Another session or operation has the login.
    InProgress {
        /// When that is over at the latest.
        until: Timestamp,
    },
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It has no room, and forgets no live state to make some.
    #[error("the store is full")]
    Full,
    /// It cannot be reached, or did not answer in time; a write may have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How many starts a user has in [`STARTS_WINDOW`], over all sessions and systems.
pub const STARTS: usize = 5;

/// The time over which a user's starts are counted.
pub const STARTS_WINDOW: Duration = Duration::from_secs(600);

/// How many live flows a session can have at a time, unless more are [rebound](Store::rebind) to it.
pub const FLOWS_PER_SESSION: usize = 32;

/// How many live flows a user can have at a time, over all sessions: a thousandth of what a
/// [`MemoryStore`] keeps, so that nobody fills it alone.
pub const FLOWS_PER_USER: usize = 128;

/// How far back [`Store::refusals`] tells.
pub const REFUSALS_WINDOW: Duration = Duration::from_secs(3600);

/// Up to how many [`Store::refusals`] counts.
pub const REFUSALS: usize = 64;

/// How long a flow that has ended can still be asked about.
pub const RETENTION: Duration = Duration::from_secs(300);

const NAME_CONTEXT: &str = "flexsecure 2026 binding name v2";
