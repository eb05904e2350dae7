use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::Gate;
use super::client::TrustedOrigins;
use super::engine::Engine;
use super::holds::Holds;
use super::hub::Hub;
use crate::audit::Recorder;
use crate::page::{PagesError, step_up};
use crate::policy::{Networks, NotANetwork};
use crate::refusal::{AcrValues, Site};
use crate::{Audit, Authority, Clock, MemoryStore, Method, Store, SystemClock};

/// Puts a [`Gate`] together.
#[derive(Debug)]
#[must_use]
pub struct GateBuilder {
    authority: Box<dyn Authority>,
    store: Option<Box<dyn Store>>,
    clock: Box<dyn Clock>,
    prefix: String,
    pages: Option<PathBuf>,
    trusted: Vec<Box<str>>,
    proxies: Vec<Box<str>>,
    default_method: Method,
    bearer: Option<String>,
    audit: Recorder,
}

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The prefix is not a plain path.
    #[error(
        "the prefix {prefix:?} has to be a path like /step-up: with a slash in front and none behind"
    )]
    Prefix {
        /// What was set.
        prefix: String,
    },
    /// A trusted origin is not one.
    #[error(
        "the trusted origin {origin:?} has to be like https://app.example.com, with no path behind"
    )]
    TrustedOrigin {
        /// What was set.
        origin: String,
    },
    /// The authentication contexts for OAuth clients are none.
    #[error(
        "the acr_values {acr_values:?} have to be values of visible ASCII, without quotes and \
         backslashes, and one space between any two"
    )]
    AcrValues {
        /// What was set.
        acr_values: String,
    },
    /// The folder of pages is wrong.
    #[error("the folder of pages: {0}")]
    Pages(#[from] PagesError),
    /// A trusted proxy's network is none.
    #[error("a trusted proxy: {0}")]
    TrustedProxy(#[from] NotANetwork),
}

impl GateBuilder {
    pub(super) fn new(authority: impl Authority) -> Self {
        Self {
            authority: Box::new(authority),
            store: None,
            clock: Box::new(SystemClock),
            prefix: "/step-up".to_owned(),
            pages: None,
            trusted: Vec::new(),
            proxies: Vec::new(),
            default_method: Method::Passwordless,
            bearer: None,
            audit: Recorder::default(),
        }
    }

    /// Where flows and elevations live; the memory of this process unless set.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Where the time comes from; the operating system unless set.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The path under which a client reaches the flow endpoints; `/step-up` unless set.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Takes texts, colours, logo or all of the step-up page from `folder`, as far as they are there;
    /// [`page`](crate::page) says what to put into it.
    pub fn pages(mut self, folder: impl Into<PathBuf>) -> Self {
        self.pages = Some(folder.into());
        self
    }

    /// Lets pages of `origin`, like `https://app.example.com`, start flows and submit PINs.
    pub fn trust_origin(mut self, origin: &str) -> Self {
        self.trusted.push(origin.into());
        self
    }

    /// Takes a client's address from `X-Forwarded-For` where the connection's other end is in
    /// `network`, like `10.0.0.0/8`: a proxy of yours that adds to that header. Nobody else has a
    /// say about where they come from.
    ///
    /// Name all of your proxies, and nothing beyond: whoever sends from a trusted network can claim
    /// to be anywhere.
    pub fn trust_proxies(mut self, network: &str) -> Self {
        self.proxies.push(network.into());
        self
    }

    /// The method to expect of a user where neither authority, requirement nor identity tells;
    /// [`Method::Passwordless`] unless set.
    pub fn default_method(mut self, method: Method) -> Self {
        self.default_method = method;
        self
    }

    /// Challenges OAuth clients too: a 401 that asks for a proof then has a second
    /// `WWW-Authenticate`, `Bearer` with `acr_values` and `max_age` (RFC 9470, section 3).
    ///
    /// `acr_values` are what your authorization server calls such a proof, the best first, with one
    /// space between any two. It is for clients that know nothing of flows: the app still has to take
    /// what the token says for a proof, in its policy. A gRPC client is sent no challenge, and a
    /// reason that is [final](crate::refusal::Reason::is_final) has none of this kind.
    pub fn bearer(mut self, acr_values: &str) -> Self {
        self.bearer = Some(acr_values.to_owned());
        self
    }

    /// Where what the gate did is kept; `tracing`, by [`TracingAudit`](crate::audit::TracingAudit),
    /// unless set.
    pub fn audit(mut self, audit: impl Audit) -> Self {
        self.audit = Recorder::new(audit);
        self
    }

    /// The gate.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the prefix is no path, a trusted origin or proxy is none, `acr_values`
    /// are none, or a page is broken.
    pub fn build(self) -> Result<Gate, BuildError> {
        if !is_prefix(&self.prefix) {
            return Err(BuildError::Prefix { prefix: self.prefix });
        }
        if let Some(origin) = self.trusted.iter().find(|origin| !is_origin(origin)) {
            return Err(BuildError::TrustedOrigin { origin: origin.to_string() });
        }
        let bearer = match self.bearer {
            Some(text) => match AcrValues::parse(&text) {
                Some(acr_values) => Some(acr_values),
                None => return Err(BuildError::AcrValues { acr_values: text }),
            },
            None => None,
        };
        let proxies = Networks::parse(self.proxies.iter().map(|network| &**network))?;
        let pages = step_up(self.pages.as_deref())?;
        let site = Site { prefix: self.prefix.into(), pages };
        let store = self.store.unwrap_or_else(|| Box::new(MemoryStore::default()));
        let hub = Hub::default();
        store.listen(hub.listener());
        Ok(Gate(Arc::new(Engine {
            authority: self.authority,
            store,
            clock: self.clock,
            site,
            trusted: TrustedOrigins(self.trusted),
            proxies,
            default_method: self.default_method,
            bearer,
            audit: self.audit,
            hub,
            closing: watch::Sender::new(false),
            holds: Holds::default(),
            misconfigured_until: AtomicU64::new(0),
        })))
    }
}

fn is_prefix(prefix: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    prefix.starts_with('/')
        && !prefix.ends_with('/')
        && !prefix.contains("//")
        && prefix.bytes().all(is_plain)
}

fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
}
