use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

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
    pub(super) to: String,
    pub(super) channel: Channel,
    pub(super) system: String,
    pub(super) method: Method,
    pub(super) content: Content,
    pub(super) text: SecretString,
}

#[derive(Clone)]
pub(crate) enum Content {
    Pin(SecretString),
    Link(SecretString),
    /// That there were wrong PINs.
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

/// What the template of a message is filled in with.
#[derive(Serialize)]
pub(crate) struct MessageText<'a> {
    pub(super) system: &'a str,
    /// Empty where there is none.
    pub(super) operation: &'a str,
    pub(super) minutes: u64,
    /// The PIN or the link.
    pub(super) secret: &'a str,
}

impl MessageText<'_> {
    pub(super) const fn template(channel: Channel, content: &Content) -> &'static str {
        match (channel, content) {
            (Channel::Email, Content::Pin(_)) => EMAIL_PIN,
            (Channel::Email, Content::Link(_)) => EMAIL_LINK,
            (Channel::Sms, Content::Pin(_)) => SMS_PIN,
            (Channel::Sms, Content::Link(_)) => SMS_LINK,
            (Channel::Email, Content::Alert) => EMAIL_ALERT,
            (Channel::Sms, Content::Alert) => SMS_ALERT,
        }
    }

    /// Each template, with an operation and without.
    pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Self)> {
        let text = |operation| MessageText { system: "bank", operation, minutes: 5, secret: "s" };
        let both = move |template| ["", "Transfer"].map(|operation| (template, text(operation)));
        [EMAIL_PIN, EMAIL_LINK, EMAIL_ALERT, SMS_PIN, SMS_LINK, SMS_ALERT]
            .into_iter()
            .flat_map(both)
    }
}

impl Message {
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

    /// The same for every message: no text of anybody's gets into a header.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        "Confirm that it is you"
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.expose_secret()
    }

    /// How the user is asked.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
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

const EMAIL_PIN: &str = "email-pin.txt";
const EMAIL_LINK: &str = "email-link.txt";
const EMAIL_ALERT: &str = "email-alert.txt";
const SMS_ALERT: &str = "sms-alert.txt";
const SMS_PIN: &str = "sms-pin.txt";
const SMS_LINK: &str = "sms-link.txt";
