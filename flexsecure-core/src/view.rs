use std::net::IpAddr;

/// What the gate, and a policy, may know of a request: nothing of its body.
///
/// An adapter looks things up when they are asked for: a request that is let through is asked for
/// nothing.
pub trait RequestView {
    /// The method, in capitals.
    fn method(&self) -> &str;

    /// Path and query as the client sent them, before any router stripped a prefix.
    fn path(&self) -> &str;

    /// The first header called `name`, which is given in lower case, if it is text.
    fn header(&self, name: &str) -> Option<&str>;

    /// The pattern of the route that was matched, where the framework tells.
    fn matched_route(&self) -> Option<&str> {
        None
    }

    /// The address of the connection's other end, where the framework tells.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// A request as plain data, for tests and for transports that are no framework.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is put together by whoever uses it")]
pub struct PlainRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Names, in lower case, and values.
    pub headers: &'a [(&'a str, &'a str)],
}

impl RequestView for PlainRequest<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
