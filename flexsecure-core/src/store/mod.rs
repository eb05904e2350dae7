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

pub use self::memory::MemoryStore;

/// Flows and elevations, shared by all nodes.
///
/// Times are given by the caller; a store that keeps its own uses them only to forget.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What `session` holds, if that can be told at once.
    ///
    /// This is the whole cost of a request that is let through, so it must not block. The default
    /// cannot tell.
    ///
    /// *False positive*: an elevation that was revoked still lets requests through. *False
    /// negative*: none; the caller asks [`Store::elevations`].
    fn peek(&self, session: &SessionKey) -> Peek {
        let _ = session;
        Peek::Ask
    }

    /// What `session` holds, spent elevations included.
    ///
    /// *False positive*: requests pass without a proof. *False negative*: the user is asked again.
    async fn elevations(&self, session: &SessionKey)
    -> Result<Option<Arc<Elevations>>, StoreError>;

    /// Keeps `new` unless a live flow of the same session, user and scope exists, and gives that
    /// one back instead. What has ended or [timed out](Flow::at) at `now` is not live.
    ///
    /// *False positive* (two live flows): the user gets two messages. *False negative* (an ended
    /// flow is given back): the user waits for a message that never comes.
    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError>;

    /// The flow `id` if `session` opened it, and nothing if anybody else did.
    ///
    /// *False positive*: somebody else's flow is shown, cancelled, or fed with PINs.
    async fn flow(
        &self,
        session: &SessionKey,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError>;

    /// Puts `next` in the place of the record whose version is one less, and in the same step gives
    /// its session the elevation `grant`. A grant for a flow that has one already changes nothing.
    ///
    /// *False positive* (swapped though somebody else came first): an effect is carried out twice,
    /// a counted attempt is lost. *False negative*: the caller reads again and repeats its step.
    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError>;

    /// Spends the elevation that `flow` brought `session`: true for exactly one caller.
    ///
    /// *False positive*: one approval lets two requests through. *False negative*: the user is
    /// asked again.
    async fn consume(
        &self,
        session: &SessionKey,
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

/// A flow as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Its name.
    pub id: FlowId,
    /// How many times it was swapped.
    pub version: u64,
    /// Whose it is and what for; the same from open to end.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The session that opened it.
    pub session: SessionKey,
    /// The user.
    pub auth_id: Arc<str>,
    /// What it is run for.
    pub scope: Scope,
    /// The path and query a browser goes back to.
    pub return_to: Option<Box<str>>,
    /// Where the request that opened it came from.
    pub origin: Origin,
}

impl Binding {
    /// A flow of `session` and `auth_id` for `scope`, with nowhere to go back to.
    #[must_use]
    pub fn new(session: SessionKey, auth_id: Arc<str>, scope: Scope) -> Self {
        Self { session, auth_id, scope, return_to: None, origin: Origin::default() }
    }

    /// What the authority is told to keep logins apart by: it says nothing of the session, and
    /// differs with everything that is not in the text the authority sees.
    pub(crate) fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key(NAME_CONTEXT);
        hasher.update(self.session.as_bytes());
        hasher.update(&[u8::from(self.scope.single_use())]);
        if let Some(operation) = self.scope.operation() {
            hasher.update(operation.digest());
        }
        let name = hasher.finalize();
        name.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether two live flows with these bindings would be one too many.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.session == other.session && self.auth_id == other.auth_id && self.scope == other.scope
    }
}

/// What came of [`Store::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a flow is new or it is not")]
pub enum Opened {
    /// The record given was kept.
    New(FlowRecord),
    /// A live one was there.
    Joined(FlowRecord),
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// How many flows a session can have at a time, ended ones that are still kept included.
pub const FLOWS_PER_SESSION: usize = 32;

/// How long a flow that has ended can still be asked about.
pub const RETENTION: Duration = Duration::from_secs(300);

const NAME_CONTEXT: &str = "flexsecure 2026 binding name v1";
