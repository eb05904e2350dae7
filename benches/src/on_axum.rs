//! Under axum, hyper and tonic.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use flexsecure_tower::{ResponseBody, StepUp, StepUpService};
use http::{Request, Response};
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use crate::{at_once, gate, identity, requirement};

type Body = Full<Bytes>;

/// A handler that does nothing but keep the request: what becomes of it is no cost of a layer.
#[derive(Clone, Debug, Default)]
pub struct Handler(Arc<Mutex<Option<Request<Body>>>>);

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        *self.0.lock().unwrap() = Some(request);
        ready(Ok(Response::new(Body::default())))
    }
}

/// A layer that does nothing.
#[derive(Clone, Debug)]
pub struct Nothing<S>(S);

impl<S: Service<Request<Body>>> Service<Request<Body>> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// A request of somebody who is logged in.
#[must_use]
pub fn request() -> Request<Body> {
    let mut request = Request::new(Body::default());
    request.extensions_mut().insert(identity());
    request
}

/// The handler behind step-up, and a request that is let through: not the first.
#[must_use]
pub fn hit() -> Hit {
    let requirement = requirement();
    warm(|handler| {
        StepUp::new(gate(&requirement, &[identity()])).require(requirement).layer(handler)
    })
}

/// The handler behind nothing, and the same request.
#[must_use]
pub fn nothing() -> Plain {
    warm(Nothing)
}

/// The service after its first request, and the next one: the allocator of a server that runs has
/// pieces of every size at hand.
fn warm<S, R>(around: impl FnOnce(Handler) -> S) -> (S, Request<Body>)
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
{
    let handler = Handler::default();
    let next = request();
    let (service, _) = send((around(handler.clone()), request()));
    handler.0.lock().unwrap().take();
    (service, next)
}

/// One request through `service`, which is given back so that dropping it costs nothing here.
#[inline(never)]
pub fn send<S, R>((mut service, request): (S, Request<Body>)) -> (S, Response<R>)
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
{
    let Ok(response) = at_once(service.call(request));
    (service, response)
}

/// A request on its way through step-up.
pub type Hit = (StepUpService<Handler>, Request<Body>);

/// The same, answered.
pub type HitDone = (StepUpService<Handler>, Response<ResponseBody<Body>>);

/// A request on its way through nothing.
pub type Plain = (Nothing<Handler>, Request<Body>);

/// The same, answered.
pub type PlainDone = (Nothing<Handler>, Response<Body>);
