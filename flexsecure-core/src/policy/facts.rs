use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Decision, Defect, Network, Notes, Undecided, Verb};
use crate::body::BodyKind;
use crate::gate::Engine;
use crate::store::{Peek, StoreError};
use crate::view::OwnedRequest;
use crate::{Elevations, Identity, RequestView, Timestamp};

/// What a policy may know of a request and of who makes it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    request: &'a dyn RequestView,
    identity: &'a Identity,
    now: Timestamp,
    /// Nothing is known of the session where a policy is tried out by itself.
    engine: Option<&'a Arc<Engine>>,
    notes: Option<&'a Arc<Notes>>,
}

impl<'a> Facts<'a> {
    /// What is known of `request`, made by `identity`, at `now`, to try a policy out: the session
    /// holds nothing and no proxy is trusted.
    #[must_use]
    pub fn new(request: &'a dyn RequestView, identity: &'a Identity, now: Timestamp) -> Self {
        Self { request, identity, now, engine: None, notes: None }
    }

    pub(crate) fn of(
        engine: &'a Arc<Engine>,
        request: &'a dyn RequestView,
        identity: &'a Identity,
    ) -> Self {
        Self { request, identity, now: engine.now(), engine: Some(engine), notes: None }
    }

    pub(crate) const fn noting(mut self, notes: &'a Arc<Notes>) -> Self {
        self.notes = Some(notes);
        self
    }

    /// The method, in capitals.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.request.method()
    }

    /// Path and query as the client sent them.
    ///
    /// Nothing should be protected by comparing it: `//admin` and `/%61dmin` are not `/admin`, until
    /// a router takes them for it. [`Facts::matched_route`] is what was matched.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.request.path()
    }

    /// The first header called `name`, in lower case, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.request.header(name)
    }

    /// The pattern of the route that was matched, where the framework tells.
    #[must_use]
    pub fn matched_route(&self) -> Option<Cow<'a, str>> {
        self.request.matched_route()
    }

    /// The part of the path that the matched route calls `name`, decoded.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> Option<String> {
        let mut found = None;
        self.request.path_parameters(&mut |known, value| {
            if known == name {
                found = Some(value.to_owned());
            }
        });
        found
    }

    /// All that the path has under `name`: nobody knows which of several the handler takes.
    pub(super) fn path_parameters(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.request.path_parameters(&mut |known, value| {
            if known == name {
                found.push(value.to_owned());
            }
        });
        found
    }

    /// The query's parameter `name`, decoded; nothing if it is there more than once, because nobody
    /// knows which one the handler takes. [`Facts::has_query`] tells whether it is there at all.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        let (_, query) = self.path().split_once('?')?;
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// What its headers say that the body is.
    pub(super) fn body_kind(&self) -> Result<Option<BodyKind>, Defect> {
        BodyKind::of(self.request)
    }

    /// Whether the query has the parameter `name`, once or more often.
    #[must_use]
    pub fn has_query(&self, name: &str) -> bool {
        let query = self.path().split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name)
    }

    /// The body, where the layer has read it.
    #[must_use]
    pub fn body(&self) -> Option<&'a Bytes> {
        self.request.body()
    }

    /// The client's address: that of the connection's other end or, where that is a
    /// [trusted proxy](crate::GateBuilder::trust_proxies), the one for which it forwards.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.engine {
            Some(engine) => engine.proxies.client(self.request),
            None => self.request.peer(),
        }
    }

    /// The network of that address.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.address().map(Network::of)
    }

    /// Who asks.
    #[must_use]
    pub const fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What the session holds, spent and outlived elevations included, if the store can tell at once.
    #[must_use]
    pub fn peek(&self) -> Peek {
        let Some(engine) = self.engine else { return Peek::Known(None) };
        engine.store.peek(self.identity.session(), self.identity.auth_id())
    }

    /// The same facts, to be kept over an await.
    #[must_use]
    pub fn to_owned(&self) -> OwnedFacts {
        OwnedFacts(Arc::new(Inner {
            request: OwnedRequest::of(self.request),
            identity: self.identity.clone(),
            now: self.now,
            engine: self.engine.cloned(),
            notes: self.notes.cloned(),
        }))
    }

    /// Tells what `rule` asked for, to whoever wants the decision explained and to the log.
    pub(crate) fn note(&self, rule: &str, verb: Verb, asked: &Decision<'_>) {
        if let Some(notes) = self.notes {
            notes.add(rule, verb, asked);
        }
        tracing::debug!(target: LOG, rule, verb = verb.as_str(), %asked, "a rule has spoken");
    }

    pub(super) fn note_failure(&self, rule: &str, verb: Verb, cause: &Undecided) {
        if let Some(notes) = self.notes {
            notes.add_failure(rule, verb);
        }
        let cause: &dyn std::error::Error = cause;
        let cause = cause.source().unwrap_or(cause);
        tracing::warn!(target: LOG, rule, verb = verb.as_str(), %cause, "a rule came to no decision");
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// [`Facts`] that borrow nothing, for policies that await; and what takes an await to know.
#[derive(Clone)]
pub struct OwnedFacts(Arc<Inner>);

struct Inner {
    request: OwnedRequest,
    identity: Identity,
    now: Timestamp,
    engine: Option<Arc<Engine>>,
    notes: Option<Arc<Notes>>,
}

impl OwnedFacts {
    /// The facts that take no await.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        let Inner { request, identity, now, engine, notes } = &*self.0;
        Facts { request, identity, now: *now, engine: engine.as_ref(), notes: notes.as_ref() }
    }

    /// The same facts as they are now.
    pub(crate) fn fresh(&self) -> Facts<'_> {
        let facts = self.facts();
        Facts { now: facts.engine.map_or(facts.now, |engine| engine.now()), ..facts }
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What the session holds, spent and outlived elevations included.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn elevations(&self) -> Result<Option<Arc<Elevations>>, StoreError> {
        let Some(engine) = &self.0.engine else { return Ok(None) };
        engine.store.elevations(self.0.identity.session(), self.0.identity.auth_id()).await
    }

    /// How many flows of the user were declined, refused or ended by too many wrong PINs in the time
    /// `within`, of which the [last hour](crate::store::REFUSALS_WINDOW) is known.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn refusals(&self, within: Duration) -> Result<u32, StoreError> {
        let Some(engine) = &self.0.engine else { return Ok(0) };
        let since = self.0.now.before(within);
        engine.store.refusals(self.0.identity.auth_id(), since).await
    }
}

impl fmt::Debug for OwnedFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts().fmt(f)
    }
}

/// The target under which policies log.
pub(crate) const LOG: &str = "flexsecure::policy";
