use std::fmt;

use crate::RedisStore;
use crate::names::Names;
use crate::server::Server;

/// Settings of a [`RedisStore`], from [`RedisStore::builder`].
///
/// None of them weakens anything: certificates are verified, and there is no way around that.
#[must_use]
pub struct Builder {
    urls: Vec<String>,
    is_cluster: bool,
    namespace: String,
    roots: Option<Vec<u8>>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            urls: vec![url.to_owned()],
            is_cluster: false,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            roots: None,
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
        let server = match self.urls.as_slice() {
            [url] if !self.is_cluster => Server::single(url, roots)?,
            urls => Server::cluster(urls, roots)?,
        };
        if !is_namespace(&self.namespace) {
            return Err(ConfigError::Namespace);
        }
        Ok(RedisStore::open(server, Names::new(&self.namespace)))
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

fn is_namespace(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

const DEFAULT_NAMESPACE: &str = "flexsecure";
