use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::dev::{Extensions, RequestHead};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri};
use flexsecure_core::RequestView;
use percent_encoding::percent_decode_str;

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
pub(crate) struct Sent<'a>(pub(crate) &'a HttpRequest);

impl<'a> Sent<'a> {
    fn head(&self) -> &'a RequestHead {
        self.0.head()
    }
}

impl RequestView for Sent<'_> {
    fn method(&self) -> &str {
        self.head().method.as_str()
    }

    fn path(&self) -> &str {
        self.head().uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// HTTP/2 has an authority in the place of a `Host` header (RFC 9113, section 8.3.1).
    fn header(&self, name: &str) -> Option<&str> {
        let head = self.head();
        let Some(value) = head.headers.get(name) else {
            let authority = head.uri.authority().filter(|_| name == header::HOST.as_str());
            return authority.map(|authority| authority.as_str());
        };
        value.to_str().ok()
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        for (name, value) in &self.head().headers {
            if let Ok(value) = value.to_str() {
                show(name.as_str(), value);
            }
        }
    }

    /// Around an app or a scope, routing has yet to happen. What will be matched then is not the raw
    /// path, of which `HttpRequest::match_pattern` makes its guess and by which `/%61dmin` is no
    /// `/admin`, but the path as the router itself has decoded it.
    fn matched_route(&self) -> Option<Cow<'_, str>> {
        let path = self.0.match_info().as_str();
        self.0.resource_map().match_pattern(path).map(Cow::Owned)
    }

    /// As far as routing has come: around a resource all of them are known, around a scope only those
    /// of its own prefix. The router has decoded what it could without making one segment two; the rest
    /// is left to whoever takes a parameter.
    fn path_parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.0.match_info().iter() {
            if let Ok(value) = percent_decode_str(value).decode_utf8() {
                show(name, &value);
            }
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.head().peer_addr.map(|peer| peer.ip())
    }
}
