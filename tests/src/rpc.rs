//! A gRPC service small enough to be written by hand: one guarded method, one open one, and texts as
//! messages.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tower_service::Service;

use crate::counts::Counts;

/// The method that takes a proof; it answers how often it has run.
pub const OPEN: &str = "/conformance.Vault/Open";

/// The method that takes none.
pub const PING: &str = "/conformance.Vault/Ping";

/// The service.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    opened: Arc<AtomicUsize>,
    counts: Counts,
}

impl Vault {
    /// One that counts as `vault` whatever gets to it, but for the open method.
    #[must_use]
    pub fn counting(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }
}

impl NamedService for Vault {
    const NAME: &'static str = "conformance.Vault";
}

impl Service<http::Request<tonic::body::Body>> for Vault {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let opened = Arc::clone(&self.opened);
        if request.uri().path() != PING {
            self.counts.add("vault", 1);
        }
        Box::pin(async move {
            let method = match request.uri().path() {
                OPEN => {
                    Unary(Box::new(move || (opened.fetch_add(1, Ordering::SeqCst) + 1).to_string()))
                }
                PING => Unary(Box::new(|| "pong".to_owned())),
                _ => return Ok(Status::unimplemented("no such method").into_http()),
            };
            Ok(tonic::server::Grpc::new(TextCodec).unary(method, request).await)
        })
    }
}

/// A method that has a text to say.
struct Unary(Box<dyn FnMut() -> String + Send>);

impl UnaryService<String> for Unary {
    type Response = String;
    type Future = std::future::Ready<Result<Response<String>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        std::future::ready(Ok(Response::new((self.0)())))
    }
}

/// Texts as they are.
#[derive(Clone, Copy, Debug)]
pub struct TextCodec;

impl Codec for TextCodec {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|_| Status::internal("this is no text"))
    }
}

/// A gRPC client of the service.
#[derive(Clone, Debug)]
pub struct Caller {
    channel: Channel,
    bearer: Option<String>,
}

impl Caller {
    /// A client of the server at `address`, logged in with `bearer`.
    pub async fn connect(address: SocketAddr, bearer: Option<&str>) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("the subject accepts connections");
        Self { channel, bearer: bearer.map(|token| format!("Bearer {token}")) }
    }

    /// Calls the method at `path` with `metadata`.
    ///
    /// # Errors
    ///
    /// What a gRPC client gets.
    pub async fn call(
        &self,
        path: &'static str,
        metadata: &[(&'static str, &str)],
    ) -> Result<String, Status> {
        let mut request = Request::new("hello".to_owned());
        let bearer = self.bearer.as_deref().map(|bearer| ("authorization", bearer));
        for (name, value) in metadata.iter().copied().chain(bearer) {
            request.metadata_mut().insert(name, value.parse().expect("plain metadata"));
        }
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.expect("the connection holds");
        let path = PathAndQuery::from_static(path);
        Ok(grpc.unary(request, path, TextCodec).await?.into_inner())
    }
}
