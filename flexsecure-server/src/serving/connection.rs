use std::{
    convert::Infallible,
    net::IpAddr,
    pin::{Pin, pin},
    time::Duration,
};

use axum::{Router, body::Body};
use http_body::Body as HttpBody;
use hyper::{
    Request, Response,
    body::Incoming,
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use super::{
    activity::{Activity, BusyBody},
    client::Peer,
};
use crate::stopping::Stopping;

/// Serves one connection until its end. Whatever goes wrong on it is the client's to know.
pub(super) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    stopping: Stopping,
) {
    let Some(tls) = tls else {
        return serve_http1(stream, peer, router, stopping).await;
    };
    match timeout(FIRST_REQUEST, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            Box::pin(serve_http2(stream, peer, router, stopping)).await;
        }
        Ok(Ok(stream)) => Box::pin(serve_http1(stream, peer, router, stopping)).await,
        Ok(Err(error)) => tracing::debug!(error = %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_http1<S>(stream: S, peer: IpAddr, router: Router, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let watch = activity.watch();
    let service = service_fn(|request| answer(request, peer, &router, &activity));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(FIRST_REQUEST)
        .max_buf_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    until_over(connection, watch, stopping).await;
}

async fn serve_http2<S>(stream: S, peer: IpAddr, router: Router, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let watch = activity.watch();
    let service = service_fn(move |request| {
        let (router, activity) = (router.clone(), activity.clone());
        async move { answer(request, peer, &router, &activity).await }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEADER_LIST_LIMIT)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    until_over(connection, watch, stopping).await;
}

async fn answer(
    mut request: Request<Incoming>,
    peer: IpAddr,
    router: &Router,
    activity: &Activity,
) -> Result<Response<BusyBody>, Infallible> {
    let busy = activity.begin();
    request.extensions_mut().insert(Peer(peer));
    let response = router.clone().call(request.map(Body::new)).await?;
    Ok(response.map(|body| BusyBody::new(body, busy)))
}

/// Until the client leaves, nothing has been asked for too long, or the server stops and what was asked is answered.
async fn until_over<C: Connection>(
    connection: C,
    mut activity: tokio::sync::watch::Receiver<usize>,
    mut stopping: Stopping,
) {
    let mut connection = pin!(connection);
    let mut is_closing = false;
    let mut idle = pin!(sleep_until(deadline(FIRST_REQUEST)));
    loop {
        let is_idle = *activity.borrow_and_update() == 0;
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection broke off");
                }
                return;
            }
            () = stopping.begun(), if !is_closing => {
                is_closing = true;
                connection.as_mut().close();
            }
            _ = activity.changed() => idle.as_mut().reset(deadline(IDLE)),
            () = idle.as_mut(), if is_idle => break,
        }
    }
    connection.as_mut().close();
    let _in_time = timeout(FAREWELL, connection).await;
}

/// A moment that there always is: these are seconds.
fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}

/// What both versions of HTTP have in common.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Ends after what has been asked is answered.
    fn close(self: Pin<&mut Self>);
}

impl<I, B, S> Connection for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: Read + Write + Unpin,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Connection for http2::Connection<I, S, TokioExecutor>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    I: Read + Write + Unpin,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Handshake, head of a request, first request of a connection: each within this.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// Between two requests. HTTP/1 closes earlier: its next head has to come in time.
const IDLE: Duration = Duration::from_secs(60);
/// For saying that a connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);
const MAX_STREAMS: u32 = 100;
const HEADER_LIMIT: usize = 32 * 1024;
const HEADER_LIST_LIMIT: u32 = 16 * 1024;
