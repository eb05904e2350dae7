//! How a message reaches its user.

mod dispatcher;
mod inbox;
mod message;
mod smtp;

use std::fmt;

use async_trait::async_trait;

pub(crate) use self::{
    dispatcher::{Dispatcher, Letter},
    message::{Content, MessageText},
};
pub use self::{
    inbox::Inbox,
    message::{Channel, Message},
    smtp::{Smtp, SmtpConfigError},
};

/// Takes messages to users, off the path of any response.
///
/// A message is handed over once and never again by itself: after an error the user may ask for another one.
#[async_trait]
pub trait Delivery: fmt::Debug + Send + Sync + 'static {
    /// Whether messages can go this way. What can't is not handed over, and the audit trail says so.
    fn carries(&self, channel: Channel) -> bool;

    /// Hands one message over. The text holds a PIN or a link: it must not be logged.
    ///
    /// # Errors
    /// It was not accepted, or that is not known.
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError>;

    /// Whether messages could be handed over now, as far as that can be told without handing one over.
    ///
    /// # Errors
    /// They could not, for a reason that tells neither address nor password.
    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// A message was not handed over, or that is not known.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be delivered")]
pub struct DeliveryError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl DeliveryError {
    /// What went wrong. It is logged, so it must tell neither address nor text.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
