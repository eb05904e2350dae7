//! Under actix-web.

use std::fmt::Debug;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::test::TestRequest;
use actix_web::{Error, HttpMessage, HttpResponse};
use flexsecure_actix::{StepUp, StepUpService};

use crate::{at_once, gate, identity, requirement};

/// A handler that does nothing; the request goes on in its response.
#[derive(Clone, Copy, Debug)]
pub struct Handler;

impl Service<ServiceRequest> for Handler {
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        ready(Ok(request.into_response(HttpResponse::new(actix_web::http::StatusCode::OK))))
    }
}

/// A middleware that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nothing<S>(S);

impl<S: Service<ServiceRequest>> Service<ServiceRequest> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        self.0.call(request)
    }
}

/// A request of somebody who is logged in.
#[must_use]
pub fn request() -> ServiceRequest {
    let request = TestRequest::default().to_srv_request();
    request.extensions_mut().insert(identity());
    request
}

/// The handler behind step-up, and a request that is let through: not the first.
///
/// # Panics
///
/// If the middleware cannot be made.
#[must_use]
pub fn hit() -> Hit {
    let requirement = requirement();
    let middleware = StepUp::new(gate(&requirement, &[identity()])).require(requirement);
    warm(at_once(middleware.new_transform(Handler)).unwrap())
}

/// The handler behind nothing, and the same request.
#[must_use]
pub fn nothing() -> Plain {
    warm(Nothing(Handler))
}

/// The service after its first request, and the next one.
fn warm<S>(service: S) -> (S, ServiceRequest)
where
    S: Service<ServiceRequest>,
    S::Error: Debug,
{
    let next = request();
    (send((service, request())).0, next)
}

/// One request through `service`, which is given back so that dropping it costs nothing here.
///
/// # Panics
///
/// If the service fails.
#[inline(never)]
pub fn send<S>((service, request): (S, ServiceRequest)) -> (S, S::Response)
where
    S: Service<ServiceRequest>,
    S::Error: Debug,
{
    let response = at_once(service.call(request)).unwrap();
    (service, response)
}

/// A request on its way through step-up.
pub type Hit = (StepUpService<Handler>, ServiceRequest);

/// The same, answered.
pub type HitDone = (StepUpService<Handler>, ServiceResponse<EitherBody<BoxBody>>);

/// A request on its way through nothing.
pub type Plain = (Nothing<Handler>, ServiceRequest);

/// The same, answered.
pub type PlainDone = (Nothing<Handler>, ServiceResponse<BoxBody>);
