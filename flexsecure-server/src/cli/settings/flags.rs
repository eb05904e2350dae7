use std::{env, ffi::OsString, path::PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::{
    Settings, SettingsError, environment, file,
    layer::{Layer, MailLayer, SecretSlot},
    source::{Source, Sourced},
};

/// Where the configuration file is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArg {
    /// The configuration file, in TOML [env: FLEXSECURE_CONFIG]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

/// Everything that can be set on the command line. Environment and file have the same settings, and more.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) file: ConfigArg,
    /// The address to listen on [env: FLEXSECURE_LISTEN] [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The database: a file, or postgres://user:password@host/database [env: FLEXSECURE_DATABASE,
    /// FLEXSECURE_DATABASE_FILE] [default: flexsecure.db]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) database: Option<SecretString>,
    /// The file with the server's keys [env: FLEXSECURE_SERVER_KEYS] [default: the database's name and .keys, or flexsecure.keys]
    #[arg(long, value_name = "PATH")]
    pub(crate) server_keys: Option<String>,
    /// The https address under which users reach this server: links begin with it [env: FLEXSECURE_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Show messages to everybody at /inbox (demonstrations and tests only) [env: FLEXSECURE_INBOX]
    #[arg(long)]
    pub(crate) inbox: bool,
    /// The mail relay, smtp[s]://[user:password@]host[:port] [env: FLEXSECURE_SMTP_URL, FLEXSECURE_SMTP_URL_FILE,
    /// FLEXSECURE_SMTP_PASSWORD, FLEXSECURE_SMTP_PASSWORD_FILE]
    #[arg(long, value_name = "URL")]
    pub(crate) smtp_url: Option<SecretString>,
    /// The sender of e-mails [env: FLEXSECURE_MAIL_FROM]
    #[arg(long, value_name = "ADDR")]
    pub(crate) mail_from: Option<String>,
    /// A folder with texts, colours, a logo or templates of yours [env: FLEXSECURE_PAGES]
    #[arg(long, value_name = "DIR")]
    pub(crate) pages: Option<String>,
    /// How to write the log, text or json [env: FLEXSECURE_LOG] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log: Option<String>,
    /// A network of proxies that say who the client is; may be repeated [env: FLEXSECURE_TRUSTED_PROXIES]
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<String>,
    /// How many connections are open at most [env: FLEXSECURE_MAX_CONNECTIONS] [default: 8192]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_connections: Option<String>,
    /// The certificate chain to serve TLS with, a PEM file [env: FLEXSECURE_TLS_CERTIFICATE]
    #[arg(long, value_name = "PATH")]
    pub(crate) tls_certificate: Option<String>,
    /// The certificate's private key, a PEM file [env: FLEXSECURE_TLS_KEY]
    #[arg(long, value_name = "PATH")]
    pub(crate) tls_key: Option<String>,
    /// An address for Prometheus to ask, best on loopback [env: FLEXSECURE_METRICS_LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<String>,
}

impl Flags {
    /// What holds: these flags, over the environment, over the file.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        self.settings_in(&env::vars_os().collect::<Vec<_>>())
    }

    pub(super) fn settings_in(
        self,
        variables: &[(OsString, OsString)],
    ) -> Result<Settings, SettingsError> {
        let from_environment = || {
            let found = variables.iter().find(|(name, _)| name == "FLEXSECURE_CONFIG");
            found.map(|(_, value)| PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty())
        };
        let path = self.file.config.clone().or_else(from_environment);
        let file = path.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let environment = environment::read(variables.iter().cloned())?;
        Settings::resolve(self.into_layer().over(environment.over(file)))
    }

    fn into_layer(self) -> Layer {
        let text = |value: Option<String>, name| {
            value.map(|value| Sourced { value, source: Source::Flag(name) })
        };
        let secret = |value: Option<SecretString>, name| {
            SecretSlot::given(
                value.map(|value| value.expose_secret().to_owned()),
                Source::Flag(name),
            )
        };
        let relay = MailLayer {
            url: secret(self.smtp_url, "--smtp-url"),
            from: text(self.mail_from, "--mail-from"),
            ..MailLayer::default()
        };
        Layer {
            listen: text(self.listen, "--listen"),
            public_url: text(self.public_url, "--public-url"),
            database: secret(self.database, "--database"),
            server_keys: text(self.server_keys, "--server-keys"),
            inbox: self.inbox.then_some(Sourced { value: true, source: Source::Flag("--inbox") }),
            pages: text(self.pages, "--pages"),
            log: text(self.log, "--log"),
            trusted_proxies: (!self.trusted_proxy.is_empty()).then_some(Sourced {
                value: self.trusted_proxy,
                source: Source::Flag("--trusted-proxy"),
            }),
            max_connections: text(self.max_connections, "--max-connections"),
            tls_certificate: text(self.tls_certificate, "--tls-certificate"),
            tls_key: text(self.tls_key, "--tls-key"),
            metrics_listen: text(self.metrics_listen, "--metrics-listen"),
            relay,
            mail: Vec::new(),
            sms: Vec::new(),
        }
    }
}
