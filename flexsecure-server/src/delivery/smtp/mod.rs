use std::{fmt, net::Ipv4Addr, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::authentication::Credentials,
};
use tokio::runtime::Handle;
use url::{Host, Url};

use super::{Channel, Delivery, DeliveryError, Message};
use crate::secret::random_bytes;

/// Sends e-mail through a relay. It carries no SMS.
///
/// `smtp://` demands STARTTLS, unless the host is loopback; `smtps://` is TLS from the first byte.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// `url` is `smtp[s]://[user:password@]host[:port]`; `from` an address, with or without a display name.
    ///
    /// # Errors
    /// Either is malformed, the host's name can't be verified by TLS, or this is not called within a Tokio runtime.
    pub fn new(url: &str, from: &str) -> Result<Self, SmtpConfigError> {
        // The connection pool spawns a task, which panics anywhere else.
        Handle::try_current().map_err(|_| SmtpConfigError::NoRuntime)?;
        let from = from.parse().map_err(|_| SmtpConfigError::From)?;
        // The source would repeat parts of the URL, and that holds a password.
        let url = Url::parse(url).map_err(|_| SmtpConfigError::Url)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpConfigError::Url)?;
        let builder = match url.scheme() {
            "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            "smtp" if is_loopback(&url) => {
                Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host))
            }
            "smtp" => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
            _ => return Err(SmtpConfigError::Url),
        };
        let mut builder = builder
            .map_err(|source| SmtpConfigError::Tls(Box::new(source)))?
            .timeout(Some(TIMEOUT));
        if let Some(port) = url.port() {
            builder = builder.port(port);
        }
        if !url.username().is_empty() {
            let password = url.password().unwrap_or_default();
            builder = builder.credentials(Credentials::new(
                percent_decoded(url.username())?,
                percent_decoded(password)?,
            ));
        }
        Ok(Self { transport: builder.build(), from })
    }
}

#[async_trait]
impl Delivery for Smtp {
    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Email
    }

    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let to: Address = message.to().parse().map_err(DeliveryError::new)?;
        let id = random_bytes::<16>().map_err(DeliveryError::new)?;
        let id = format!("<{}@{}>", URL_SAFE_NO_PAD.encode(id), self.from.email.domain());
        let mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(id))
            // RFC 3834: so that no absence notice answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .subject(message.subject())
            .header(ContentType::TEXT_PLAIN)
            .body(message.text().to_owned())
            .map_err(DeliveryError::new)?;
        // The relay's own words can repeat addresses: only what kind of failure it was is told.
        self.transport.send(mail).await.map(drop).map_err(|error| {
            DeliveryError::new(match error.status() {
                Some(code) => format!("the mail relay answered {code}"),
                None if error.is_timeout() => "the mail relay did not answer in time".to_owned(),
                None if error.is_tls() => "the mail relay offers no acceptable TLS".to_owned(),
                None => "the mail relay could not be reached or broke off".to_owned(),
            })
        })
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").finish_non_exhaustive()
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
    /// Connections are kept by a task of the Tokio runtime: make it inside one.
    #[error("mail can only be set up within a Tokio runtime")]
    NoRuntime,
    /// TLS can't be set up for the host.
    #[error("TLS can't be set up for the mail relay")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn is_loopback(url: &Url) -> bool {
    // The host of a non-special scheme stays a text: an address has to be parsed out of it.
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
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

const TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_do_without_tls() {
        let loopback = |url| is_loopback(&Url::parse(url).unwrap());
        for url in
            ["smtp://127.0.0.1:25", "smtp://localhost", "smtp://[::1]:2525", "smtp://127.9.9.9"]
        {
            assert!(loopback(url), "{url}");
        }
        for url in [
            "smtp://mail.example.com",
            "smtp://localhost.example.com",
            "smtp://10.0.0.1",
            "smtp://127.0.0.1.example.com",
        ] {
            assert!(!loopback(url), "{url}");
        }
    }

    #[tokio::test]
    async fn settings_are_checked_and_never_shown() {
        let url = "smtp://user:pa%3Ass@mail.example.com:587";
        let smtp = Smtp::new(url, "FlexSecure <flexsecure@example.com>").unwrap();
        assert_eq!(format!("{smtp:?}"), "Smtp { .. }");
        assert!(matches!(Smtp::new(url, "nobody"), Err(SmtpConfigError::From)));
        assert!(matches!(Smtp::new(url, "a@b.c\r\nBcc: d@e.f"), Err(SmtpConfigError::From)));
        for bad in ["", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://a:%zz@b"]
        {
            assert!(matches!(Smtp::new(bad, "a@example.com"), Err(SmtpConfigError::Url)), "{bad}");
        }
        assert_eq!(percent_decoded("pa%3Ass").unwrap(), "pa:ss");
    }
}
