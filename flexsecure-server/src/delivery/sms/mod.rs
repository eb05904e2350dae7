//! SMS through a gateway over HTTP.
//!
//! | file | role |
//! | --- | --- |
//! | `settings` | which gateway, as the configuration and the presets say |
//! | `body` | what a request says |
//! | `answer` | what an answer means |
//! | `resolver` | where its host is, and may be |
//! | `request` | how a request is addressed, authenticated and signed |

mod answer;
mod body;
mod request;
mod resolver;
mod settings;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{Response, header::RETRY_AFTER};
use secrecy::ExposeSecret as _;
use serde_json::Value;

pub use self::settings::{AnswerSettings, SmsConfigError, SmsMethod, SmsPreset, SmsSettings};
use self::{
    answer::{Answer, AnswerRules},
    body::{BodyTemplate, BodyValues},
    request::{Check, Requests},
};
use super::{
    Accepted, Channel, Delivery, DeliveryError, DeliveryErrorKind, Message, ProviderName,
    SigningSecret, settings::secret,
};
use crate::{Clock as _, SystemClock};

/// Sends SMS through a gateway over HTTP. It carries no e-mail.
///
/// Redirects are not followed, and the URL is that of the configuration: nobody's text gets into it. Its host is nowhere
/// link-local. Each message has a
/// connection of its own, for one that a gateway ends while it is written to leaves open whether it was read.
#[derive(Clone)]
pub struct SmsGateway(Arc<Gateway>);

struct Gateway {
    name: ProviderName,
    from: Option<String>,
    body: BodyTemplate,
    rules: AnswerRules,
    requests: Requests,
    receipt_secrets: Vec<SigningSecret>,
}

impl SmsGateway {
    /// As the configuration says.
    ///
    /// # Errors
    /// A setting is missing or malformed, or a file that it names can't be used.
    pub fn from_settings(settings: SmsSettings) -> Result<Self, SmsConfigError> {
        let settings = settings.with_preset()?;
        if settings.preset == Some(SmsPreset::Webhook)
            && settings.signing_secret.is_none()
            && settings.signing_secret_file.is_none()
        {
            return Err(SmsConfigError::Missing { name: "signing_secret" });
        }
        let requests = Requests::new(&settings)?;
        let receipt_secrets = receipt_secrets(&settings)?;
        let body = settings.body.ok_or(SmsConfigError::Missing { name: "body" })?;
        let body = BodyTemplate::parse(body).map_err(SmsConfigError::Body)?;
        try_out(&body, settings.from.as_deref(), requests.is_json())?;
        for (name, pointer) in [
            ("reference", settings.reference.as_deref()),
            ("answer.at", settings.answer.as_ref().map(|answer| answer.at.as_str())),
        ] {
            if pointer.is_some_and(|pointer| !pointer.starts_with('/')) {
                return Err(SmsConfigError::Pointer { name });
            }
        }
        Ok(Self(Arc::new(Gateway {
            name: settings.name.unwrap_or_else(|| ProviderName::builtin("sms")),
            from: settings.from,
            body,
            rules: AnswerRules {
                accepted_statuses: settings.accepted_statuses.unwrap_or_default(),
                reference: settings.reference,
                answer: settings.answer,
            },
            requests,
            receipt_secrets,
        })))
    }
}

fn receipt_secrets(settings: &SmsSettings) -> Result<Vec<SigningSecret>, SmsConfigError> {
    let slots = [
        ("receipt_secret", &settings.receipt_secret, &settings.receipt_secret_file),
        (
            "former_receipt_secret",
            &settings.former_receipt_secret,
            &settings.former_receipt_secret_file,
        ),
    ];
    let mut secrets = Vec::new();
    for (name, value, file) in slots {
        if let Some(text) = secret(name, value.clone(), file.as_deref())? {
            secrets.push(SigningSecret::parse(text.expose_secret())?);
        }
    }
    Ok(secrets)
}

/// What is wrong with a body shows before anybody waits for a PIN.
fn try_out(body: &BodyTemplate, from: Option<&str>, is_json: bool) -> Result<(), SmsConfigError> {
    let text = "\"1\\ & {x}\n@host #12345678";
    let values =
        BodyValues { to: "+41790000001", text, from, reference: "reference", language: "en" };
    let rendered = body.render(&values).map_err(SmsConfigError::Body)?;
    if is_json && serde_json::from_str::<Value>(&rendered).is_err() {
        return Err(SmsConfigError::NoJson);
    }
    Ok(())
}

#[async_trait]
impl Delivery for SmsGateway {
    fn name(&self) -> &ProviderName {
        &self.0.name
    }

    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Sms
    }

    fn receipt_secrets(&self) -> &[SigningSecret] {
        &self.0.receipt_secrets
    }

    async fn deliver(&self, message: &Message) -> Result<Accepted, DeliveryError> {
        let Gateway { from, body, rules, requests, .. } = &*self.0;
        let values = BodyValues {
            to: message.to(),
            text: message.text(),
            from: from.as_deref(),
            reference: message.reference(),
            language: message.language(),
        };
        // What the template engine says of it might repeat the text.
        let body =
            body.render(&values).map_err(|_| DeliveryError::refused("the body is broken"))?;
        let request = requests.message(body, message.reference(), SystemClock.now());
        let response = request.send().await.map_err(|error| failure(&error))?;
        let answer = read(response, SystemClock.now().as_millis()).await;
        let accepted = rules.judge(&answer).map_err(|kind| {
            DeliveryError::new(kind, format!("the SMS gateway answered {}", answer.status))
        })?;
        Ok(match accepted.reference() {
            Some(_) => accepted,
            // It knows the message by this one, if by any.
            None => Accepted::with_reference(message.reference()),
        })
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        let (request, check) = self.0.requests.check();
        let response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        if check == Check::Connection || status.is_success() {
            return Ok(());
        }
        let answer = Answer { status: status.as_u16(), retry_after: None, body: None };
        let kind = self.0.rules.judge(&answer).err().unwrap_or(DeliveryErrorKind::Refused);
        Err(DeliveryError::new(kind, format!("the SMS gateway answered {status} to the check")))
    }
}

/// Without a connection nothing has gone out. With one, the request was on its way.
fn failure(error: &reqwest::Error) -> DeliveryError {
    if error.is_connect() {
        // Its sources tell of names, addresses and certificates, and of no request.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        return DeliveryError::busy(format!("the SMS gateway can't be reached: {cause}"));
    }
    if error.is_timeout() {
        return DeliveryError::unknown("the SMS gateway did not answer in time");
    }
    DeliveryError::unknown("the SMS gateway broke off")
}

/// Reads no more than an answer can sensibly have. What is lost of it is not needed for its status.
async fn read(mut response: Response, now: i64) -> Answer {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| wait(value, now));
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    let body = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len().saturating_add(chunk.len()) <= LARGEST_ANSWER => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(None) => break serde_json::from_slice(&bytes).ok(),
            Ok(Some(_)) | Err(_) => break None,
        }
    };
    Answer { status, retry_after, body }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn wait(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0)))
}

impl fmt::Debug for SmsGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsGateway").field("name", &self.0.name.as_str()).finish_non_exhaustive()
    }
}

/// In bytes.
const LARGEST_ANSWER: usize = 64 * 1024;
