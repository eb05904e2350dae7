use std::path::PathBuf;

use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, TlsParameters},
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::relay::{Relay, Security};
use crate::delivery::{
    ProviderName,
    settings::{SettingsFileError, certificate_file, is_loopback, secret},
};

/// A mail relay, as the configuration describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MailSettings {
    /// What it is called in the audit trail and in metrics; `smtp` if nothing else is said.
    #[serde(default = "default_name")]
    pub name: ProviderName,
    /// `smtp[s]://[user[:password]@]host[:port]`. `smtps` is TLS from the first byte, by default on port 465; `smtp`
    /// is STARTTLS, by default on port 587.
    pub url: SecretString,
    /// The sender: an address, with or without a display name.
    pub from: String,
    /// The password, if it is not in the URL.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// A file with the password as its only line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Whether `smtp` demands STARTTLS, which it does if nothing else is said, unless the host is loopback. Only there
    /// can it be `false`.
    #[serde(default)]
    pub starttls: Option<bool>,
    /// A file (PEM) with certificates to be trusted beside those of the public authorities, such as that of a company.
    #[serde(default)]
    pub root_certificate_file: Option<PathBuf>,
}

impl MailSettings {
    /// A relay called `smtp`, and nothing beyond its URL.
    #[must_use]
    pub fn new(url: impl Into<SecretString>, from: impl Into<String>) -> Self {
        Self {
            name: default_name(),
            url: url.into(),
            from: from.into(),
            password: None,
            password_file: None,
            starttls: None,
            root_certificate_file: None,
        }
    }
}

/// Why the mail settings can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpConfigError {
    /// It is no URL, or has another scheme or no host.
    #[error("the mail relay must be smtp://[user:password@]host[:port] or smtps://…")]
    Url,
    /// It is not an address.
    #[error("the sender must be an address like flexsecure@example.com")]
    From,
    /// A password stands in the URL and beside it, or there is no user that it belongs to.
    #[error(
        "the password of the mail relay must be said once, and its user in the URL: smtp://user@host"
    )]
    Password,
    /// PINs and links would be readable on their way.
    #[error("STARTTLS can only be switched off where the mail relay is on loopback")]
    Insecure,
    /// TLS can't be set up for the host, or with the certificates.
    #[error("TLS can't be set up for the mail relay")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] SettingsFileError),
}

pub(super) struct Parsed {
    pub(super) name: ProviderName,
    pub(super) from: Mailbox,
    pub(super) relay: Relay,
}

pub(super) fn parse(settings: MailSettings) -> Result<Parsed, SmtpConfigError> {
    let from: Mailbox = settings.from.parse().map_err(|_| SmtpConfigError::From)?;
    // The source would repeat parts of the URL, and that may hold a password.
    let url = Url::parse(settings.url.expose_secret()).map_err(|_| SmtpConfigError::Url)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpConfigError::Url)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let extra = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !extra {
        return Err(SmtpConfigError::Url);
    }
    let password = secret("password", settings.password, settings.password_file.as_deref())?;
    let credentials = credentials(&url, password)?;
    let parameters = || {
        let mut builder = TlsParameters::builder(host.clone());
        if let Some(path) = &settings.root_certificate_file {
            let pem = certificate_file(path)?;
            let certificate = Certificate::from_pem(pem.as_bytes()).map_err(tls_error)?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map_err(tls_error)
    };
    let (tls, port) = match (url.scheme(), settings.starttls, is_loopback(&url)) {
        ("smtps", None | Some(true), _) => (Security::Implicit(parameters()?), SUBMISSIONS),
        ("smtp", None | Some(true), false) | ("smtp", Some(true), true) => {
            (Security::StartTls(parameters()?), SUBMISSION)
        }
        ("smtp", None | Some(false), true) => (Security::None, SMTP),
        ("smtp" | "smtps", Some(false), _) => return Err(SmtpConfigError::Insecure),
        _ => return Err(SmtpConfigError::Url),
    };
    let port = url.port().unwrap_or(port);
    let relay = Relay::new(host, port, tls, credentials);
    Ok(Parsed { name: settings.name, from, relay })
}

fn credentials(
    url: &Url,
    password: Option<SecretString>,
) -> Result<Option<Credentials>, SmtpConfigError> {
    let user = percent_decoded(url.username())?;
    match (url.password(), password) {
        (None, None) if user.is_empty() => Ok(None),
        (Some(_), Some(_)) => Err(SmtpConfigError::Password),
        (None | Some(_), _) if user.is_empty() => Err(SmtpConfigError::Password),
        (None, None) => Ok(Some(Credentials::new(user, String::new()))),
        (Some(password), None) => Ok(Some(Credentials::new(user, percent_decoded(password)?))),
        (None, Some(password)) => {
            Ok(Some(Credentials::new(user, password.expose_secret().to_owned())))
        }
    }
}

fn tls_error(source: lettre::transport::smtp::Error) -> SmtpConfigError {
    SmtpConfigError::Tls(Box::new(source))
}

fn percent_decoded(text: &str) -> Result<String, SmtpConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (hex, tail) = tail.split_at_checked(2).ok_or(SmtpConfigError::Url)?;
        let hex = std::str::from_utf8(hex).map_err(|_| SmtpConfigError::Url)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| SmtpConfigError::Url)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| SmtpConfigError::Url)
}

fn default_name() -> ProviderName {
    ProviderName::builtin("smtp")
}

const SMTP: u16 = 25;
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut MailSettings)) -> Option<SmtpConfigError> {
        let url = "smtp://user@mail.example.com:587";
        let mut settings = MailSettings::new(url, "FlexSecure <flexsecure@example.com>");
        change(&mut settings);
        parse(settings).err()
    }

    #[test]
    fn urls_and_senders_are_checked() {
        assert!(fault(|_| ()).is_none());
        for from in ["nobody", "a@b.c\r\nBcc: d@e.f", ""] {
            let fault = fault(|settings| from.clone_into(&mut settings.from));
            assert!(matches!(fault, Some(SmtpConfigError::From)), "{from:?}");
        }
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://a:%zz@b",
            "smtp://mail.example.com/x",
            "smtp://mail.example.com?tls=none",
        ] {
            let fault = fault(|settings| settings.url = url.into());
            assert!(matches!(fault, Some(SmtpConfigError::Url)), "{url}: {fault:?}");
        }
        assert_eq!(percent_decoded("pa%3Ass").unwrap(), "pa:ss");
    }

    #[test]
    fn tls_is_given_up_on_loopback_only() {
        let off = |url: &'static str| {
            fault(|settings| {
                settings.url = url.into();
                settings.starttls = Some(false);
            })
        };
        for url in ["smtp://mail.example.com", "smtps://mail.example.com", "smtps://127.0.0.1"] {
            assert!(matches!(off(url), Some(SmtpConfigError::Insecure)), "{url}");
        }
        assert!(off("smtp://127.0.0.1").is_none());
    }

    #[test]
    fn a_password_is_said_once_and_belongs_to_somebody() {
        assert!(fault(|settings| settings.password = Some("x".into())).is_none());
        for url in ["smtp://user:y@mail.example.com", "smtp://mail.example.com"] {
            let fault = fault(|settings| {
                settings.url = url.into();
                settings.password = Some("x".into());
            });
            assert!(matches!(fault, Some(SmtpConfigError::Password)), "{url}");
        }
        let fault = fault(|settings| settings.password_file = Some("/nowhere".into()));
        assert!(matches!(fault, Some(SmtpConfigError::File(_))));
    }

    #[test]
    fn settings_have_no_unknown_fields_and_show_no_secret() {
        let json = serde_json::json!({
            "name": "relay-1",
            "url": "smtp://user:c4n4ry@mail.example.com",
            "from": "a@example.com",
            "password": "c4n4ry",
        });
        let settings: MailSettings = serde_json::from_value(json.clone()).unwrap();
        assert!(!format!("{settings:?}").contains("c4n4ry"));
        assert_eq!(settings.name.as_str(), "relay-1");
        let mut unknown = json;
        unknown["tls"] = "off".into();
        let error = serde_json::from_value::<MailSettings>(unknown).unwrap_err().to_string();
        assert!(error.contains("unknown field `tls`"), "{error}");
    }
}
