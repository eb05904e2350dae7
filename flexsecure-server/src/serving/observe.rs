use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method as HttpMethod,
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Span, info_span};

use super::{
    client::{Peer, TrustedProxies},
    request_id::RequestId,
};
use crate::metrics::{self, Request as Counted};

/// Who may name the client and the request.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    pub(crate) proxies: Arc<TrustedProxies>,
}

/// Finds out who calls, gives the request a name, and notes what became of it.
///
/// A path may hold a link's token: only the pattern of its route is noted.
pub(crate) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let peer = request.extensions().get::<Peer>().map_or(UNKNOWN, |peer| peer.0);
    let client = observer.proxies.client(peer, request.headers());
    let given = if client.is_proxied { RequestId::given(request.headers()) } else { None };
    let id = given.unwrap_or_else(RequestId::random);
    let route = Route::of(&request);
    let method = method_name(request.method());
    request.extensions_mut().insert(client);
    let span = info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (name, value) = id.header();
    response.headers_mut().insert(name, value);
    let took = began.elapsed();
    metrics::answered(&Counted {
        route: route.as_str(),
        status: response.status(),
        is_held: response.headers().contains_key("preference-applied"),
        took,
    });
    log(&span, method, &route, client.address, &response, took.as_secs_f64() * 1000.0);
    response
}

fn log(
    span: &Span,
    method: &'static str,
    route: &Route,
    client: IpAddr,
    response: &Response,
    milliseconds: f64,
) {
    let _entered = span.enter();
    let (route, status) = (route.as_str(), response.status().as_u16());
    let is_healthy = route.starts_with("/health/") && response.status().is_success();
    // A line each few seconds that says nothing is left out unless asked for.
    if is_healthy || response.extensions().get::<NothingNew>().is_some() {
        tracing::debug!(target: "flexsecure::access", method, route, status, %client, milliseconds);
    } else {
        tracing::info!(target: "flexsecure::access", method, route, status, %client, milliseconds);
    }
}

/// Of an answer that is given again and again until something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NothingNew;

/// The pattern of a route, such as `/a/{token}`.
#[derive(Debug)]
struct Route(Option<MatchedPath>);

impl Route {
    fn of(request: &Request) -> Self {
        Self(request.extensions().get::<MatchedPath>().cloned())
    }

    fn as_str(&self) -> &str {
        // What the router adds for the fallback of a part of it is a pattern of its own.
        let matched = self.0.as_ref().map(MatchedPath::as_str);
        matched.filter(|path| !path.contains('*')).unwrap_or("none")
    }
}

/// The client chooses a method's name: an uncommon one is not repeated.
fn method_name(method: &HttpMethod) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Whoever comes by no connection of ours.
const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
