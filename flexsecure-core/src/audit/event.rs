use std::fmt;
use std::net::IpAddr;

use crate::authority::StartReply;
use crate::flow::{FlowId, Over};
use crate::refusal::Problem;
use crate::store::FlowRecord;
use crate::{Identity, Method, Operation, Scope, SessionKey, Timestamp};

/// What happened, when, to whom and what for.
///
/// Nothing in it is secret: no PIN, link or name of a login, no match number, no session identifier
/// and no header. `auth_id`, address and operation are personal data, though, so a trail of events is
/// worth protecting.
///
/// It serializes as one flat object whose absent fields are left out. A test of an [`Audit`](super::Audit)
/// can build one with [`Event::new`] and set its fields.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When, by the clock of the gate.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// The user; absent where nobody is logged in, and where everybody is meant.
    pub auth_id: Option<&'a str>,
    /// The session, in a form that leads nobody back to its identifier.
    pub session: Option<SessionTag>,
    /// Where the request came from that was refused, let through or carried a PIN; of everything
    /// that a flow does by itself, where the request came from that opened the flow.
    pub address: Option<IpAddr>,
    /// The flow, where there is one.
    pub flow: Option<FlowId>,
    /// The system that the proof is for.
    pub system: Option<&'a str>,
    /// The operation that the proof is for.
    pub operation: Option<&'a Operation>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A request was refused: one that needs a proof, or one that would have changed a flow.
    Refused(Problem),
    /// A request was let through that would have been refused, were the policy
    /// [enforced](crate::policy::Annotate).
    WouldRefuse(Problem),
    /// A flow was opened; nothing is sent yet.
    FlowOpened,
    /// The authority was asked to send a message, and answered.
    #[non_exhaustive]
    Started {
        /// Which message of this flow it is, from one on. A start that is repeated because nobody
        /// knows what came of it is the same message, and sent once.
        message: u32,
        /// What it answered.
        outcome: StartOutcome,
    },
    /// The authority was asked about a PIN, and it was not the right one.
    #[non_exhaustive]
    PinRejected {
        /// How many more can be tried.
        attempts_left: u8,
    },
    /// A flow is over. This is told once for each flow, over all nodes.
    #[non_exhaustive]
    Ended {
        /// How it ended.
        end: End,
        /// How many times the authority was asked about it without a PIN.
        polls: u32,
    },
    /// A proof that is good for one request was spent on this one.
    Consumed,
    /// Proofs and flows were forgotten. The flows among them have no other end.
    Revoked(Revocation),
    /// A session goes on under another identifier.
    #[non_exhaustive]
    Rebound {
        /// The session as it was.
        from: SessionTag,
    },
    /// The authority refuses the gate's own key: nothing is started for a minute.
    Misconfigured,
}

/// What the authority answered to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOutcome {
    /// A message is on its way.
    Accepted,
    /// It refuses the user.
    Refused,
    /// It refuses the gate.
    Misconfigured,
    /// Nothing was sent, for certain.
    NotStarted,
    /// The user may or may not get a message.
    Unknown,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The user proved who they are.
    Authenticated(Method),
    /// They did not.
    Over(Over),
}

/// What was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// What one session holds.
    Session,
    /// What a user holds, in every session.
    User,
    /// What a user proved before this time.
    UserBefore(Timestamp),
    /// What anybody proved before this time.
    AllBefore(Timestamp),
}

/// A short name of a session, to find the events that belong together.
///
/// It is the first four bytes of the [hash](SessionKey) under which the session is stored, written
/// as eight hexadecimal digits. That is too little to look anything up in a store, and even of a
/// session identifier that could be guessed it only says that the guess may be right. Of two sessions,
/// one pair in four billion shares it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionTag([u8; 4]);

impl SessionTag {
    /// The tag of the session that `key` is the hash of.
    #[must_use]
    pub const fn of(key: &SessionKey) -> Self {
        let [a, b, c, d, ..] = *key.as_bytes();
        Self([a, b, c, d])
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Event<'a> {
    /// An event of nobody in particular.
    #[must_use]
    pub const fn new(at: Timestamp, kind: Kind) -> Self {
        Self {
            at,
            kind,
            auth_id: None,
            session: None,
            address: None,
            flow: None,
            system: None,
            operation: None,
        }
    }

    pub(crate) fn of(mut self, identity: Option<&'a Identity>) -> Self {
        self.auth_id = identity.map(Identity::auth_id);
        self.session = identity.map(|identity| SessionTag::of(identity.session()));
        self
    }

    pub(crate) const fn of_user(mut self, auth_id: &'a str) -> Self {
        self.auth_id = Some(auth_id);
        self
    }

    pub(crate) const fn in_session(mut self, session: &SessionKey) -> Self {
        self.session = Some(SessionTag::of(session));
        self
    }

    pub(crate) const fn at_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    pub(crate) fn in_scope(mut self, scope: Option<&'a Scope>) -> Self {
        self.system = scope.map(Scope::system);
        self.operation = scope.and_then(Scope::operation);
        self
    }

    pub(crate) const fn on_flow(mut self, flow: Option<FlowId>) -> Self {
        self.flow = flow;
        self
    }

    /// With all that is known of a flow.
    pub(crate) fn about(self, record: &'a FlowRecord) -> Self {
        let binding = &record.binding;
        self.of_user(&binding.auth_id)
            .in_session(&binding.session)
            .at_address(binding.origin.ip)
            .in_scope(Some(&binding.scope))
            .on_flow(Some(record.id))
    }
}

impl Kind {
    /// The name of the kind, in lower case, with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::WouldRefuse(_) => "would-refuse",
            Self::FlowOpened => "flow-opened",
            Self::Started { .. } => "started",
            Self::PinRejected { .. } => "pin-rejected",
            Self::Ended { .. } => "ended",
            Self::Consumed => "consumed",
            Self::Revoked(_) => "revoked",
            Self::Rebound { .. } => "rebound",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl StartOutcome {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Misconfigured => "misconfigured",
            Self::NotStarted => "not-started",
            Self::Unknown => "unknown",
        }
    }
}

impl From<&StartReply> for StartOutcome {
    fn from(reply: &StartReply) -> Self {
        match reply {
            StartReply::Accepted(_) => Self::Accepted,
            StartReply::Refused => Self::Refused,
            StartReply::Misconfigured => Self::Misconfigured,
            StartReply::NotStarted { .. } => Self::NotStarted,
            StartReply::Unknown => Self::Unknown,
        }
    }
}

impl End {
    /// The word for it: `authenticated`, or that of the [`Over`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated(_) => "authenticated",
            Self::Over(over) => over.as_str(),
        }
    }

    /// By which method the user proved who they are, if they did.
    #[must_use]
    pub const fn method(self) -> Option<Method> {
        match self {
            Self::Authenticated(method) => Some(method),
            Self::Over(_) => None,
        }
    }
}

impl Revocation {
    /// The word for what was revoked: `session`, `user` or `all`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User | Self::UserBefore(_) => "user",
            Self::AllBefore(_) => "all",
        }
    }

    /// The time before which it was proved, if that makes a difference.
    #[must_use]
    pub const fn before(self) -> Option<Timestamp> {
        match self {
            Self::Session | Self::User => None,
            Self::UserBefore(before) | Self::AllBefore(before) => Some(before),
        }
    }
}
