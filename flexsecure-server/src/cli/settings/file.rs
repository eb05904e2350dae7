use std::{fs, path::Path};

use flexsecure_server::{ProviderName, SmsSettings};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Secret, SettingsError,
    layer::{Layer, MailLayer, SecretSlot},
    source::{Source, Sourced},
};

pub(super) fn read(path: &Path) -> Result<Layer, SettingsError> {
    let text = fs::read_to_string(path)
        .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Layer, SettingsError> {
    // The error's own rendering shows the line that is wrong, which may hold a password: only its message is told.
    let file: File = toml::from_str(text).map_err(|error| SettingsError::File {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        reason: without_value(error.message()),
    })?;
    Ok(file.into_layer(&Origin { path, text }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Spanned<String>>,
    public_url: Option<Spanned<String>>,
    database: Option<Spanned<Secret>>,
    database_file: Option<Spanned<String>>,
    server_keys: Option<Spanned<String>>,
    inbox: Option<Spanned<bool>>,
    pages: Option<Spanned<String>>,
    log: Option<Spanned<String>>,
    trusted_proxies: Option<Spanned<Vec<String>>>,
    max_connections: Option<Spanned<u64>>,
    tls: Option<Tls>,
    metrics: Option<Metrics>,
    mail: Option<Vec<Mail>>,
    sms: Option<Vec<Spanned<SmsSettings>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    listen: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mail {
    url: Option<Spanned<Secret>>,
    url_file: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    password: Option<Spanned<Secret>>,
    password_file: Option<Spanned<String>>,
    name: Option<Spanned<ProviderName>>,
    starttls: Option<Spanned<bool>>,
    root_certificate_file: Option<Spanned<String>>,
}

struct Origin<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Origin<'_> {
    fn of<T>(&self, value: Option<Spanned<T>>) -> Option<Sourced<T>> {
        let value = value?;
        let line = line_of(self.text, value.span().start);
        let source = Source::File { path: self.path.to_owned(), line };
        Some(Sourced { value: value.into_inner(), source })
    }

    fn slot(&self, value: Option<Spanned<Secret>>, file: Option<Spanned<String>>) -> SecretSlot {
        SecretSlot { value: self.of(value), file: self.of(file) }
    }
}

impl File {
    fn into_layer(self, origin: &Origin<'_>) -> Layer {
        let (certificate, key) = self.tls.map_or((None, None), |tls| (tls.certificate, tls.key));
        let mail = |mail: Mail| MailLayer {
            url: origin.slot(mail.url, mail.url_file),
            from: origin.of(mail.from),
            password: origin.slot(mail.password, mail.password_file),
            name: origin.of(mail.name),
            starttls: origin.of(mail.starttls),
            root_certificate_file: origin.of(mail.root_certificate_file),
        };
        let max_connections = origin.of(self.max_connections);
        Layer {
            listen: origin.of(self.listen),
            public_url: origin.of(self.public_url),
            database: origin.slot(self.database, self.database_file),
            server_keys: origin.of(self.server_keys),
            inbox: origin.of(self.inbox),
            pages: origin.of(self.pages),
            log: origin.of(self.log),
            trusted_proxies: origin.of(self.trusted_proxies),
            max_connections: max_connections
                .map(|Sourced { value, source }| Sourced { value: value.to_string(), source }),
            tls_certificate: origin.of(certificate),
            tls_key: origin.of(key),
            metrics_listen: origin.of(self.metrics.and_then(|metrics| metrics.listen)),
            relay: MailLayer::default(),
            mail: self.mail.into_iter().flatten().map(mail).collect(),
            sms: self.sms.into_iter().flatten().filter_map(|sms| origin.of(Some(sms))).collect(),
        }
    }
}

/// A complaint about a wrong type repeats what was found, and that may be a password.
fn without_value(message: &str) -> String {
    let is_about_value =
        message.starts_with("invalid type") || message.starts_with("invalid value");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if is_about_value => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

/// Counted from one.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}
