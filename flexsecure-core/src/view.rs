use std::fmt;
use std::net::IpAddr;

/// What the gate, and a policy, may know of a request: nothing of its body.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestView<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query as the client sent them, before any router stripped a prefix.
    pub path: &'a str,
    /// The pattern of the route that was matched, where the framework tells.
    pub matched_route: Option<&'a str>,
    /// The address of the connection's other end, where the framework tells.
    pub peer: Option<IpAddr>,
    /// The headers.
    pub headers: &'a dyn Headers,
}

impl<'a> RequestView<'a> {
    /// A request of which no more is known than this.
    #[must_use]
    pub const fn new(method: &'a str, path: &'a str, headers: &'a dyn Headers) -> Self {
        Self { method, path, matched_route: None, peer: None, headers }
    }

    /// Adds the pattern of the route that was matched.
    #[must_use]
    pub const fn matched_route(mut self, route: Option<&'a str>) -> Self {
        self.matched_route = route;
        self
    }

    /// Adds the address of the connection's other end.
    #[must_use]
    pub const fn peer(mut self, peer: Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// The first header called `name`, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.first(name).and_then(|value| std::str::from_utf8(value).ok())
    }
}

impl fmt::Debug for RequestView<'_> {
    /// Headers and query may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView")
            .field("method", &self.method)
            .field("matched_route", &self.matched_route)
            .finish_non_exhaustive()
    }
}

/// The headers of a request, whatever type a framework has for them.
pub trait Headers {
    /// The value of the first header called `name`, which is given in lower case.
    fn first(&self, name: &str) -> Option<&[u8]>;
}

/// Headers as pairs of lower-case name and value, for tests.
impl Headers for &[(&str, &str)] {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
    }
}
