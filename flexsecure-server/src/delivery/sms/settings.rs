use std::{collections::BTreeMap, path::PathBuf};

use flexsecure_core::page::TemplateError;
use secrecy::SecretString;
use serde::Deserialize;

use crate::delivery::{ProviderName, settings::SettingsFileError, webhook::SigningSecretError};

/// An SMS gateway over HTTP, as the configuration describes it.
///
/// A [`preset`](Self::preset) says the same in these settings, for a provider that is known; what is set beside it
/// counts more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SmsSettings {
    /// What it is called in the audit trail and in metrics; else as the preset, or `sms`.
    pub name: Option<ProviderName>,
    /// The provider, if it is a known one.
    pub preset: Option<SmsPreset>,
    /// Where messages are handed over: `https`, or `http` on loopback. Nothing of a message gets into it. `{account}`
    /// stands for [`account`](Self::account).
    pub url: Option<String>,
    /// `POST`, if nothing else is said, or `PUT`.
    pub method: Option<SmsMethod>,
    /// The account at the provider: letters, digits, `.`, `-` and `_`.
    pub account: Option<String>,
    /// The user of HTTP's basic authentication; the account, if there is a password and nothing else is said.
    pub user: Option<String>,
    /// The password of basic authentication.
    pub password: Option<SecretString>,
    /// A file with the password as its only line.
    pub password_file: Option<PathBuf>,
    /// What stands in the header `Authorization`, after its scheme.
    pub token: Option<SecretString>,
    /// A file with the token as its only line.
    pub token_file: Option<PathBuf>,
    /// The scheme of the token: `Bearer`, if nothing else is said.
    pub token_scheme: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, SecretString>,
    /// Further headers, each with a file that has the value as its only line.
    pub header_files: BTreeMap<String, PathBuf>,
    /// Signs each request as Standard Webhooks has it: `whsec_` and base64.
    pub signing_secret: Option<SecretString>,
    /// A file with the signing secret as its only line.
    pub signing_secret_file: Option<PathBuf>,
    /// With which receipts are signed, as Standard Webhooks has it: `whsec_` and base64. Without, none is believed.
    pub receipt_secret: Option<SecretString>,
    /// A file with the secret of receipts as its only line.
    pub receipt_secret_file: Option<PathBuf>,
    /// The one before, while it is exchanged.
    pub former_receipt_secret: Option<SecretString>,
    /// A file with the one before as its only line.
    pub former_receipt_secret_file: Option<PathBuf>,
    /// The sender: a number or a name.
    pub from: Option<String>,
    /// The media type of the body: `application/json`, if nothing else is said.
    pub content_type: Option<String>,
    /// The body: a minijinja template of `to`, `text`, `from`, `reference` and `language`, each with the filter `json`
    /// or `form`.
    pub body: Option<String>,
    /// Which statuses say that the message was taken: all from 200 to 299, if nothing else is said.
    pub accepted_statuses: Option<Vec<u16>>,
    /// Where in a JSON answer the provider's name of the message stands: a JSON pointer (RFC 6901).
    pub reference: Option<String>,
    /// A word of a JSON answer that tells more than its status.
    pub answer: Option<AnswerSettings>,
    /// What a check asks for, by `GET` and with the same authentication; it has to be answered by 200 to 299. Without
    /// it a check only connects.
    pub check_url: Option<String>,
    /// A file (PEM) with certificates to be trusted beside those of the public authorities.
    pub root_certificate_file: Option<PathBuf>,
}

/// A word of a JSON answer that tells more than its status. A number counts as its digits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AnswerSettings {
    /// Where it stands: a JSON pointer (RFC 6901).
    pub at: String,
    /// If this is not empty, a message was taken only where one of these stands.
    pub accepted: Vec<String>,
    /// Which say that nothing was taken, whatever the status.
    pub refused: Vec<String>,
    /// Which say that nothing was taken, because nobody is reached at this number.
    pub unreachable: Vec<String>,
}

/// How a message is handed over. There is no `GET`: it would write PINs into URLs, and so into logs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum SmsMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// A provider whose settings are known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SmsPreset {
    /// The Messages resource of Twilio's API of 2010-04-01: `account`, `password`, `from`.
    Twilio,
    /// Version 1 of Vonage's Messages API: `user`, `password`, `from`.
    Vonage,
    /// The REST API of MessageBird: `token`, `from`.
    #[serde(rename = "messagebird")]
    MessageBird,
    /// A gateway of your own: `url`, `signing_secret`.
    Webhook,
}

impl SmsPreset {
    const fn json(self) -> &'static str {
        match self {
            Self::Twilio => include_str!("presets/twilio.json"),
            Self::Vonage => include_str!("presets/vonage.json"),
            Self::MessageBird => include_str!("presets/messagebird.json"),
            Self::Webhook => include_str!("presets/webhook.json"),
        }
    }

    fn settings(self) -> Result<SmsSettings, SmsConfigError> {
        serde_json::from_str(self.json()).map_err(SmsConfigError::Preset)
    }
}

impl SmsSettings {
    /// What is not said here as the preset has it.
    pub(super) fn with_preset(self) -> Result<Self, SmsConfigError> {
        let preset = match self.preset {
            Some(preset) => preset.settings()?,
            None => Self::default(),
        };
        let mut headers = preset.headers;
        headers.extend(self.headers);
        Ok(Self {
            name: self.name.or(preset.name),
            preset: self.preset,
            url: self.url.or(preset.url),
            method: self.method.or(preset.method),
            account: self.account,
            user: self.user,
            password: self.password,
            password_file: self.password_file,
            token: self.token,
            token_file: self.token_file,
            token_scheme: self.token_scheme.or(preset.token_scheme),
            headers,
            header_files: self.header_files,
            signing_secret: self.signing_secret,
            signing_secret_file: self.signing_secret_file,
            receipt_secret: self.receipt_secret,
            receipt_secret_file: self.receipt_secret_file,
            former_receipt_secret: self.former_receipt_secret,
            former_receipt_secret_file: self.former_receipt_secret_file,
            from: self.from,
            content_type: self.content_type.or(preset.content_type),
            body: self.body.or(preset.body),
            accepted_statuses: self.accepted_statuses.or(preset.accepted_statuses),
            reference: self.reference.or(preset.reference),
            answer: self.answer.or(preset.answer),
            check_url: self.check_url.or(preset.check_url),
            root_certificate_file: self.root_certificate_file,
        })
    }
}

/// Why the settings of an SMS gateway can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmsConfigError {
    /// It needs this setting.
    #[error("an SMS gateway needs the setting {name}")]
    Missing {
        /// The setting.
        name: &'static str,
    },
    /// It is no absolute URL, or has a user, a password or a fragment.
    #[error("{name} must be like https://sms.example.com/send, without user and fragment")]
    Url {
        /// The setting.
        name: &'static str,
    },
    /// PINs and passwords would be readable on their way.
    #[error("{name} must be https, unless its host is loopback")]
    Insecure {
        /// The setting.
        name: &'static str,
    },
    /// There a cloud gives its machines their credentials, and nobody has a gateway.
    #[error("the host of {name} must not be link-local (169.254.0.0/16, fe80::/10)")]
    LinkLocal {
        /// The setting.
        name: &'static str,
    },
    /// It would change the path of the URL.
    #[error("account must be letters, digits, '.', '-' and '_'")]
    Account,
    /// It can't stand in a header.
    #[error("the header {name} is malformed")]
    Header {
        /// The header.
        name: String,
    },
    /// There can be only one header `Authorization`.
    #[error("a password and a token can't both be set, and a password needs user or account")]
    Authentication,
    /// It is none of RFC 6901.
    #[error("{name} must be a JSON pointer like /messages/0/id")]
    Pointer {
        /// The setting.
        name: &'static str,
    },
    /// The template of the body can't be read, or uses what there is not.
    #[error("the body can't be used: {0}")]
    Body(#[source] TemplateError),
    /// What comes of the template is no JSON, although the media type says so.
    #[error("the body is no JSON: every value needs the filter json")]
    NoJson,
    /// It can't sign.
    #[error(transparent)]
    Signing(#[from] SigningSecretError),
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] SettingsFileError),
    /// A certificate is malformed, or there is no TLS.
    #[error("TLS can't be set up for the SMS gateway")]
    Tls(#[source] reqwest::Error),
    /// A preset of this program is broken.
    #[error("the preset can't be read")]
    Preset(#[source] serde_json::Error),
}
