use std::mem;
use std::task::{Context, Poll};

use flexsecure_core::{Check, Pass, Verdict};
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{ResponseBody, ResponseFuture, StepUpLayer};

/// Lets requests through to the inner service, or answers them itself.
#[derive(Clone, Debug)]
pub struct StepUpService<S> {
    inner: S,
    layer: StepUpLayer,
}

impl<S> StepUpService<S> {
    pub(crate) const fn new(inner: S, layer: StepUpLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for StepUpService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.layer.check(&request) {
            Check::Done(Verdict::Pass(pass)) => {
                let applied = pass.applied();
                hand_on(pass, request.extensions_mut());
                ResponseFuture::passed(self.inner.call(request), applied)
            }
            Check::Done(Verdict::Refuse(refusal)) => ResponseFuture::refused(refusal),
            Check::Pending(pending) => {
                // The service that is ready is the one to call; its clone may not be.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::pending(pending, ready, request)
            }
        }
    }
}

/// Leaves for the handler what the gate gave the request.
pub(crate) fn hand_on(pass: Pass, extensions: &mut Extensions) {
    match pass {
        Pass::Open => {}
        Pass::Elevated(elevated) | Pass::Held(elevated, _) => {
            extensions.insert(elevated);
        }
        Pass::OnDemand(ask) => {
            extensions.insert(ask);
        }
        Pass::Annotated(would_refuse) => {
            extensions.insert(would_refuse);
        }
    }
}
