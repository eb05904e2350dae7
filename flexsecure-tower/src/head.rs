use flexsecure_core::{Headers, RequestView};
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

    pub(crate) fn view(&'a self) -> RequestView<'a> {
        let uri = self.original_uri();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        RequestView::new(self.method.as_str(), path, self)
            .matched_route(self.matched_route())
            .peer(self.peer())
    }

    #[cfg(feature = "axum")]
    fn original_uri(&self) -> &'a Uri {
        self.extensions.get::<axum::extract::OriginalUri>().map_or(self.uri, |original| &original.0)
    }

    #[cfg(not(feature = "axum"))]
    const fn original_uri(&self) -> &'a Uri {
        self.uri
    }

    #[cfg(feature = "axum")]
    fn matched_route(&self) -> Option<&'a str> {
        self.extensions.get::<axum::extract::MatchedPath>().map(|matched| matched.as_str())
    }

    #[cfg(not(feature = "axum"))]
    const fn matched_route(&self) -> Option<&'a str> {
        None
    }

    #[cfg(feature = "axum")]
    fn peer(&self) -> Option<std::net::IpAddr> {
        use axum::extract::ConnectInfo;
        self.extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0.ip())
    }

    #[cfg(not(feature = "axum"))]
    const fn peer(&self) -> Option<std::net::IpAddr> {
        None
    }
}

impl Headers for Head<'_> {
    /// HTTP/2 has an authority in the place of a `Host` header (RFC 9113, section 8.3.1).
    fn first(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.get(name).map(http::HeaderValue::as_bytes);
        if header.is_none() && name == header::HOST.as_str() {
            return self.uri.authority().map(|authority| authority.as_str().as_bytes());
        }
        header
    }
}
