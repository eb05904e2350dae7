use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use flexsecure_core::policy::without_body;
use flexsecure_core::{Check, Policy};

use crate::head::Sent;
use crate::{StepUp, StepUpService};

/// Protects the services it is wrapped around; made by [`StepUp::require`].
#[derive(Clone)]
pub struct StepUpMiddleware(Arc<Guard>);

/// What every request to one protected place is checked with.
struct Guard {
    step_up: StepUp,
    policy: Arc<dyn Policy>,
}

impl StepUpMiddleware {
    pub(crate) fn new(step_up: StepUp, policy: impl Policy) -> Self {
        Self(Arc::new(Guard { step_up, policy: without_body(policy) }))
    }

    pub(crate) fn check(&self, request: &HttpRequest) -> Check {
        let Guard { step_up, policy } = &*self.0;
        let identity = step_up.identity(request);
        let sent = Sent(request);
        step_up.gate().check(policy, &sent, identity.as_ref())
    }
}

impl<S, B> Transform<S, ServiceRequest> for StepUpMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = StepUpService<S>;
    type InitError = ();
    type Future = Ready<Result<StepUpService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(StepUpService::new(inner, self.clone())))
    }
}

impl fmt::Debug for StepUpMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StepUpMiddleware").field(&self.0.step_up).finish()
    }
}
