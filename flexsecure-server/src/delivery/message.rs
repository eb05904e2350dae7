use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::Method;

/// The way to a user.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Channel {
    /// To an e-mail address.
    Email,
    /// To a telephone number.
    Sms,
}

impl Channel {
    /// `email` or `sms`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|channel| channel.as_str() == text)
    }
}

/// What one user is sent: a PIN, a link, or word that somebody is guessing. It lives in memory only.
#[derive(Clone)]
pub struct Message {
    pub(super) reference: String,
    pub(super) to: String,
    pub(super) channel: Channel,
    pub(super) system: String,
    pub(super) content: Content,
    pub(super) language: String,
    pub(super) subject: String,
    pub(super) text: SecretString,
}

/// What a message carries.
#[derive(Clone)]
pub(crate) enum Content {
    Pin(SecretString),
    Link(SecretString),
    /// Word of wrong PINs, and no secret.
    Alert,
}

impl Content {
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Pin(secret) | Self::Link(secret) => secret.expose_secret(),
            Self::Alert => "",
        }
    }
}

impl Message {
    /// What the authority calls it: the same whoever is asked to take it, and however often. 1 to 64 letters, digits,
    /// `-` and `_`.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The address or number.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The way it goes.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The system that the user is to reach.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The language of the text (BCP 47).
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// One line, the same for every message in a language: no text of anybody's gets into a header.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// How the user is asked. Where it tells of wrong PINs, that is by PIN.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.content {
            Content::Pin(_) | Content::Alert => Method::Pin,
            Content::Link(_) => Method::Passwordless,
        }
    }

    /// The 8 digits, if it carries a PIN.
    #[must_use]
    pub fn pin(&self) -> Option<&str> {
        match &self.content {
            Content::Pin(pin) => Some(pin.expose_secret()),
            Content::Link(_) | Content::Alert => None,
        }
    }

    /// The URL, if it carries a link.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        match &self.content {
            Content::Pin(_) | Content::Alert => None,
            Content::Link(link) => Some(link.expose_secret()),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("channel", &self.channel)
            .field("system", &self.system)
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}
