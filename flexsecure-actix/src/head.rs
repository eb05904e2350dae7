use std::net::{IpAddr, SocketAddr};

use actix_web::dev::{Extensions, RequestHead};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri};
use flexsecure_core::RequestView;

/// All of a request but its body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URI as the client sent it.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What outer middleware left for inner ones.
    pub extensions: &'a Extensions,
    /// The address of the connection's other end.
    pub peer: Option<SocketAddr>,
}

impl<'a> Head<'a> {
    pub(crate) const fn of(head: &'a RequestHead, extensions: &'a Extensions) -> Self {
        Self {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            extensions,
            peer: head.peer_addr,
        }
    }
}

/// What the client sent, without the extensions: they must not be borrowed while a policy runs.
pub(crate) struct Sent<'a>(pub(crate) &'a RequestHead);

/// The matched route stays unknown: around an app or a scope, routing has yet to happen, and actix
/// would match the raw path, by which `/%61dmin` is not the `/admin` that it routes to.
impl RequestView for Sent<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn path(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// HTTP/2 has an authority in the place of a `Host` header (RFC 9113, section 8.3.1).
    fn header(&self, name: &str) -> Option<&str> {
        let Some(value) = self.0.headers.get(name) else {
            let authority = self.0.uri.authority().filter(|_| name == header::HOST.as_str());
            return authority.map(|authority| authority.as_str());
        };
        value.to_str().ok()
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        for (name, value) in &self.0.headers {
            if let Ok(value) = value.to_str() {
                show(name.as_str(), value);
            }
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.0.peer_addr.map(|peer| peer.ip())
    }
}
