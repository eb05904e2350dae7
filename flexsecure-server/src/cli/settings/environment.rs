use std::ffi::OsString;

use super::{
    Secret, SettingsError,
    layer::{Layer, SecretSlot},
    source::{Source, Sourced},
};

/// Reads `FLEXSECURE_*` of `variables`. An empty one counts as not set, as a shell has no other way to say that.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let key = name.strip_prefix(PREFIX).unwrap_or_default();
        if CLIENTS.contains(&key) || key == "CONFIG" {
            continue;
        }
        let value =
            value.into_string().map_err(|_| SettingsError::NotText { name: name.to_owned() })?;
        let text = (!value.is_empty())
            .then(|| Sourced { value, source: Source::Environment(name.to_owned()) });
        match key {
            "LISTEN" => layer.listen = text,
            "PUBLIC_URL" => layer.public_url = text,
            "DATABASE" => layer.database.value = text.map(secret),
            "DATABASE_FILE" => layer.database.file = text,
            "SERVER_KEYS" => layer.server_keys = text,
            "INBOX" => {
                layer.inbox = text
                    .map(|text| text.try_map(|text, source| switch(&text, source)))
                    .transpose()?
            }
            "PAGES" => layer.pages = text,
            "LOG" => layer.log = text,
            "TRUSTED_PROXIES" => layer.trusted_proxies = text.map(list),
            "MAX_CONNECTIONS" => layer.max_connections = text,
            "TLS_CERTIFICATE" => layer.tls_certificate = text,
            "TLS_KEY" => layer.tls_key = text,
            "METRICS_LISTEN" => layer.metrics_listen = text,
            "SMTP_URL" => layer.relay.url.value = text.map(secret),
            "SMTP_URL_FILE" => layer.relay.url.file = text,
            "SMTP_PASSWORD" => layer.relay.password.value = text.map(secret),
            "SMTP_PASSWORD_FILE" => layer.relay.password.file = text,
            "MAIL_FROM" => layer.relay.from = text,
            _ => return Err(SettingsError::UnknownVariable { name: name.to_owned() }),
        }
    }
    Ok(layer)
}

impl SecretSlot {
    pub(super) fn given(value: Option<String>, source: Source) -> Self {
        let value = value.map(|value| Sourced { value: Secret::from(value), source });
        Self { value, file: None }
    }
}

fn secret(text: Sourced<String>) -> Sourced<Secret> {
    Sourced { value: Secret::from(text.value), source: text.source }
}

fn list(text: Sourced<String>) -> Sourced<Vec<String>> {
    let value = text.value.split(',').map(|part| part.trim().to_owned()).collect();
    Sourced { value, source: text.source }
}

fn switch(text: &str, source: &Source) -> Result<bool, SettingsError> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(SettingsError::Value {
            key: "inbox",
            source_of: source.clone(),
            reason: format!("{text:?} is neither true nor false"),
        }),
    }
}

const PREFIX: &str = "FLEXSECURE_";
/// What apps that ask an authority are set up with; they may share an environment with one.
const CLIENTS: [&str; 3] = ["URL", "API_KEY", "CAPABILITIES"];
