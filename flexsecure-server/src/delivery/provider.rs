use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;

use super::{Channel, Message, SigningSecret};

/// A provider: what takes messages off to users, such as a mail relay or an SMS gateway.
///
/// One message is handed to one provider at a time, and the next one is tried only after an error whose
/// [kind](DeliveryError::kind) says that nothing was taken. So an error has to be honest: when in doubt, it is
/// [`Unknown`](DeliveryErrorKind::Unknown).
///
/// A provider keeps the time itself, for only it knows how far it has come. As long as it has handed nothing over, it
/// gives up after 5 s, as [`Busy`](DeliveryErrorKind::Busy). After that it may wait 15 s more, and is then
/// [`Unknown`](DeliveryErrorKind::Unknown). After 30 s it is no longer listened to, which counts as unknown too.
#[async_trait]
pub trait Delivery: fmt::Debug + Send + Sync + 'static {
    /// What it is called in the audit trail and in metrics.
    fn name(&self) -> &ProviderName;

    /// Whether messages can go this way. What can't is not handed over.
    fn carries(&self, channel: Channel) -> bool;

    /// Hands one message over. The text holds a PIN or a link: it must not be logged.
    ///
    /// # Errors
    /// It was not taken, or that is not known: the kind tells which.
    async fn deliver(&self, message: &Message) -> Result<Accepted, DeliveryError>;

    /// With which its receipts are signed; none, if it sends none. While one is exchanged, both count.
    fn receipt_secrets(&self) -> &[SigningSecret] {
        &[]
    }

    /// Connects and authenticates, as far as that is possible without sending anything.
    ///
    /// # Errors
    /// What a message would meet with.
    async fn check(&self) -> Result<(), DeliveryError>;
}

/// What a provider is called: 1 to 32 lower-case letters, digits and hyphens. It comes from the configuration alone, so
/// that it can label metrics.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct ProviderName(String);

impl ProviderName {
    /// Takes a name as it is.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn parse(name: &str) -> Result<Self, ProviderNameError> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&name.len()) && name.bytes().all(is_plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(ProviderNameError)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that comes with the program.
    pub(super) fn builtin(name: &'static str) -> Self {
        debug_assert!(Self::parse(name).is_ok());
        Self(name.to_owned())
    }
}

impl TryFrom<String> for ProviderName {
    type Error = ProviderNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// It is no name for a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a provider must be called by 1 to 32 lower-case letters, digits and hyphens")]
#[non_exhaustive]
pub struct ProviderNameError;

/// A provider has taken a message. Whether it arrives is another matter: a [`Receipt`](super::Receipt) may tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accepted {
    reference: Option<String>,
}

impl Accepted {
    /// Without a word that receipts could refer to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the provider calls the message in its receipts. It is kept if it is 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn with_reference(reference: impl Into<String>) -> Self {
        Self { reference: Some(reference.into()).filter(|it| is_reference(it)) }
    }

    /// What the provider calls the message in its receipts, if it said so.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }
}

/// It goes into the database and the logs.
pub(super) fn is_reference(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A message was not handed over, or that is not known.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be delivered ({})", kind.as_str())]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DeliveryError {
    /// What went wrong. It is logged, so `source` must tell neither address nor text nor password.
    pub fn new(
        kind: DeliveryErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, source: source.into() }
    }

    /// [`DeliveryErrorKind::Refused`].
    pub fn refused(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(DeliveryErrorKind::Refused, source)
    }

    /// [`DeliveryErrorKind::Busy`], without a word on when it is over.
    pub fn busy(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(DeliveryErrorKind::Busy { retry_after: None }, source)
    }

    /// [`DeliveryErrorKind::Unreachable`].
    pub fn unreachable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(DeliveryErrorKind::Unreachable, source)
    }

    /// [`DeliveryErrorKind::Unknown`].
    pub fn unknown(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(DeliveryErrorKind::Unknown, source)
    }

    /// Whether anything may have been taken, and what can be done.
    #[must_use]
    pub fn kind(&self) -> DeliveryErrorKind {
        self.kind
    }
}

/// Whether anything may have been taken, and what can be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// Nothing was taken: the provider said no, to the sender, the password or the request. Another provider may take
    /// it, or this one later.
    Refused,
    /// Nothing was taken: the provider can't be reached, or has no time.
    Busy {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nothing was taken: the provider says that nobody is to be reached at this address or number. No further attempt
    /// would help.
    Unreachable,
    /// It may have been taken: the connection broke, or no answer came, after the message had gone out. It is not
    /// handed over again, for the user would get it twice.
    Unknown,
}

impl DeliveryErrorKind {
    /// A word for the audit trail and for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Busy { .. } => "busy",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_for_a_label() {
        for good in ["a", "twilio", "relay-2", &"x".repeat(32)] {
            assert_eq!(ProviderName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Twilio", "a b", "a_b", "a\n", "é", "a\"} 1\n", &"x".repeat(33)] {
            assert_eq!(ProviderName::parse(bad), Err(ProviderNameError), "{bad:?}");
            assert!(serde_json::from_value::<ProviderName>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_reference_that_would_spoil_a_log_is_dropped() {
        assert_eq!(Accepted::with_reference("SM-1/2").reference(), Some("SM-1/2"));
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert_eq!(Accepted::with_reference(bad).reference(), None, "{bad:?}");
        }
    }
}
