use std::fmt;
use std::sync::Arc;

use flexsecure_core::policy::without_body;
use flexsecure_core::{Check, Policy};
use http::Request;
use tower_layer::Layer;

use crate::head::Head;
use crate::{StepUp, StepUpService};

/// Protects the services it is put around; made by [`StepUp::require`].
#[derive(Clone)]
pub struct StepUpLayer(Arc<Guard>);

/// What every request to one protected place is checked with.
struct Guard {
    step_up: StepUp,
    policy: Arc<dyn Policy>,
}

impl StepUpLayer {
    pub(crate) fn new(step_up: StepUp, policy: impl Policy) -> Self {
        Self(Arc::new(Guard { step_up, policy: without_body(policy) }))
    }

    pub(crate) fn check<B>(&self, request: &Request<B>) -> Check {
        let Guard { step_up, policy } = &*self.0;
        let identity = step_up.identity(request);
        let head = Head::of(request);
        step_up.gate().check(policy, &head, identity.as_ref())
    }
}

impl<S> Layer<S> for StepUpLayer {
    type Service = StepUpService<S>;

    fn layer(&self, inner: S) -> StepUpService<S> {
        StepUpService::new(inner, self.clone())
    }
}

impl fmt::Debug for StepUpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StepUpLayer").field(&self.0.step_up).finish()
    }
}
