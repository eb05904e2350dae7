use std::{fmt, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use url::{Host, Url};

use crate::{Clock, Delivery, SystemClock};

/// What a [`Server`](crate::Server) is opened with.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) database: Database,
    pub(crate) public_url: PublicUrl,
    pub(crate) inbox: bool,
    pub(crate) delivery: Option<Arc<dyn Delivery>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pages: Option<PathBuf>,
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
    Postgres { url: SecretString, keys: PathBuf },
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
            delivery: None,
            clock: Arc::new(SystemClock),
            pages: None,
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
        let database = Database::Kept(Place::Postgres { url: url.into(), keys: keys.into() });
        Self { database, ..Self::new(PathBuf::new(), public_url) }
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

    /// How messages are sent.
    #[must_use]
    pub fn delivery(mut self, delivery: impl Delivery) -> Self {
        self.delivery = Some(Arc::new(delivery));
        self
    }

    /// A folder with texts, colours, a logo or templates of yours, for pages and messages: see [what can be
    /// replaced](crate#pages-of-your-own). What is in it when the server is opened counts.
    #[must_use]
    pub fn pages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.pages = Some(folder.into());
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
