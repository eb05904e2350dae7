use crate::{Method, UnixMillis};

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
}

/// A user to add: an `authid` and at least one address.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub(crate) auth_id: String,
    pub(crate) email: Option<String>,
    pub(crate) sms: Option<String>,
}

impl NewUser {
    /// A user of 1..=255 characters, without control characters.
    #[must_use]
    pub fn new(auth_id: impl Into<String>) -> Self {
        Self { auth_id: auth_id.into(), email: None, sms: None }
    }

    /// A bare e-mail address, without a display name.
    #[must_use]
    pub fn email(mut self, address: impl Into<String>) -> Self {
        self.email = Some(address.into());
        self
    }

    /// A telephone number in E.164 form: `+` and 7..=15 digits. Used where there is no e-mail address.
    #[must_use]
    pub fn sms(mut self, number: impl Into<String>) -> Self {
        self.sms = Some(number.into());
        self
    }
}

/// Somebody, or something, that can be asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// The `authid` of the v1 API.
    pub auth_id: String,
    /// Where messages go.
    pub email: Option<String>,
    /// Where messages go if there is no e-mail address.
    pub sms: Option<String>,
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
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// The last start or PIN, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
}

/// Of a system or an API key.
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
