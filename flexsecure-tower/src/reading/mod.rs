//! The layer for policies that need the body.
//!
//! It is another than the one for the rest, whose requests then do not pay for it.

mod body;
mod frames;
mod future;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flexsecure_core::body::WithBody;
use flexsecure_core::{BodyReading, Check, Identity, Policy, Unread, Verdict};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::ReplayBody;
pub(crate) use self::frames::{End, poll_end};
pub use self::future::ReadingFuture;

use crate::head::Head;
use crate::{ResponseBody, StepUp};

/// Protects the services it is put around by a policy that needs the body; made by
/// [`StepUp::require_reading`].
#[derive(Clone)]
pub struct ReadingLayer {
    guard: Arc<Guard>,
    limit: usize,
}

struct Guard {
    step_up: StepUp,
    policy: Arc<dyn Policy>,
}

impl ReadingLayer {
    pub(crate) fn new(step_up: StepUp, policy: impl Policy) -> Self {
        let guard = Guard { step_up, policy: Arc::new(policy) };
        Self { guard: Arc::new(guard), limit: BodyReading::MAX_BYTES }
    }

    /// Reads bodies of at most `bytes` bytes; [`BodyReading::MAX_BYTES`] unless set.
    ///
    /// A request that is held keeps its body: as many as the gate holds, times this, is what they can
    /// take of memory.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    fn begin<B>(&self, request: &Request<B>) -> Result<Begun, Verdict> {
        let Guard { step_up, policy } = &*self.guard;
        let identity = step_up.identity(request);
        let (gate, head) = (step_up.gate(), Head::of(request));
        let reading = gate.read_body(&**policy, &head, identity.as_ref(), self.limit)?;
        Ok((Asker { guard: Arc::clone(&self.guard), identity }, reading))
    }
}

type Begun = (Asker, BodyReading);

/// Who asks, and what decides about it once the body is there.
struct Asker {
    guard: Arc<Guard>,
    identity: Option<Identity>,
}

impl Asker {
    /// Decides about `request`, whose body has been read, or could not be.
    fn check<B>(&self, request: &Request<B>, body: Result<&Bytes, Unread>) -> Check {
        let Guard { step_up, policy } = &*self.guard;
        let head = Head::of(request);
        match body {
            Ok(body) => {
                let view = WithBody::new(&head, body);
                step_up.gate().check(policy, &view, self.identity.as_ref())
            }
            Err(unread) => {
                let (gate, identity) = (step_up.gate(), self.identity.as_ref());
                Check::Done(gate.refuse_unread(&**policy, &head, identity, unread))
            }
        }
    }
}

impl<S> Layer<S> for ReadingLayer {
    type Service = ReadingService<S>;

    fn layer(&self, inner: S) -> ReadingService<S> {
        ReadingService { inner, layer: self.clone() }
    }
}

impl fmt::Debug for ReadingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingLayer")
            .field("step_up", &self.guard.step_up)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Reads the body, then lets the request through to the inner service, or answers it itself.
#[derive(Clone, Debug)]
pub struct ReadingService<S> {
    inner: S,
    layer: ReadingLayer,
}

impl<S, B, ResBody> Service<Request<B>> for ReadingService<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ReadingFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that is ready is the one to call; its clone may not be.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        match self.layer.begin(&request) {
            Ok((asker, reading)) => ReadingFuture::reading(asker, reading, ready, request),
            Err(verdict) => {
                let request = request.map(ReplayBody::unread);
                ReadingFuture::answering(Check::Done(verdict), ready, request)
            }
        }
    }
}
