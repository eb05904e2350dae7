use std::fmt;

use crate::{Channel, Method, UnixMillis};

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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct System {
    /// Its name in the v1 API.
    pub name: String,
    /// Which methods its users can be assigned.
    pub policies: Policies,
    /// Whether a check has to name its challenge by `txn`.
    pub requires_txn: bool,
}

/// A way to a user.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Contact {
    /// Whether the address is one of e-mail or a number.
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
}

impl NewUser {
    /// A user of 1..=255 characters, without control characters.
    #[must_use]
    pub fn new(auth_id: impl Into<String>) -> Self {
        Self { auth_id: auth_id.into(), contacts: Vec::new(), locale: String::new() }
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

    fn contact(mut self, channel: Channel, address: impl Into<String>) -> Self {
        self.contacts.push(Contact { channel, address: address.into() });
        self
    }
}

/// Somebody, or something, that can be asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// The `authid` of the v1 API.
    pub auth_id: String,
    /// Where messages go: to the first of them that limits allow.
    pub contacts: Vec<Contact>,
    /// The language of messages; empty: English.
    pub locale: String,
    /// A disabled user is refused like an unknown one.
    pub disabled: bool,
    /// One method for each system.
    pub assignments: Vec<Assignment>,
}

/// How a user is asked for a system.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Assignment {
    /// The name of the system.
    pub system: String,
    /// How the user is asked.
    pub method: Method,
}

/// What is kept of an API key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiKey {
    /// What it was called.
    pub name: String,
    /// The part of the key that is no secret.
    pub prefix: String,
    /// What it is for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// The last start or PIN, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
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
        let words = [
            (self.authenticate, "authenticate"),
            (self.admin_read, "admin:read"),
            (self.admin_write, "admin:write"),
        ];
        let mut space = "";
        for (has, word) in words {
            if has {
                write!(f, "{space}{word}")?;
                space = " ";
            }
        }
        Ok(())
    }
}

/// What an account spends on SMS unless it is told otherwise, in messages a day.
pub(crate) const SMS_DAILY_BUDGET: u32 = 1_000;

/// A dialling prefix: `+` and 1..=7 digits.
pub(crate) fn validate_country(prefix: &str) -> bool {
    prefix.strip_prefix('+').is_some_and(|digits| {
        (1..=7).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// A language tag of RFC 5646, as far as it matters here.
pub(crate) fn validate_locale(tag: &str) -> bool {
    tag.len() <= 35
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Of an account, a system or an API key.
pub(crate) fn validate_name(name: &str) -> bool {
    is_plain(name, 64) && !name.is_empty()
}

pub(crate) fn validate_auth_id(auth_id: &str) -> bool {
    is_plain(auth_id, 255) && !auth_id.is_empty()
}

/// An empty operation is none.
pub(crate) fn validate_operation(operation: &str) -> bool {
    is_plain(operation, 256)
}

/// The numbers of E.164.
pub(crate) fn validate_sms(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// The address type of the mail library refuses line breaks; its display names are not asked for.
pub(crate) fn validate_email(address: &str) -> bool {
    is_plain(address, 254) && address.parse::<lettre::Address>().is_ok()
}

/// Shown to people, who decide by it: nothing may break a line or reverse what is read.
fn is_plain(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(misleads)
}

fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}'
        )
}
