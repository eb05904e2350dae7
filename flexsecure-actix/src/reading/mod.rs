//! The middleware for policies that need the body.
//!
//! It is another than the one for the rest, whose requests then do not pay for it.

mod body;
mod chunks;
mod future;

use std::fmt;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use bytes::Bytes;
use flexsecure_core::body::WithBody;
use flexsecure_core::{BodyReading, Check, Identity, Policy, Unread, Verdict};

pub(crate) use self::chunks::{End, poll_end};
pub use self::future::ReadingFuture;

use crate::StepUp;
use crate::head::Sent;

/// Protects the services it is wrapped around by a policy that needs the body; made by
/// [`StepUp::require_reading`].
#[derive(Clone)]
pub struct ReadingMiddleware {
    guard: Arc<Guard>,
    limit: usize,
}

struct Guard {
    step_up: StepUp,
    policy: Arc<dyn Policy>,
}

impl ReadingMiddleware {
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

    fn begin(&self, request: &HttpRequest) -> Result<(Asker, BodyReading), Verdict> {
        let Guard { step_up, policy } = &*self.guard;
        let identity = step_up.identity(request);
        let (gate, sent) = (step_up.gate(), Sent(request));
        let reading = gate.read_body(&**policy, &sent, identity.as_ref(), self.limit)?;
        Ok((Asker { guard: Arc::clone(&self.guard), identity }, reading))
    }
}

/// Who asks, and what decides about it once the body is there.
struct Asker {
    guard: Arc<Guard>,
    identity: Option<Identity>,
}

impl Asker {
    /// Decides about `request`, whose body has been read, or could not be.
    fn check(&self, request: &HttpRequest, body: Result<&Bytes, Unread>) -> Check {
        let Guard { step_up, policy } = &*self.guard;
        let sent = Sent(request);
        match body {
            Ok(body) => {
                let view = WithBody::new(&sent, body);
                step_up.gate().check(policy, &view, self.identity.as_ref())
            }
            Err(unread) => {
                let (gate, identity) = (step_up.gate(), self.identity.as_ref());
                Check::Done(gate.refuse_unread(&**policy, &sent, identity, unread))
            }
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for ReadingMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = ReadingService<S>;
    type InitError = ();
    type Future = Ready<Result<ReadingService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(ReadingService { inner: Rc::new(inner), middleware: self.clone() }))
    }
}

impl fmt::Debug for ReadingMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingMiddleware")
            .field("step_up", &self.guard.step_up)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Reads the body, then lets the request through to the inner service, or answers it itself.
#[derive(Debug)]
pub struct ReadingService<S> {
    inner: Rc<S>,
    middleware: ReadingMiddleware,
}

impl<S, B> Service<ServiceRequest> for ReadingService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = ReadingFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.inner);
        match self.middleware.begin(request.request()) {
            Ok((asker, reading)) => ReadingFuture::reading(asker, reading, service, request),
            Err(verdict) => ReadingFuture::answering(Check::Done(verdict), service, request),
        }
    }
}
