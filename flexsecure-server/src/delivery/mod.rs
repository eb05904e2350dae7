//! How a message is written, and handed to a provider that takes it to its user.
//!
//! | file | role |
//! | --- | --- |
//! | `draft` | what a message says, rendered in the user's language |
//! | `message` | one message as providers get it |
//! | `provider` | what a provider is, and how it says what became of a message |
//! | `providers` | which provider is asked, and what follows from its answer |
//! | `schedule`, `breaker` | when it is tried again, and who is tried last |
//! | `smtp` | mail through a relay |
//! | `sms` | SMS through a gateway over HTTP |
//! | `webhook` | signatures and receipts as Standard Webhooks has them |
//! | `settings` | secrets and certificates that settings name files of |
//! | `inbox` | messages in memory, for demonstrations and tests |
//! | `courier` | takes messages out of the outbox and sees them off |

mod breaker;
mod courier;
mod draft;
mod inbox;
mod message;
mod provider;
mod providers;
mod schedule;
mod settings;
mod sms;
mod smtp;
#[cfg(test)]
mod tests;
mod webhook;

pub(crate) use self::{
    courier::{Courier, Work},
    draft::{Addressee, Draft, check as check_drafts, samples},
    message::Content,
    providers::{Outcome, Providers},
};
pub use self::{
    inbox::Inbox,
    message::{Channel, Message},
    provider::{
        Accepted, Delivery, DeliveryError, DeliveryErrorKind, ProviderName, ProviderNameError,
    },
    settings::SettingsFileError,
    sms::{AnswerSettings, SmsConfigError, SmsGateway, SmsMethod, SmsPreset, SmsSettings},
    smtp::{MailSettings, Smtp, SmtpConfigError},
    webhook::{Receipt, ReceiptError, ReceiptStatus, SigningSecret, SigningSecretError},
};
