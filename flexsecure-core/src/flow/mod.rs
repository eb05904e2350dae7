//! One authentication from start to end, as a state machine that does nothing by itself.
//!
//! [`Flow::step`] takes the state and an [`Input`] and gives back the next state and at most one
//! [`Effect`] for its driver to carry out. The answer to an effect is the next input. There is no
//! clock, no randomness and no input or output in here: the time is an argument, and a driver that
//! crashes between a step and its effect leaves a state from which another one goes on.
//!
//! | state | meaning |
//! | --- | --- |
//! | [`Idle`] | nothing was sent to the user yet, or the answer to that is awaited |
//! | [`Started`] | the user has a message, as far as anybody knows |
//! | [`Polling`] | the authority said that it awaits the user |
//! | [`Authenticated`] | the authority said so; nothing follows |
//! | [`Expired`] | over in any other way; nothing follows |

mod id;
mod live;
mod pace;
mod step;
#[cfg(test)]
mod tests;
mod written;

pub use self::id::{FlowId, NoRandomness, NotAFlowId};
pub use self::step::{Cx, Effect, Illegal, Input, Objection, Step};
pub(crate) use self::written::Written;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::live::Live;
use crate::authority::{MatchNumber, Txn};
use crate::{Method, Timestamp};

/// One run from start to end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "these are the states; another is a breaking change")]
pub enum Flow {
    /// Nothing was sent to the user yet.
    Idle(Idle),
    /// The user has a message.
    Started(Started),
    /// The authority awaits the user.
    Polling(Polling),
    /// The user proved who they are.
    Authenticated(Authenticated),
    /// It is over.
    Expired(Expired),
}

/// Nothing was sent to the user yet, or the answer to that is awaited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Idle {
    opened_at: Timestamp,
    expected: Method,
    start: Start,
}

/// How far the start of an idle flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Start {
    /// Not asked for.
    Fresh,
    /// Asked for without success, and not to be before this time.
    Hindered { by: Hindrance, until: Timestamp },
    /// To be asked for once it is admitted, by whoever claimed that at this time.
    Claimed { at: Timestamp },
    /// Asked for at this time, and no answer yet.
    Begun { at: Timestamp, idempotent: bool, repeated: bool },
}

/// What kept a message from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hindrance {
    /// The authority could not be reached, or was too busy.
    Unavailable,
    /// The user had too many starts lately.
    TooManyStarts,
    /// Another session or operation has the user's login, at an authority that names no logins.
    InProgress,
}

/// The user has a message, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Started(Live);

/// The authority said that it awaits the user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Polling(Live);

/// The authority said that the user proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Authenticated {
    at: Timestamp,
    method: Method,
}

impl Authenticated {
    /// When the answer came.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// By which method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }
}

/// Over without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expired {
    at: Timestamp,
    over: Over,
}

impl Expired {
    /// When it ended.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// How it ended.
    #[must_use]
    pub const fn over(&self) -> Over {
        self.over
    }
}

/// How a flow ended that did not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Over {
    /// The time ran out.
    Timeout,
    /// Too many wrong PINs.
    Attempts,
    /// The authority refuses the user, or refuses us.
    Refused,
    /// The user said that it was not them.
    Declined,
    /// The client gave up.
    Cancelled,
}

impl Over {
    /// Whether somebody said no: the user, the authority, or the limit of wrong PINs.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Attempts | Self::Refused | Self::Declined => true,
            Self::Timeout | Self::Cancelled => false,
        }
    }

    /// The word a client is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Flow {
    /// A new flow, for a user of whom `expected` is the method should the authority not tell it.
    #[must_use]
    pub const fn open(now: Timestamp, expected: Method) -> Self {
        Self::Idle(Idle { opened_at: now, expected, start: Start::Fresh })
    }

    /// The flow as it stands at `now`: what ran out of time has, whether or not anybody noticed.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Idle(idle) => idle.at(now),
            Self::Started(Started(live)) if live.deadline() <= now => live.timed_out(),
            Self::Polling(Polling(live)) if live.deadline() <= now => live.timed_out(),
            Self::Started(_) | Self::Polling(_) | Self::Authenticated(_) | Self::Expired(_) => self,
        }
    }

    /// Whether it can still change, judged without regard to time; see [`Flow::at`].
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended_at().is_some()
    }

    /// When it ended, if it did.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Idle(_) | Self::Started(_) | Self::Polling(_) => None,
            Self::Authenticated(end) => Some(end.at),
            Self::Expired(end) => Some(end.at),
        }
    }

    /// When somebody [refused](Over::is_refusal) it, if that is how it ended.
    #[must_use]
    pub const fn refused_at(&self) -> Option<Timestamp> {
        match self {
            Self::Expired(end) if end.over.is_refusal() => Some(end.at),
            Self::Idle(_)
            | Self::Started(_)
            | Self::Polling(_)
            | Self::Authenticated(_)
            | Self::Expired(_) => None,
        }
    }

    /// The name of the state, as a client is told.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Idle(_) => "idle",
            Self::Started(_) => "started",
            Self::Polling(_) => "polling",
            Self::Authenticated(_) => "authenticated",
            Self::Expired(_) => "expired",
        }
    }

    /// The user's method, once the flow has started.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        match self {
            Self::Authenticated(end) => Some(end.method),
            Self::Idle(_) | Self::Started(_) | Self::Polling(_) | Self::Expired(_) => {
                self.live().map(Live::method)
            }
        }
    }

    /// The user's method while the flow is live, if the authority told it and it is not just expected.
    pub(crate) fn told_method(&self) -> Option<Method> {
        self.live().and_then(Live::told_method)
    }

    /// The number to type on the approval page.
    #[must_use]
    pub fn match_number(&self) -> Option<MatchNumber> {
        self.live().and_then(Live::match_number)
    }

    /// How the authority names the login.
    #[must_use]
    pub fn txn(&self) -> Option<&Txn> {
        self.live().and_then(Live::txn)
    }

    /// How long the user has left.
    #[must_use]
    pub fn expires_in(&self, now: Timestamp) -> Option<Duration> {
        self.live().map(|live| live.deadline().since(now))
    }

    /// How often the flow is worth asking about.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.live().map(Live::interval)
    }

    /// How many PINs can still be tried; absent where a PIN is of no use.
    #[must_use]
    pub fn attempts_left(&self) -> Option<u8> {
        self.live().and_then(Live::attempts_left)
    }

    /// Whether the authority is being asked about a PIN.
    #[must_use]
    pub fn awaits_pin_check(&self) -> bool {
        self.live().is_some_and(Live::awaits_pin_check)
    }

    /// Whether a PIN can be submitted now.
    #[must_use]
    pub fn takes_pin(&self) -> bool {
        self.live().is_some_and(Live::takes_pin)
    }

    /// How many times the authority was to be asked without a PIN, while the flow is live.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.live().map_or(0, |live| u32::from(live.polls()))
    }

    /// From when on the message can be sent again.
    #[must_use]
    pub fn resend_from(&self) -> Option<Timestamp> {
        self.live().map(Live::resend_from)
    }

    /// What kept the first message from being sent, and until when it is not worth trying.
    #[must_use]
    pub const fn hindrance(&self) -> Option<(Hindrance, Timestamp)> {
        match self {
            Self::Idle(Idle { start: Start::Hindered { by, until }, .. }) => Some((*by, *until)),
            Self::Idle(_)
            | Self::Started(_)
            | Self::Polling(_)
            | Self::Authenticated(_)
            | Self::Expired(_) => None,
        }
    }

    /// Whether the start was asked for, or is about to be, and its answer is awaited.
    #[must_use]
    pub const fn is_starting(&self) -> bool {
        matches!(self, Self::Idle(Idle { start: Start::Claimed { .. } | Start::Begun { .. }, .. }))
    }

    /// For how long an authority that tells no lifetime may take an approval of the message that
    /// is sent now.
    pub(crate) fn login_lifetime(&self) -> Duration {
        let method = match self {
            Self::Idle(idle) => idle.expected,
            Self::Started(_) | Self::Polling(_) | Self::Authenticated(_) | Self::Expired(_) => {
                self.method().unwrap_or(Method::Passwordless)
            }
        };
        pace::default_lifetime(method).saturating_add(pace::START_LIMIT)
    }

    const fn live(&self) -> Option<&Live> {
        match self {
            Self::Started(Started(live)) | Self::Polling(Polling(live)) => Some(live),
            Self::Idle(_) | Self::Authenticated(_) | Self::Expired(_) => None,
        }
    }
}

impl Idle {
    /// An idle flow that nobody starts is forgotten, and so is a claim of its start that came to nothing.
    /// One whose start nobody answered in time may have reached the user, and is taken as started unless
    /// that start is still to be repeated. It is not once its message would be over, or a flow that nobody
    /// came back to would never end.
    fn at(self, now: Timestamp) -> Flow {
        match self.start {
            Start::Claimed { at } if now < at.after(pace::START_LIMIT) => Flow::Idle(self),
            Start::Claimed { .. } => Self { start: Start::Fresh, ..self }.at(now),
            Start::Fresh | Start::Hindered { .. } => {
                let end = self.opened_at.after(pace::IDLE_LIFETIME);
                if end <= now {
                    Flow::Expired(Expired { at: end, over: Over::Timeout })
                } else {
                    Flow::Idle(self)
                }
            }
            Start::Begun { at, idempotent, repeated } => {
                if now < at.after(pace::START_LIMIT) {
                    return Flow::Idle(self);
                }
                let unanswered =
                    Flow::Started(Started(Live::unconfirmed(self.expected, at))).at(now);
                let is_to_be_repeated = idempotent && !repeated && !unanswered.is_over();
                if is_to_be_repeated { Flow::Idle(self) } else { unanswered }
            }
        }
    }
}
