use std::fmt;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::RedisStore;
use crate::copies::CAPACITY;
use crate::link::Limits;
use crate::names::Names;
use crate::server::Server;
use crate::verbs::Settings;

/// Settings of a [`RedisStore`], from [`RedisStore::builder`].
///
/// None of them weakens anything: certificates are verified, and there is no way around that.
#[must_use]
pub struct Builder {
    urls: Vec<String>,
    is_cluster: bool,
    namespace: String,
    roots: Option<Vec<u8>>,
    copies: Option<usize>,
    limits: Limits,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            urls: vec![url.to_owned()],
            is_cluster: false,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            roots: None,
            copies: Some(CAPACITY),
            limits: Limits::default(),
        }
    }

    /// The server is a cluster, of which `more` are further nodes to ask for the others; their URLs
    /// have the same user and password.
    pub fn cluster<'u>(mut self, more: impl IntoIterator<Item = &'u str>) -> Self {
        self.is_cluster = true;
        self.urls.extend(more.into_iter().map(str::to_owned));
        self
    }

    /// What all keys and the channel begin with, `flexsecure` unless set: 1 to 64 letters, digits,
    /// `-`, `_`, `.` and `:`. Stores with different ones know nothing of each other.
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Asks the server for every request, instead of keeping copies of what sessions hold for as long as
    /// the server is sure to tell of changes: for servers, or proxies, that do not speak RESP3. These do
    /// not tell of the news on other nodes either.
    pub const fn without_local_copies(mut self) -> Self {
        self.copies = None;
        self
    }

    /// How long one try may take, and how long a verb, which may try twice: 500 milliseconds and one
    /// second unless set, which suits a server in the same place.
    pub const fn time_limits(mut self, one_try: Duration, verb: Duration) -> Self {
        self.limits = Limits { one_try, verb };
        self
    }

    /// The certificate authorities that the server's certificate may come from, in PEM, instead of
    /// those of the operating system.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The store, which begins to connect and does not wait for that.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is not usable. A server that cannot be reached is none: the store
    /// refuses until it can.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(self) -> Result<RedisStore, ConfigError> {
        let roots = self.roots.as_deref();
        if roots.is_some_and(|roots| !is_pem(roots)) {
            return Err(ConfigError::Certificates);
        }
        let server = match self.urls.as_slice() {
            [url] if !self.is_cluster => Server::single(url, roots)?,
            urls => Server::cluster(urls, roots, self.limits.one_try)?,
        };
        if !is_namespace(&self.namespace) {
            return Err(ConfigError::Namespace);
        }
        let names = Names::new(&self.namespace);
        let settings = Settings { names, copies: self.copies, limits: self.limits };
        Ok(RedisStore::open(server, settings))
    }
}

/// The URLs have passwords in them.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("urls", &self.urls.len())
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// Why there is no store with these settings. It says nothing of what stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A URL is not `redis://` or `rediss://` with a host, or asks for certificates not to be
    /// verified, or the URLs of a cluster differ in user or password.
    #[error("a URL is none of a Redis server, like rediss://user:password@host:6379")]
    NotARedisUrl,
    /// The namespace has characters that it may not have.
    #[error("a namespace has 1 to 64 letters, digits, `-`, `_`, `.` and `:`")]
    Namespace,
    /// The certificates are not PEM.
    #[error("the root certificates are not PEM")]
    Certificates,
}

/// Whether there is a certificate in it, and all can be read.
fn is_pem(roots: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(roots).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}

fn is_namespace(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

const DEFAULT_NAMESPACE: &str = "flexsecure";
