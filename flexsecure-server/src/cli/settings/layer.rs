use flexsecure_server::{ProviderName, SmsSettings};

use super::{Secret, source::Sourced};

/// What one layer says. Texts are understood later, all in one place.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) listen: Option<Sourced<String>>,
    pub(super) public_url: Option<Sourced<String>>,
    pub(super) database: SecretSlot,
    pub(super) server_keys: Option<Sourced<String>>,
    pub(super) inbox: Option<Sourced<bool>>,
    pub(super) pages: Option<Sourced<String>>,
    pub(super) log: Option<Sourced<String>>,
    pub(super) trusted_proxies: Option<Sourced<Vec<String>>>,
    pub(super) max_connections: Option<Sourced<String>>,
    pub(super) tls_certificate: Option<Sourced<String>>,
    pub(super) tls_key: Option<Sourced<String>>,
    pub(super) metrics_listen: Option<Sourced<String>>,
    /// The one relay that flags and variables can describe; it changes or replaces what the file has.
    pub(super) relay: MailLayer,
    pub(super) mail: Vec<MailLayer>,
    /// Gateways for SMS, which only the file can describe.
    pub(super) sms: Vec<Sourced<SmsSettings>>,
}

/// One relay.
#[derive(Debug, Default)]
pub(super) struct MailLayer {
    pub(super) url: SecretSlot,
    pub(super) from: Option<Sourced<String>>,
    pub(super) password: SecretSlot,
    pub(super) name: Option<Sourced<ProviderName>>,
    pub(super) starttls: Option<Sourced<bool>>,
    pub(super) root_certificate_file: Option<Sourced<String>>,
}

/// A secret, or the file that it is in; a layer may say one of them.
#[derive(Debug, Default)]
pub(super) struct SecretSlot {
    pub(super) value: Option<Sourced<Secret>>,
    pub(super) file: Option<Sourced<String>>,
}

impl SecretSlot {
    pub(super) fn is_empty(&self) -> bool {
        self.value.is_none() && self.file.is_none()
    }

    /// This one if it says anything, `lower` if not.
    pub(super) fn or(self, lower: Self) -> Self {
        if self.is_empty() { lower } else { self }
    }
}

impl MailLayer {
    pub(super) fn is_empty(&self) -> bool {
        self.url.is_empty() && self.from.is_none() && self.password.is_empty()
    }

    fn over(self, lower: Self) -> Self {
        Self {
            url: self.url.or(lower.url),
            from: self.from.or(lower.from),
            password: self.password.or(lower.password),
            name: self.name.or(lower.name),
            starttls: self.starttls.or(lower.starttls),
            root_certificate_file: self.root_certificate_file.or(lower.root_certificate_file),
        }
    }
}

impl Layer {
    /// All relays. The one of flags and variables stands over the only one of the file, or in the place of several.
    pub(super) fn take_mail(&mut self) -> Vec<MailLayer> {
        let relay = std::mem::take(&mut self.relay);
        let mut entries = std::mem::take(&mut self.mail);
        if relay.is_empty() {
            return entries;
        }
        let only = if entries.len() == 1 { entries.pop() } else { None };
        vec![relay.over(only.unwrap_or_default())]
    }

    /// What this layer says, and where it is silent, what `lower` does.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            public_url: self.public_url.or(lower.public_url),
            database: self.database.or(lower.database),
            server_keys: self.server_keys.or(lower.server_keys),
            inbox: self.inbox.or(lower.inbox),
            pages: self.pages.or(lower.pages),
            log: self.log.or(lower.log),
            trusted_proxies: self.trusted_proxies.or(lower.trusted_proxies),
            max_connections: self.max_connections.or(lower.max_connections),
            tls_certificate: self.tls_certificate.or(lower.tls_certificate),
            tls_key: self.tls_key.or(lower.tls_key),
            metrics_listen: self.metrics_listen.or(lower.metrics_listen),
            relay: self.relay.over(lower.relay),
            mail: if self.mail.is_empty() { lower.mail } else { self.mail },
            sms: if self.sms.is_empty() { lower.sms } else { self.sms },
        }
    }
}
