use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc};

use ipnet::IpNet;
use secrecy::SecretString;
use url::{Host, Url};

use crate::{Clock, Delivery, SystemClock};

/// What a [`Server`](crate::Server) is opened with.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) database: Database,
    pub(crate) public_url: PublicUrl,
    pub(crate) inbox: bool,
    pub(crate) delivery: Vec<Arc<dyn Delivery>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pages: Option<PathBuf>,
    pub(crate) server_keys: Option<PathBuf>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) max_connections: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Database {
    Ephemeral,
    Kept(Place),
}

/// Where a database is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Postgres(SecretString),
}

impl Place {
    /// The file with the server's keys, where none is named.
    pub(crate) fn default_key_file(&self) -> PathBuf {
        match self {
            Self::File(path) => {
                let mut beside = OsString::from(path);
                beside.push(".keys");
                beside.into()
            }
            Self::Postgres(_) => PathBuf::from("flexsecure.keys"),
        }
    }
}

/// Where the certificate chain and its key are, both PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Config {
    /// A database file, made if there is none, with the server's keys in a file beside it (`.keys` appended).
    ///
    /// Say also how messages go: with [`delivery`](Self::delivery), [`inbox`](Self::inbox) or both.
    #[must_use]
    pub fn new(database: impl Into<PathBuf>, public_url: PublicUrl) -> Self {
        Self {
            database: Database::Kept(Place::File(database.into())),
            public_url,
            inbox: false,
            delivery: Vec::new(),
            clock: Arc::new(SystemClock),
            pages: None,
            server_keys: None,
            trusted_proxies: Vec::new(),
            tls: None,
            max_connections: MAX_CONNECTIONS,
        }
    }

    /// A PostgreSQL database (15 or later) that several servers may use, such as
    /// `postgres://user:password@host/database?sslmode=verify-full`, with the server's keys in the file `keys`, made if
    /// there is none and no API key either. All servers need the same file.
    #[must_use]
    pub fn postgres(
        url: impl Into<SecretString>,
        keys: impl Into<PathBuf>,
        public_url: PublicUrl,
    ) -> Self {
        let database = Database::Kept(Place::Postgres(url.into()));
        Self { database, server_keys: Some(keys.into()), ..Self::new(PathBuf::new(), public_url) }
    }

    /// Throwaway data in a temporary folder, gone with the server, and an inbox: for demonstrations and tests.
    #[must_use]
    pub fn ephemeral(public_url: PublicUrl) -> Self {
        let database = Database::Ephemeral;
        Self { database, inbox: true, ..Self::new(PathBuf::new(), public_url) }
    }

    /// Whether messages are shown at `/inbox` to everybody who reaches the server. Off by default.
    #[must_use]
    pub fn inbox(mut self, on: bool) -> Self {
        self.inbox = on;
        self
    }

    /// How messages are sent. Each call adds a provider; they are tried in this order.
    #[must_use]
    pub fn delivery(mut self, delivery: impl Delivery) -> Self {
        self.delivery.push(Arc::new(delivery));
        self
    }

    /// A folder with texts, colours, a logo or templates of yours, for pages and messages: see [what can be
    /// replaced](crate#pages-of-your-own). What is in it when the server is opened counts.
    #[must_use]
    pub fn pages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.pages = Some(folder.into());
        self
    }

    /// Where the server's keys are, if not in a file beside the database.
    #[must_use]
    pub fn server_keys(mut self, file: impl Into<PathBuf>) -> Self {
        self.server_keys = Some(file.into());
        self
    }

    /// The addresses of proxies whose `X-Forwarded-For` and `X-Request-Id` are believed. None unless set: then no header
    /// has a say about who calls.
    #[must_use]
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies.extend(networks);
        self
    }

    /// Serves TLS 1.2 and 1.3, with the certificate chain and the key in these PEM files. Both are read again when they
    /// change.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some(TlsFiles { certificate: certificate.into(), key: key.into() });
        self
    }

    /// How many connections are open at most; 8,192 unless set, and at least one. Others wait to be accepted.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count.max(1);
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

/// The address under which users reach the server. Links begin with it, whatever a request says about its host.
///
/// `https`, or `http` on loopback; it may have a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Parses an absolute URL without user, query or fragment.
    ///
    /// # Errors
    /// It is malformed, or neither `https` nor loopback.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError::Malformed)?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err(PublicUrlError::Malformed);
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(Self(url)),
            ("http", Some(host)) if is_loopback(&host) => Ok(Self(url)),
            ("http", Some(_)) => Err(PublicUrlError::Insecure),
            _ => Err(PublicUrlError::Malformed),
        }
    }

    /// The path, without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Without scheme and port.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The name or address as a certificate has it: without the brackets of IPv6.
    pub(crate) fn bare_host(&self) -> &str {
        self.host().trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.0.host().is_some_and(|host| is_loopback(&host))
    }

    pub(crate) fn link(&self, token: &str) -> SecretString {
        SecretString::from(format!("{self}/a/{token}"))
    }
}

impl fmt::Display for PublicUrl {
    /// Without a slash at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Why an address can't be the public one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicUrlError {
    /// It is relative, of another scheme, or has a user, query or fragment.
    #[error(
        "the public URL must be absolute, like https://auth.example.com, without user, query or fragment"
    )]
    Malformed,
    /// A link over plain HTTP can be read on its way.
    #[error("the public URL must be https, unless its host is loopback")]
    Insecure,
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

const MAX_CONNECTIONS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "https://auth.example.com",
            "https://example.com/auth/",
            "http://127.0.0.1:4000",
            "http://[::1]:4000",
            "http://localhost",
        ] {
            assert!(PublicUrl::parse(good).is_ok(), "{good}");
        }
        for insecure in
            ["http://auth.example.com", "http://10.0.0.1", "http://localhost.example.com"]
        {
            assert_eq!(PublicUrl::parse(insecure), Err(PublicUrlError::Insecure), "{insecure}");
        }
        for bad in [
            "",
            "auth.example.com",
            "ftp://a.example",
            "https://u@a.example",
            "https://a.example/?q",
            "https://a.example/#f",
        ] {
            assert_eq!(PublicUrl::parse(bad), Err(PublicUrlError::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_path_is_kept() {
        use secrecy::ExposeSecret as _;

        let url = PublicUrl::parse("https://example.com/auth/").unwrap();
        assert_eq!(url.path(), "/auth");
        assert_eq!(url.origin(), "https://example.com");
        assert_eq!(url.link("T").expose_secret(), "https://example.com/auth/a/T");
        assert_eq!(PublicUrl::parse("http://127.0.0.1:4000").unwrap().path(), "");
    }
}
