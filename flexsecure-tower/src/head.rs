#[cfg(feature = "axum")]
use std::borrow::Cow;

use flexsecure_core::RequestView;
use http::{Extensions, HeaderMap, Method, Request, Uri, header};

/// All of a request but its body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URI as this service sees it: a router may have stripped a prefix.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What outer layers left for inner ones.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    #[cfg(feature = "axum")]
    fn original_uri(&self) -> &'a Uri {
        self.extensions.get::<axum::extract::OriginalUri>().map_or(self.uri, |original| &original.0)
    }

    #[cfg(not(feature = "axum"))]
    const fn original_uri(&self) -> &'a Uri {
        self.uri
    }
}

impl RequestView for Head<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        self.original_uri().path_and_query().map_or("/", |path| path.as_str())
    }

    /// HTTP/2 has an authority in the place of a `Host` header (RFC 9113, section 8.3.1).
    fn header(&self, name: &str) -> Option<&str> {
        let Some(value) = self.headers.get(name) else {
            let authority = self.uri.authority().filter(|_| name == header::HOST.as_str());
            return authority.map(|authority| authority.as_str());
        };
        value.to_str().ok()
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.headers {
            if let Ok(value) = value.to_str() {
                show(name.as_str(), value);
            }
        }
    }

    #[cfg(feature = "axum")]
    fn matched_route(&self) -> Option<Cow<'_, str>> {
        let matched = self.extensions.get::<axum::extract::MatchedPath>();
        matched.map(|matched| Cow::Borrowed(matched.as_str()))
    }

    #[cfg(feature = "axum")]
    fn peer(&self) -> Option<std::net::IpAddr> {
        use axum::extract::ConnectInfo;
        self.extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0.ip())
    }
}
