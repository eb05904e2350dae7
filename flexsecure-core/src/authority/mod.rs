//! The remote service that authenticates users out of band.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pin::Pin;
use crate::{Method, Operation};

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod reply;
#[cfg(feature = "test-util")]
mod scripted;

#[cfg(feature = "http")]
pub use self::http::{Builder, ConfigError, HttpAuthority};
#[cfg(feature = "test-util")]
pub use self::scripted::{Call, ScriptedAuthority};

/// The service that sends a user their PIN or link and knows whether they answered it.
///
/// Every call ends in an answer: there is no error beside the reply, because the flow machine has to
/// tell "it did not happen" from "nobody knows". An implementation bounds its calls in time: five
/// seconds for a start, three for a check beyond the time it may be held.
#[async_trait]
pub trait Authority: fmt::Debug + Send + Sync + 'static {
    /// What this authority knows beyond the v1 API; cheap, because it is asked before every call.
    async fn capabilities(&self) -> Capabilities;

    /// Asks for a message to be sent to the user.
    async fn start(&self, request: StartRequest<'_>) -> StartReply;

    /// Asks how the login stands, or submits a PIN.
    async fn check(&self, request: CheckRequest<'_>) -> CheckReply;
}

/// What an authority knows beyond the v1 API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// It names each login by a transaction id, so that nobody else's approval can be taken.
    pub txn: bool,
    /// It shows a number to match on the approval page.
    pub match_number: bool,
    /// How long it holds a check until something changes; zero if it does not.
    pub wait: Duration,
    /// It answers a repeated start with the same idempotency key without sending again.
    pub idempotency: bool,
}

impl Capabilities {
    /// The v1 API and nothing more.
    pub const V1: Self =
        Self { txn: false, match_number: false, wait: Duration::ZERO, idempotency: false };

    /// All that `flexsecure-server` offers.
    pub const FULL: Self =
        Self { txn: true, match_number: true, wait: Duration::from_secs(30), idempotency: true };
}

/// A start to send.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StartRequest<'a> {
    /// The system the user wants to reach.
    pub system: &'a str,
    /// The user.
    pub auth_id: &'a str,
    /// What they are about to approve.
    pub operation: Option<&'a Operation>,
    /// Where the request came from, to be shown on the approval page.
    pub origin: &'a Origin,
    /// Names this message: the same key, the same message.
    pub idempotency_key: &'a str,
    /// Names the session that asks and what for, and tells nothing of it. An authority that names
    /// logins never lets two of them share one: an approval of one would be good for the other.
    pub binding: &'a str,
}

/// Where the request that opened a flow came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// The network address of the peer.
    pub ip: Option<std::net::IpAddr>,
    /// What it calls itself, cut to 200 characters.
    pub user_agent: Option<Box<str>>,
}

/// A check to make.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CheckRequest<'a> {
    /// The system the user wants to reach.
    pub system: &'a str,
    /// The user.
    pub auth_id: &'a str,
    /// The login that is meant, where the authority named it.
    pub txn: Option<&'a Txn>,
    /// The PIN the user typed.
    pub pin: Option<&'a Pin>,
    /// How long the authority may hold the answer until something changes.
    pub hold: Duration,
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartReply {
    /// A message is on its way.
    Accepted(Accepted),
    /// The authority refuses this user: unknown, unassigned or disabled, told alike.
    Refused,
    /// The authority refuses us: a wrong API key or address, usually.
    Misconfigured,
    /// Nothing was sent to the user, for certain.
    NotStarted {
        /// When the authority wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The user may or may not get a message.
    Unknown,
}

/// What the authority told of a login it started; the v1 API tells none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Accepted {
    /// The login's name.
    pub txn: Option<Txn>,
    /// The method assigned to the user.
    pub method: Option<Method>,
    /// The number to type on the approval page.
    pub match_number: Option<MatchNumber>,
    /// How long the user has.
    pub expires_in: Option<Duration>,
    /// How often to check.
    pub interval: Option<Duration>,
}

impl Accepted {
    /// Names the login.
    #[must_use]
    pub fn txn(mut self, txn: Txn) -> Self {
        self.txn = Some(txn);
        self
    }

    /// Tells the user's method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Gives the number to match.
    #[must_use]
    pub fn match_number(mut self, number: MatchNumber) -> Self {
        self.match_number = Some(number);
        self
    }

    /// Gives the lifetime.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }

    /// Gives the poll interval.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckReply {
    /// Exactly the documented success, nothing like it.
    Authenticated,
    /// The user has not answered yet, or the authority said something undocumented in a success.
    Pending,
    /// The login's time is over.
    Expired,
    /// The v1 API's `security error`: a wrong PIN or a refusal.
    SecurityError {
        /// How many PINs the authority will still compare, if it said so.
        attempts_left: Option<u8>,
        /// Why, if it said so.
        reason: Option<SecurityErrorReason>,
    },
    /// No answer, or none that means anything.
    Unavailable {
        /// When the authority wants to be asked again, if it said so.
        retry_after: Option<Duration>,
        /// Whether the check may have reached it: a PIN that did counts as tried.
        sent: bool,
    },
}

/// Why an authority that tells it answered `security error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecurityErrorReason {
    /// The user said that it was not them, or typed another number.
    Declined,
    /// No attempt is left.
    Attempts,
    /// Anything else.
    Other,
}

/// The transaction id by which an authority names one login.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Txn(Box<str>);

impl Txn {
    /// The transaction id `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text to send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Txn(..)")
    }
}

/// The two digits that the user compares: shown where they asked, typed where they approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatchNumber(u8);

impl MatchNumber {
    /// `text` if it is exactly two ASCII digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        two_digits.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl Serialize for MatchNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MatchNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("two digits are expected"))
    }
}

impl fmt::Display for MatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}
