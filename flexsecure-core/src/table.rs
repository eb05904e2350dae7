//! Which route takes what, in one place, with nothing let through that is not listed.

use std::collections::HashMap;
use std::fmt;

use crate::RequestView;
use crate::policy::{Decision, Facts, Policy};

/// What each route of an app takes; a request that it does not list is denied.
///
/// It goes around the whole app, so that no route can be forgotten. A route is named as the
/// framework spells its pattern, all nesting included, and is found by the pattern that the
/// framework matched: what a client made of the path does not matter.
///
/// ```
/// use flexsecure_core::policy::{Decision, Facts};
/// use flexsecure_core::{Requirement, RouteTable};
///
/// let logged_in = |_: &Facts<'_>| Decision::Allow;
/// let table = RouteTable::new()
///     .open("GET", "/healthz")
///     .open("POST", "/login")
///     .get("/balance", logged_in)
///     .get("/statements", Requirement::system("bank"))
///     .any("/admin/users/{user}", Requirement::system("bank-admin").pin());
/// # let _ = table;
/// ```
///
/// - `HEAD` takes what `GET` does if that is how the framework routes it, as axum does, and is listed
///   apart if it does not, as with actix.
/// - A method that a listed route does not have is denied, `OPTIONS` too: what answers the preflight
///   of CORS goes outside.
/// - A path that no route matches is denied, with 403 and not with 404: what would answer it is a
///   fallback, which may be anything. Who is not logged in gets 401 for whatever is not open, and is
///   not told which routes there are.
/// - The flow endpoints of the gate itself are open: they know whom a flow belongs to.
/// - Where the framework does not tell the matched route, only [RPCs](Self::rpc) can be listed.
#[derive(Default)]
#[must_use]
pub struct RouteTable {
    routes: HashMap<Box<str>, Row>,
    rpcs: HashMap<Box<str>, Entry>,
    mistake: Option<TableError>,
}

/// A table that contradicts itself, or that can match nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Only one of the entries could be meant.
    #[error("{method} {route} is listed twice: which of the two entries is meant?")]
    Twice {
        /// The method, `*` if it is any.
        method: String,
        /// The route's pattern.
        route: String,
    },
    /// The pattern is not what a framework would call a route.
    #[error("the route {route:?} has to begin with a slash, as the framework spells it")]
    Route {
        /// What was listed.
        route: String,
    },
    /// No client would send this method.
    #[error("{method:?} is no method: they are in capitals, and `any` lists all of them")]
    Method {
        /// What was listed.
        method: String,
    },
    /// The path is not that of one RPC.
    #[error("the RPC {path:?} has to be like /package.Service/Method, with no parameters")]
    Rpc {
        /// What was listed.
        path: String,
    },
}

impl RouteTable {
    /// A table that denies everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// `GET` of `route` takes what `policy` says.
    pub fn get(self, route: &str, policy: impl Policy) -> Self {
        self.on("GET", route, policy)
    }

    /// `HEAD` of `route` takes what `policy` says.
    pub fn head(self, route: &str, policy: impl Policy) -> Self {
        self.on("HEAD", route, policy)
    }

    /// `POST` of `route` takes what `policy` says.
    pub fn post(self, route: &str, policy: impl Policy) -> Self {
        self.on("POST", route, policy)
    }

    /// `PUT` of `route` takes what `policy` says.
    pub fn put(self, route: &str, policy: impl Policy) -> Self {
        self.on("PUT", route, policy)
    }

    /// `PATCH` of `route` takes what `policy` says.
    pub fn patch(self, route: &str, policy: impl Policy) -> Self {
        self.on("PATCH", route, policy)
    }

    /// `DELETE` of `route` takes what `policy` says.
    pub fn delete(self, route: &str, policy: impl Policy) -> Self {
        self.on("DELETE", route, policy)
    }

    /// `method`, which is given in capitals, of `route` takes what `policy` says.
    pub fn on(self, method: &str, route: &str, policy: impl Policy) -> Self {
        self.list(Some(method), route, Entry::Policy(Box::new(policy)))
    }

    /// Every method of `route` that has no entry of its own takes what `policy` says.
    ///
    /// The route has to answer all of them itself, and be it with 405.
    pub fn any(self, route: &str, policy: impl Policy) -> Self {
        self.list(None, route, Entry::Policy(Box::new(policy)))
    }

    /// `method` of `route` takes nothing, not even a login.
    pub fn open(self, method: &str, route: &str) -> Self {
        self.list(Some(method), route, Entry::Open)
    }

    /// No method of `route` takes anything, not even a login, unless it has an entry of its own.
    pub fn open_any(self, route: &str) -> Self {
        self.list(None, route, Entry::Open)
    }

    /// The RPC at `path`, like `/package.Service/Method`, takes what `policy` says.
    ///
    /// All RPCs of a service are one route to tonic, which tells them apart by the path as it was
    /// sent; so does this, whether the matched route is known or not.
    pub fn rpc(self, path: &str, policy: impl Policy) -> Self {
        self.list_rpc(path, Entry::Policy(Box::new(policy)))
    }

    /// The RPC at `path` takes nothing, not even a login.
    pub fn open_rpc(self, path: &str) -> Self {
        self.list_rpc(path, Entry::Open)
    }

    /// The policy that the table is, for a framework that routes `HEAD` so.
    ///
    /// # Errors
    ///
    /// [`TableError`] for the first entry that cannot be meant.
    pub fn into_policy(self, head: HeadRouting) -> Result<impl Policy, TableError> {
        match self.mistake {
            None => Ok(Listed { routes: self.routes, rpcs: self.rpcs, head }),
            Some(mistake) => Err(mistake),
        }
    }

    fn list(mut self, method: Option<&str>, route: &str, entry: Entry) -> Self {
        if !route.starts_with('/') {
            return self.mistaken(TableError::Route { route: route.to_owned() });
        }
        if let Some(method) = method.filter(|method| !is_method(method)) {
            return self.mistaken(TableError::Method { method: method.to_owned() });
        }
        let row = self.routes.entry(route.into()).or_default();
        if row.own(method).is_some() {
            return self.mistaken(TableError::Twice {
                method: method.unwrap_or("*").to_owned(),
                route: route.to_owned(),
            });
        }
        match method {
            Some(method) => row.methods.push((method.into(), entry)),
            None => row.any = Some(entry),
        }
        self
    }

    fn list_rpc(mut self, path: &str, entry: Entry) -> Self {
        if !is_rpc(path) {
            return self.mistaken(TableError::Rpc { path: path.to_owned() });
        }
        if self.rpcs.insert(path.into(), entry).is_some() {
            return self
                .mistaken(TableError::Twice { method: "RPC".to_owned(), route: path.to_owned() });
        }
        self
    }

    /// The first mistake is the one to tell: it is often why there are others.
    fn mistaken(mut self, mistake: TableError) -> Self {
        self.mistake.get_or_insert(mistake);
        self
    }
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteTable")
            .field("routes", &self.routes.keys())
            .field("rpcs", &self.rpcs.keys())
            .finish_non_exhaustive()
    }
}

/// What a framework does with a `HEAD` request for a route that has a handler for `GET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "that handler answers it or it does not")]
pub enum HeadRouting {
    /// That handler answers it.
    AsGet,
    /// It is a method like any other, and without a handler it goes on to whatever comes next.
    Apart,
}

/// A table without mistakes.
struct Listed {
    routes: HashMap<Box<str>, Row>,
    rpcs: HashMap<Box<str>, Entry>,
    head: HeadRouting,
}

/// What is listed of one route.
#[derive(Default)]
struct Row {
    methods: Vec<(Box<str>, Entry)>,
    any: Option<Entry>,
}

enum Entry {
    Open,
    Policy(Box<dyn Policy>),
}

impl Listed {
    fn entry(&self, method: &str, path: &str, route: Option<&str>) -> Option<&Entry> {
        let listed = || self.routes.get(route?)?.entry(method, self.head);
        self.rpc(method, path, route).or_else(listed)
    }

    fn rpc(&self, method: &str, path: &str, route: Option<&str>) -> Option<&Entry> {
        let path = path.split('?').next().unwrap_or_default();
        let entry = self.rpcs.get(path).filter(|_| method == "POST")?;
        // Where a route is known, it must be that of the service, and nothing that catches all.
        let is_service = |route: &str| {
            let service = route.strip_suffix(REST_OF_SERVICE);
            service.is_some() && service == path.rsplit_once('/').map(|(service, _)| service)
        };
        route.is_none_or(is_service).then_some(entry)
    }

    fn policies(&self) -> impl Iterator<Item = &dyn Policy> {
        let rows = self.routes.values();
        let of_routes = rows.flat_map(|row| row.methods.iter().map(|(_, it)| it).chain(&row.any));
        of_routes.chain(self.rpcs.values()).filter_map(|entry| match entry {
            Entry::Open => None,
            Entry::Policy(policy) => Some(&**policy),
        })
    }
}

impl Row {
    fn own(&self, method: Option<&str>) -> Option<&Entry> {
        let Some(method) = method else { return self.any.as_ref() };
        self.methods.iter().find(|(known, _)| **known == *method).map(|(_, entry)| entry)
    }

    fn entry(&self, method: &str, head: HeadRouting) -> Option<&Entry> {
        let is_get = method == "HEAD" && head == HeadRouting::AsGet;
        let as_get = || self.own(Some("GET")).filter(|_| is_get);
        self.own(Some(method)).or_else(as_get).or(self.any.as_ref())
    }
}

impl Policy for Listed {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        match self.entry(facts.method(), facts.path(), facts.matched_route().as_deref()) {
            None => Decision::Deny,
            Some(Entry::Open) => Decision::Allow,
            Some(Entry::Policy(policy)) => policy.decide(facts),
        }
    }

    fn reads_body(&self) -> bool {
        self.policies().any(Policy::reads_body)
    }

    fn admits_anyone(&self, request: &dyn RequestView) -> bool {
        let route = request.matched_route();
        match self.entry(request.method(), request.path(), route.as_deref()) {
            None => false,
            Some(Entry::Open) => true,
            Some(Entry::Policy(policy)) => policy.admits_anyone(request),
        }
    }
}

fn is_method(method: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    !method.is_empty() && method.bytes().all(is_plain)
}

fn is_rpc(path: &str) -> bool {
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.rsplit_once('/'))
    else {
        return false;
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    !service.is_empty() && !method.is_empty() && path.bytes().all(is_plain)
}

/// How tonic spells the rest of the route of a service.
const REST_OF_SERVICE: &str = "/{*rest}";

#[cfg(test)]
mod tests;
