use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use flexsecure_server::{
    Config, Delivery as _, MailSettings, ProviderName, PublicUrl, SmsGateway, SmsSettings, Smtp,
};
use ipnet::IpNet;
use url::Url;

use super::{
    super::error::sentence,
    Secret, SettingsError,
    layer::{Layer, MailLayer, SecretSlot},
    source::{Source, Sourced},
};

/// What holds, each value with where it came from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Sourced<SocketAddr>,
    pub(crate) public_url: Option<Sourced<PublicUrl>>,
    pub(crate) database: Sourced<Database>,
    pub(crate) server_keys: Option<Sourced<PathBuf>>,
    pub(crate) inbox: Sourced<bool>,
    pub(crate) pages: Option<Sourced<PathBuf>>,
    pub(crate) log: Sourced<LogFormat>,
    pub(crate) trusted_proxies: Sourced<Vec<IpNet>>,
    pub(crate) max_connections: Sourced<usize>,
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics_listen: Option<Sourced<SocketAddr>>,
    pub(crate) mail: Vec<Mail>,
    pub(crate) sms: Vec<Sourced<SmsSettings>>,
    /// Every file that holds a secret of the configuration.
    pub(crate) secret_files: Vec<PathBuf>,
}

/// Where the data is.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    File(PathBuf),
    Postgres(Secret),
}

/// Both files of a certificate.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: Sourced<PathBuf>,
    pub(crate) key: Sourced<PathBuf>,
}

/// One relay, complete.
#[derive(Debug)]
pub(crate) struct Mail {
    /// With its password, if it has one.
    pub(crate) url: Sourced<Secret>,
    pub(crate) from: Sourced<String>,
    pub(crate) name: Option<Sourced<ProviderName>>,
    pub(crate) starttls: Option<Sourced<bool>>,
    pub(crate) root_certificate_file: Option<Sourced<PathBuf>>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Settings {
    pub(super) fn resolve(mut layer: Layer) -> Result<Self, SettingsError> {
        let mut secrets = Secrets::default();
        let mail = layer.take_mail();
        let mail = mail.into_iter().map(|entry| secrets.mail(entry)).collect::<Result<_, _>>()?;
        let sms = layer.sms.into_iter().map(|entry| secrets.sms(entry)).collect();
        let database = match secrets.take("database", layer.database)? {
            Some(location) => location.try_map(|text, source| database(&text, source))?,
            None => Sourced::default(Database::File(PathBuf::from(DATABASE))),
        };
        let tls = match (layer.tls_certificate, layer.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Tls { certificate: path(certificate), key: path(key) })
            }
            (None, None) => None,
            (None, Some(_)) => return Err(SettingsError::HalfTls { missing: "certificate" }),
            (Some(_), None) => return Err(SettingsError::HalfTls { missing: "key" }),
        };
        Ok(Self {
            listen: parsed("listen", layer.listen, ADDRESS)?
                .unwrap_or_else(|| Sourced::default(SocketAddr::from(LISTEN))),
            public_url: layer
                .public_url
                .map(|text| text.try_map(|text, source| public_url(&text, source)))
                .transpose()?,
            database,
            server_keys: layer.server_keys.map(path),
            inbox: layer.inbox.unwrap_or_else(|| Sourced::default(false)),
            pages: layer.pages.map(path),
            log: match layer.log {
                Some(text) => text.try_map(|text, source| log_format(&text, source))?,
                None => Sourced::default(LogFormat::Text),
            },
            trusted_proxies: match layer.trusted_proxies {
                Some(texts) => texts.try_map(networks)?,
                None => Sourced::default(Vec::new()),
            },
            max_connections: parsed("max_connections", layer.max_connections, COUNT)?
                .map(|count: Sourced<std::num::NonZeroUsize>| Sourced {
                    value: count.value.get(),
                    source: count.source,
                })
                .unwrap_or_else(|| Sourced::default(MAX_CONNECTIONS)),
            tls,
            metrics_listen: parsed("metrics.listen", layer.metrics_listen, ADDRESS)?,
            mail,
            sms,
            secret_files: secrets.files,
        })
    }

    /// What a server is opened with, complete or not at all.
    pub(crate) fn config(&self) -> Result<Config, SettingsError> {
        self.with_delivery(self.config_without_delivery()?)
    }

    /// All but how messages go.
    pub(crate) fn config_without_delivery(&self) -> Result<Config, SettingsError> {
        let public_url = self.public_url.as_ref().ok_or(SettingsError::NoPublicUrl)?;
        let public_url = public_url.value.clone();
        let config = match &self.database.value {
            Database::File(file) => Config::new(file, public_url),
            Database::Postgres(url) => {
                Config::postgres(url.expose(), self.server_key_file(), public_url)
            }
        };
        let mut config = config
            .inbox(self.inbox.value)
            .trust_proxies(self.trusted_proxies.value.iter().copied())
            .max_connections(self.max_connections.value);
        if let Some(keys) = &self.server_keys {
            config = config.server_keys(&keys.value);
        }
        if let Some(folder) = &self.pages {
            config = config.pages(&folder.value);
        }
        if let Some(tls) = &self.tls {
            config = config.tls(&tls.certificate.value, &tls.key.value);
        }
        Ok(config)
    }

    /// How messages go, by providers in the order of the file.
    pub(crate) fn with_delivery(&self, mut config: Config) -> Result<Config, SettingsError> {
        let mut names = BTreeSet::new();
        let mut add = |config: Config, provider: Provider, source: &Source| {
            let name = provider.name().to_string();
            if !names.insert(name.clone()) {
                return Err(SettingsError::SameName { name, source_of: source.clone() });
            }
            Ok(match provider {
                Provider::Smtp(smtp) => config.delivery(smtp),
                Provider::Sms(sms) => config.delivery(sms),
            })
        };
        for mail in &self.mail {
            config = add(config, Provider::Smtp(mail.smtp()?), &mail.url.source)?;
        }
        for sms in &self.sms {
            config = add(config, Provider::Sms(gateway(sms)?), &sms.source)?;
        }
        if self.mail.is_empty() && self.sms.is_empty() && !self.inbox.value {
            return Err(SettingsError::NoDelivery);
        }
        Ok(config)
    }

    /// The file with the server's keys, named or beside the database.
    pub(crate) fn server_key_file(&self) -> PathBuf {
        if let Some(keys) = &self.server_keys {
            return keys.value.clone();
        }
        match &self.database.value {
            Database::File(file) => {
                let mut beside = file.clone().into_os_string();
                beside.push(".keys");
                beside.into()
            }
            Database::Postgres(_) => PathBuf::from(SERVER_KEYS),
        }
    }
}

impl Mail {
    fn smtp(&self) -> Result<Smtp, SettingsError> {
        let mut settings = MailSettings::new(self.url.value.expose(), &self.from.value);
        if let Some(name) = &self.name {
            settings.name = name.value.clone();
        }
        settings.starttls = self.starttls.as_ref().map(|starttls| starttls.value);
        let root = self.root_certificate_file.as_ref();
        settings.root_certificate_file = root.map(|file| file.value.clone());
        Smtp::from_settings(settings).map_err(|error| SettingsError::Value {
            key: "mail",
            source_of: self.url.source.clone(),
            reason: sentence(&error),
        })
    }
}

enum Provider {
    Smtp(Smtp),
    Sms(SmsGateway),
}

impl Provider {
    fn name(&self) -> &ProviderName {
        match self {
            Self::Smtp(smtp) => smtp.name(),
            Self::Sms(sms) => sms.name(),
        }
    }
}

fn gateway(settings: &Sourced<SmsSettings>) -> Result<SmsGateway, SettingsError> {
    SmsGateway::from_settings(settings.value.clone()).map_err(|error| SettingsError::Value {
        key: "sms",
        source_of: settings.source.clone(),
        reason: sentence(&error),
    })
}

/// Reads secrets, and remembers from which files.
#[derive(Default)]
struct Secrets {
    files: Vec<PathBuf>,
}

impl Secrets {
    fn take(
        &mut self,
        key: &'static str,
        slot: SecretSlot,
    ) -> Result<Option<Sourced<Secret>>, SettingsError> {
        let file = match (slot.value, slot.file) {
            (value, None) => return Ok(value),
            (None, Some(file)) => path(file),
            (Some(one), Some(other)) => {
                return Err(SettingsError::Both { key, one: one.source, other: other.source });
            }
        };
        let Sourced { value: path, source } = file;
        let text = fs::read_to_string(&path).map_err(|error| SettingsError::SecretFile {
            key,
            source_of: source.clone(),
            path: path.clone(),
            source: error,
        })?;
        let text = Secret::from(text);
        let line = text.expose().trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err(SettingsError::EmptySecret { key, source_of: source, path });
        }
        let value = Secret::from(line.to_owned());
        self.files.push(path);
        Ok(Some(Sourced { value, source }))
    }

    fn mail(&mut self, entry: MailLayer) -> Result<Mail, SettingsError> {
        let url = self.take("url", entry.url)?.ok_or(SettingsError::NoRelay)?;
        let from =
            entry.from.ok_or_else(|| SettingsError::NoSender { source_of: url.source.clone() })?;
        let (name, starttls) = (entry.name, entry.starttls);
        let root_certificate_file = entry.root_certificate_file.map(path);
        let Some(password) = self.take("password", entry.password)? else {
            return Ok(Mail { url, from, name, starttls, root_certificate_file });
        };
        let refused = |reason: &str| SettingsError::Value {
            key: "password",
            source_of: password.source.clone(),
            reason: reason.to_owned(),
        };
        let mut parsed = Url::parse(url.value.expose())
            .map_err(|_| refused("the relay's url is not smtp[s]://user@host[:port]"))?;
        if parsed.password().is_some() {
            return Err(refused("the relay's url has a password already"));
        }
        if parsed.username().is_empty()
            || parsed.set_password(Some(password.value.expose())).is_err()
        {
            return Err(refused("the relay's url names no user: smtp[s]://user@host[:port]"));
        }
        let url = Sourced { value: Secret::from(String::from(parsed)), source: url.source };
        Ok(Mail { url, from, name, starttls, root_certificate_file })
    }

    /// A path in the file is relative to the file, here too.
    fn sms(&mut self, mut entry: Sourced<SmsSettings>) -> Sourced<SmsSettings> {
        let folder = entry.source.folder().unwrap_or(Path::new("")).to_owned();
        let settings = &mut entry.value;
        let named = [
            settings.password_file.as_mut(),
            settings.token_file.as_mut(),
            settings.signing_secret_file.as_mut(),
            settings.receipt_secret_file.as_mut(),
            settings.former_receipt_secret_file.as_mut(),
        ];
        for file in named.into_iter().flatten().chain(settings.header_files.values_mut()) {
            *file = folder.join(&file);
            self.files.push(file.clone());
        }
        if let Some(file) = &mut settings.root_certificate_file {
            *file = folder.join(&file);
        }
        entry
    }
}

/// A path in the file is relative to the file.
fn path(text: Sourced<String>) -> Sourced<PathBuf> {
    let value = match text.source.folder() {
        Some(folder) => folder.join(&text.value),
        None => PathBuf::from(&text.value),
    };
    Sourced { value, source: text.source }
}

fn parsed<T: FromStr>(
    key: &'static str,
    text: Option<Sourced<String>>,
    expected: &str,
) -> Result<Option<Sourced<T>>, SettingsError> {
    let parse = |text: String, source: &Source| {
        text.trim().parse().map_err(|_| SettingsError::Value {
            key,
            source_of: source.clone(),
            reason: format!("{text:?} is not {expected}"),
        })
    };
    text.map(|text| text.try_map(parse)).transpose()
}

fn database(location: &Secret, source: &Source) -> Result<Database, SettingsError> {
    let refused = |reason: &str| SettingsError::Value {
        key: "database",
        source_of: source.clone(),
        reason: reason.to_owned(),
    };
    let text = location.expose();
    if is_postgres(text) {
        return Ok(Database::Postgres(location.clone()));
    }
    // A URL may hold a password: no error repeats it.
    if text.contains("://") {
        return Err(refused(
            "it must be the path of a file or a URL like postgres://user:password@host/database",
        ));
    }
    if text.is_empty() {
        return Err(refused("it must be the path of a file, and this is empty"));
    }
    let folder = source.folder().unwrap_or(Path::new(""));
    Ok(Database::File(folder.join(text)))
}

/// Whether it is the URL of a database of PostgreSQL, and no path.
pub(crate) fn is_postgres(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

fn public_url(text: &str, source: &Source) -> Result<PublicUrl, SettingsError> {
    PublicUrl::parse(text).map_err(|error| SettingsError::Value {
        key: "public_url",
        source_of: source.clone(),
        reason: error.to_string(),
    })
}

fn log_format(text: &str, source: &Source) -> Result<LogFormat, SettingsError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(SettingsError::Value {
            key: "log",
            source_of: source.clone(),
            reason: format!("{text:?} is neither text nor json"),
        }),
    }
}

/// An address alone stands for the network that holds only it.
fn networks(texts: Vec<String>, source: &Source) -> Result<Vec<IpNet>, SettingsError> {
    let parse = |text: String| {
        let address = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
        let network = text.parse::<IpNet>().ok().or_else(address);
        network.ok_or_else(|| SettingsError::Value {
            key: "trusted_proxies",
            source_of: source.clone(),
            reason: format!("{text:?} is not a network like 10.0.0.0/8 or fd00::/8"),
        })
    };
    texts.into_iter().map(parse).collect()
}

const ADDRESS: &str = "an address with a port, like 127.0.0.1:4000 or [::1]:4000";
const COUNT: &str = "a number from 1 on";
const DATABASE: &str = "flexsecure.db";
const SERVER_KEYS: &str = "flexsecure.keys";
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 4000);
const MAX_CONNECTIONS: usize = 8192;
