use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::HttpAuthority;
use super::knowledge::Knowledge;
use super::wire::Wire;
use crate::authority::Capabilities;
use crate::authority::reply::LONGEST_WAIT;

/// Builds an [`HttpAuthority`].
pub struct Builder {
    url: String,
    key: SecretString,
    capabilities: Option<Capabilities>,
    limits: Limits,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) capabilities: Duration,
    pub(super) start: Duration,
    /// Beyond the time that a check is held.
    pub(super) check: Duration,
}

/// Why there can be no client with this configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no address.
    #[error("set FLEXSECURE_URL to the address of the authority, such as https://auth.example.com")]
    MissingUrl,
    /// There is no key.
    #[error("set FLEXSECURE_API_KEY to a key that the authority issued")]
    MissingKey,
    /// The address is none.
    #[error("set the authority's address to a URL such as https://auth.example.com")]
    MalformedUrl(#[source] Box<dyn Error + Send + Sync>),
    /// The address is neither `https` nor `http`.
    #[error("set the authority's address to one that begins with https://")]
    UnsupportedScheme,
    /// The address has a part that no call can have: user name, password, query or fragment.
    #[error(
        "set the authority's address to scheme, host, port and path alone; the key is set apart"
    )]
    SuperfluousUrlPart,
    /// The key and the PINs would be readable on the network.
    #[error(
        "set the authority's address to one that begins with https://: http is for a loopback address"
    )]
    PlainHttp,
    /// The key has a character that no header can carry, often a line break at its end.
    #[error(
        "set the API key to the visible ASCII characters that the authority issued, without spaces or line breaks"
    )]
    MalformedKey,
    /// The capabilities are neither of the two that can be named.
    #[error(
        "set FLEXSECURE_CAPABILITIES to `v1` or `full`, or not at all to have the authority asked"
    )]
    UnknownCapabilities,
    /// The TLS of this machine can't be used.
    #[error("install the CA certificates of the system (Debian: the package ca-certificates)")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
}

impl Builder {
    pub(super) fn new(url: &str, key: SecretString) -> Self {
        Self { url: url.to_owned(), key, capabilities: None, limits: Limits::default() }
    }

    /// An environment variable that is set to nothing is not set.
    pub(super) fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let url = set("FLEXSECURE_URL").ok_or(ConfigError::MissingUrl)?;
        let url = url.into_string().map_err(|_| ConfigError::MalformedUrl("not UTF-8".into()))?;
        let key = set("FLEXSECURE_API_KEY").ok_or(ConfigError::MissingKey)?;
        let key = key.into_string().map_err(|_| ConfigError::MalformedKey)?;
        let builder = Self::new(&url, key.into());
        match set("FLEXSECURE_CAPABILITIES").as_deref().map(|word| word.to_str()) {
            None => Ok(builder),
            Some(Some("v1")) => Ok(builder.capabilities(Capabilities::V1)),
            Some(Some("full")) => Ok(builder.capabilities(Capabilities::FULL)),
            Some(_) => Err(ConfigError::UnknownCapabilities),
        }
    }

    /// Fixes what the authority is taken to know, so that it is never asked.
    ///
    /// A `wait` beyond 30 seconds is cut to that.
    #[must_use]
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        let wait = capabilities.wait.min(LONGEST_WAIT);
        self.capabilities = Some(Capabilities { wait, ..capabilities });
        self
    }

    #[cfg(test)]
    pub(super) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to set differently.
    pub fn build(self) -> Result<HttpAuthority, ConfigError> {
        let url = parse_url(&self.url)?;
        check_key(&self.key)?;
        let client = client(&url, self.limits).map_err(|error| ConfigError::Tls(error.into()))?;
        Ok(HttpAuthority {
            wire: Wire::new(client, url, self.key),
            knowledge: Knowledge::new(self.capabilities),
            limits: self.limits,
        })
    }
}

/// The address is not shown before it is known to have no password in it.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            capabilities: Duration::from_secs(3),
            start: Duration::from_secs(5),
            check: Duration::from_secs(3),
        }
    }
}

fn parse_url(text: &str) -> Result<Url, ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::MissingUrl);
    }
    let url = Url::parse(text).map_err(|error| ConfigError::MalformedUrl(error.into()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(ConfigError::UnsupportedScheme);
    }
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if has_credentials || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::SuperfluousUrlPart);
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(ConfigError::PlainHttp);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == LOCALHOST,
        None => false,
    }
}

fn check_key(key: &SecretString) -> Result<(), ConfigError> {
    let key = key.expose_secret();
    if key.is_empty() {
        return Err(ConfigError::MissingKey);
    }
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible.then_some(()).ok_or(ConfigError::MalformedKey)
}

/// What reqwest would do by default or by a feature that another crate turns on is all said here.
fn client(url: &Url, limits: Limits) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("flexsecure-core/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        .connect_timeout(limits.connect)
        .pool_idle_timeout(POOL_IDLE);
    if url.scheme() == "https" {
        builder.https_only(true).tls_version_min(reqwest::tls::Version::TLS_1_2).build()
    } else {
        // The name is bound here because a resolver may have another idea of it, and certificates
        // are left alone because a machine without any can still talk to itself.
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let loopback = loopback.map(|address: std::net::IpAddr| (address, 0).into());
        builder.resolve_to_addrs(LOCALHOST, &loopback).tls_certs_only([]).build()
    }
}

const LOCALHOST: &str = "localhost";

/// Shorter than the five seconds after which some servers close an idle connection: a start that
/// meets the closing is one of which nobody knows whether it was processed.
const POOL_IDLE: Duration = Duration::from_secs(4);
