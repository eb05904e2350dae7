use std::net::SocketAddr;

use actix_web::dev::{Extensions, RequestHead};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, Uri};
use flexsecure_core::{Headers, RequestView};

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

impl<'a> Sent<'a> {
    /// The matched route stays unknown: around an app or a scope, routing has yet to happen, and
    /// actix would match the raw path, by which `/%61dmin` is not the `/admin` that it routes to.
    pub(crate) fn view(&'a self) -> RequestView<'a> {
        let Self(head) = *self;
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        RequestView::new(head.method.as_str(), path, self)
            .peer(head.peer_addr.map(|peer| peer.ip()))
    }
}

impl Headers for Sent<'_> {
    /// HTTP/2 has an authority in the place of a `Host` header (RFC 9113, section 8.3.1).
    fn first(&self, name: &str) -> Option<&[u8]> {
        let header = self.0.headers.get(name).map(HeaderValue::as_bytes);
        if header.is_none() && name == header::HOST.as_str() {
            return self.0.uri.authority().map(|authority| authority.as_str().as_bytes());
        }
        header
    }
}
