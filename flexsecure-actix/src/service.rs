use std::rc::Rc;

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, forward_ready};
use flexsecure_core::{Check, Pass, Verdict};

use crate::{ResponseFuture, StepUpMiddleware};

/// Lets requests through to the inner service, or answers them itself.
#[derive(Debug)]
pub struct StepUpService<S> {
    inner: Rc<S>,
    middleware: StepUpMiddleware,
}

impl<S> StepUpService<S> {
    pub(crate) fn new(inner: S, middleware: StepUpMiddleware) -> Self {
        Self { inner: Rc::new(inner), middleware }
    }
}

impl<S, B> Service<ServiceRequest> for StepUpService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.middleware.check(request.request()) {
            Check::Done(Verdict::Pass(pass)) => {
                let applied = pass.applied();
                hand_on(pass, &request);
                ResponseFuture::passed(self.inner.call(request), applied)
            }
            Check::Done(Verdict::Refuse(refusal)) => ResponseFuture::refused(refusal, request),
            Check::Pending(pending) => {
                ResponseFuture::pending(pending, Rc::clone(&self.inner), request)
            }
        }
    }
}

/// Leaves for the handler what the gate gave the request.
pub(crate) fn hand_on(pass: Pass, request: &ServiceRequest) {
    match pass {
        Pass::Open => {}
        Pass::Elevated(elevated) | Pass::Held(elevated, _) => {
            request.extensions_mut().insert(elevated);
        }
        Pass::OnDemand(ask) => {
            request.extensions_mut().insert(ask);
        }
        Pass::Annotated(would_refuse) => {
            request.extensions_mut().insert(would_refuse);
        }
    }
}
