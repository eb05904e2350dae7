//! Mail through a relay.
//!
//! | file | role |
//! | --- | --- |
//! | `settings` | which relay, as the configuration says |
//! | `relay` | how to get to it, and the sessions that are kept |
//! | `session` | the steps of a hand-over |
//! | `failure` | what a failure at a step means |

mod failure;
mod relay;
mod session;
mod settings;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use lettre::{
    Address,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use secrecy::SecretString;

pub use self::settings::{MailSettings, SmtpConfigError};
use self::settings::{Parsed, parse};
use super::{Accepted, Channel, Delivery, DeliveryError, Message, ProviderName};

/// Sends e-mail through a relay. It carries no SMS.
///
/// `smtp://` demands STARTTLS, unless the host is loopback; `smtps://` is TLS from the first byte. A certificate that
/// is not right for the host ends it before anything is said.
#[derive(Clone)]
pub struct Smtp(Arc<Parsed>);

impl Smtp {
    /// `url` is `smtp[s]://[user:password@]host[:port]`; `from` an address, with or without a display name.
    ///
    /// # Errors
    /// Either is malformed, or the host's name can't be verified by TLS.
    pub fn new(url: &str, from: &str) -> Result<Self, SmtpConfigError> {
        Self::from_settings(MailSettings::new(SecretString::from(url), from))
    }

    /// As the configuration says.
    ///
    /// # Errors
    /// A setting is malformed, or a file that it names can't be used.
    pub fn from_settings(settings: MailSettings) -> Result<Self, SmtpConfigError> {
        parse(settings).map(|parsed| Self(Arc::new(parsed)))
    }

    fn write(&self, message: &Message, id: &str) -> Result<lettre::Message, MailError> {
        let to: Address = message.to().parse().map_err(|_| MailError::Address)?;
        let header = |name, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        lettre::Message::builder()
            .from(self.0.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{id}>")))
            // RFC 3834: so that no absence notice answers it.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", message.language()))
            .subject(message.subject())
            .header(ContentType::TEXT_PLAIN)
            .body(message.text().to_owned())
            .map_err(|_| MailError::Mail)
    }
}

/// Why there is nothing to send. What the mail library says of it may repeat an address.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum MailError {
    #[error("the recipient's address is malformed")]
    Address,
    #[error("the mail could not be put together")]
    Mail,
}

#[async_trait]
impl Delivery for Smtp {
    fn name(&self) -> &ProviderName {
        &self.0.name
    }

    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Email
    }

    async fn deliver(&self, message: &Message) -> Result<Accepted, DeliveryError> {
        let id = format!("{}@{}", message.reference(), self.0.from.email.domain());
        let mail = self.write(message, &id).map_err(|error| match error {
            MailError::Address => DeliveryError::unreachable(error),
            MailError::Mail => DeliveryError::refused(error),
        })?;
        let text = String::from_utf8(mail.formatted())
            .map_err(|_| DeliveryError::refused(MailError::Mail))?;
        self.0.relay.send(mail.envelope(), &text).await?;
        Ok(Accepted::with_reference(id))
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        self.0.relay.check().await
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("name", &self.0.name.as_str()).finish_non_exhaustive()
    }
}
