use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::word::{ChannelWord, MethodWord, ScopeWord};
use crate::{Channel, Method, UnixMillis};

/// A tenant: what is in one is not to be seen, and not to be reached, from another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Account {
    /// What it is called.
    #[schema(example = "default")]
    pub name: String,
    /// To which dialling prefixes SMS may go, such as `+41`. Empty: nowhere.
    pub sms_countries: Vec<String>,
    /// How many SMS it may send a day (UTC).
    pub sms_daily_budget: u32,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UnixMillis,
}

/// Which methods a system allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Policies {
    /// Users of the system can be assigned [`Method::Pin`].
    pub pin: bool,
    /// Users of the system can be assigned [`Method::Passwordless`].
    pub passwordless: bool,
}

impl Policies {
    /// Each policy on or off. With both off, nobody can be asked for the system.
    #[must_use]
    pub const fn new(pin: bool, passwordless: bool) -> Self {
        Self { pin, passwordless }
    }

    /// Both policies on.
    #[must_use]
    pub const fn both() -> Self {
        Self::new(true, true)
    }

    /// Whether `method` is on.
    #[must_use]
    pub const fn allow(self, method: Method) -> bool {
        match method {
            Method::Pin => self.pin,
            Method::Passwordless => self.passwordless,
        }
    }
}

/// Something that users want to reach.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct System {
    /// Its name in the v1 API.
    pub name: String,
    /// Which methods its users can be assigned.
    pub policies: Policies,
    /// Whether a check has to name its challenge by `txn`.
    pub requires_txn: bool,
}

impl System {
    /// A system of 1..=64 characters, without control characters. Its checks need no `txn`: clients of the original API
    /// know none.
    #[must_use]
    pub fn new(name: impl Into<String>, policies: Policies) -> Self {
        Self { name: name.into(), policies, requires_txn: false }
    }
}

/// A system as `/v1/admin` shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = System)]
pub(crate) struct SystemFields {
    /// What it is called.
    name: String,
    /// Whether users can be assigned the method `pin`.
    pin: bool,
    /// Whether users can be assigned the method `passwordless`.
    passwordless: bool,
    /// Whether a check has to name its challenge by `txn`.
    requires_txn: bool,
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Policies { pin, passwordless } = self.policies;
        let (name, requires_txn) = (self.name.clone(), self.requires_txn);
        SystemFields { name, pin, passwordless, requires_txn }.serialize(serializer)
    }
}

/// A way to a user.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Contact {
    /// Whether the address is one of e-mail or a number.
    #[serde(serialize_with = "channel")]
    #[schema(value_type = ChannelWord)]
    pub channel: Channel,
    /// A bare e-mail address, or a telephone number in E.164 form.
    pub address: String,
}

/// A user to add: an `authid` and at least one address.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub(crate) auth_id: String,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) locale: String,
    pub(crate) disabled: Option<bool>,
    pub(crate) assignments: Option<Vec<Assignment>>,
}

impl NewUser {
    /// A user of 1..=255 characters, without control characters.
    #[must_use]
    pub fn new(auth_id: impl Into<String>) -> Self {
        Self {
            auth_id: auth_id.into(),
            contacts: Vec::new(),
            locale: String::new(),
            disabled: None,
            assignments: None,
        }
    }

    /// A bare e-mail address, without a display name. Contacts are tried in the order in which they are added; there
    /// are 1..=8.
    #[must_use]
    pub fn email(self, address: impl Into<String>) -> Self {
        self.contact(Channel::Email, address)
    }

    /// A telephone number in E.164 form: `+` and 7..=15 digits.
    #[must_use]
    pub fn sms(self, number: impl Into<String>) -> Self {
        self.contact(Channel::Sms, number)
    }

    /// The language of messages, such as `de` (RFC 5646); without, it is English.
    #[must_use]
    pub fn locale(mut self, tag: impl Into<String>) -> Self {
        self.locale = tag.into();
        self
    }

    /// Whether he is refused like an unknown user. Unless this is called, that stays as it is: off for a new user.
    #[must_use]
    pub const fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = Some(disabled);
        self
    }

    /// Exactly these assignments: those to other systems are taken away. Unless this is called, they stay as they are.
    #[must_use]
    pub fn assignments(mut self, assignments: impl IntoIterator<Item = Assignment>) -> Self {
        self.assignments = Some(assignments.into_iter().collect());
        self
    }

    pub(crate) fn contact(mut self, channel: Channel, address: impl Into<String>) -> Self {
        self.contacts.push(Contact { channel, address: address.into() });
        self
    }
}

/// Somebody, or something, that can be asked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct User {
    /// The `authid` of the v1 API.
    #[serde(rename = "authid")]
    pub auth_id: String,
    /// Where messages go: to the first of them that limits allow.
    pub contacts: Vec<Contact>,
    /// The language of messages; empty: English.
    pub locale: String,
    /// A disabled user is refused like an unknown one.
    pub disabled: bool,
    /// One method for each system, by the system's name.
    pub assignments: Vec<Assignment>,
}

/// How a user is asked for a system.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Assignment {
    /// The name of the system.
    pub system: String,
    /// How the user is asked.
    #[serde(serialize_with = "method")]
    #[schema(value_type = MethodWord)]
    pub method: Method,
}

impl Assignment {
    /// To the system of that name.
    #[must_use]
    pub fn new(system: impl Into<String>, method: Method) -> Self {
        Self { system: system.into(), method }
    }
}

/// What is kept of an API key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct ApiKey {
    /// Where it is in a list.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) id: i64,
    /// What it was called.
    pub name: String,
    /// The part of the key that is no secret, after `fsk_`.
    pub prefix: String,
    /// What it is for.
    #[schema(value_type = Vec<ScopeWord>)]
    pub scopes: Scopes,
    /// The only system it is for, if it is not for all.
    pub system: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UnixMillis,
    /// From when on it is refused.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<UnixMillis>,
    /// The last start, PIN or call of `/v1/admin`, to the minute.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<UnixMillis>,
    /// When another one took its name: it is good for 24 hours from then on, at most.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub replaced_at: Option<UnixMillis>,
    /// When it was revoked.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<UnixMillis>,
}

impl ApiKey {
    /// Whether it is neither expired nor revoked.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires| expires > now)
    }

    /// Until when the one lives that takes its place: as long as this one was meant to.
    pub(crate) fn renewed_expiry(&self, now: UnixMillis) -> Option<UnixMillis> {
        let life = self.expires_at?.saturating_since(self.created_at);
        Some(now.saturating_add(life))
    }
}

/// An API key to create.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) system: Option<String>,
    pub(crate) life: Option<Duration>,
}

impl KeyRequest {
    /// A key for starts and checks on all systems, that does not expire. Its name has 1..=64 characters, without
    /// control characters.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), scopes: Scopes::AUTHENTICATE, system: None, life: None }
    }

    /// What it is for, instead.
    #[must_use]
    pub const fn scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// For starts and checks of this system alone. What administers is never limited to one.
    #[must_use]
    pub fn system(mut self, name: impl Into<String>) -> Self {
        self.system = Some(name.into());
        self
    }

    /// It is refused after so long: 1 minute to 10 years.
    #[must_use]
    pub const fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }
}

/// A part of a list, and how to go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// In order. What is added or deleted meanwhile neither repeats nor hides another one.
    pub items: Vec<T>,
    /// What to give for the next part; `None` at the end.
    pub next: Option<String>,
}

/// What became of something that was put.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Change {
    /// There was none.
    Created,
    /// It is another one now.
    Updated,
    /// It was like that already: nothing was written.
    Unchanged,
}

impl Change {
    /// `created`, `updated` or `unchanged`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Which users to list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UserFilter {
    /// Those whose `authid` begins so. Empty: all.
    pub prefix: String,
    /// Only those that are disabled, or only those that are not.
    pub disabled: Option<bool>,
}

/// What an API key is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scopes {
    /// Starts and checks.
    pub authenticate: bool,
    /// Reads what `/v1/admin` administers.
    pub admin_read: bool,
    /// Changes what `/v1/admin` administers.
    pub admin_write: bool,
}

impl Scopes {
    /// Starts and checks, and nothing else: for a system.
    pub const AUTHENTICATE: Self =
        Self { authenticate: true, admin_read: false, admin_write: false };
    /// Reads and changes the directory, and nothing else: for whoever administers.
    pub const ADMIN: Self = Self { authenticate: false, admin_read: true, admin_write: true };
    /// Reads the directory, and nothing else.
    pub const ADMIN_READ: Self = Self { authenticate: false, admin_read: true, admin_write: false };

    /// Whether it is for nothing at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.authenticate && !self.admin_read && !self.admin_write
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.authenticate, "authenticate"),
            (self.admin_read, "admin:read"),
            (self.admin_write, "admin:write"),
        ]
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word))
    }

    /// Words with a space between two, at least one. None other than ours: a scope that is not understood could mean
    /// less than it says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut scopes = Self { authenticate: false, admin_read: false, admin_write: false };
        for word in text.split(' ') {
            match word {
                "authenticate" => scopes.authenticate = true,
                "admin:read" => scopes.admin_read = true,
                "admin:write" => scopes.admin_write = true,
                _ => return None,
            }
        }
        Some(scopes)
    }
}

impl fmt::Display for Scopes {
    /// `authenticate`, `admin:read`, `admin:write`, with a space between two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for word in self.words() {
            write!(f, "{space}{word}")?;
            space = " ";
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    /// A list of words.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// What an account spends on SMS unless it is told otherwise, in messages a day.
pub(crate) const SMS_DAILY_BUDGET: u32 = 1_000;

fn method<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

fn channel<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.as_str())
}

/// RFC 3339, in UTC.
pub(super) fn moment<S: Serializer>(moment: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    optional_moment(&Some(*moment), serializer)
}

pub(super) fn optional_moment<S: Serializer>(
    moment: &Option<UnixMillis>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let moment = moment.and_then(|at| Timestamp::from_millisecond(at.as_millis()).ok());
    moment.map(|at| at.to_string()).serialize(serializer)
}
