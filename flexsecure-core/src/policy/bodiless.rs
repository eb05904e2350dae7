use std::sync::Arc;

use super::{Decision, Facts, Policy};
use crate::RequestView;

/// `policy` for a layer that reads no body: one that [needs it](Policy::reads_body) denies everything,
/// and the log says why.
///
/// It is for adapters. Rules that miss the body would have nothing to say, and whatever else stands
/// would let the request through.
#[must_use]
pub fn without_body(policy: impl Policy) -> Arc<dyn Policy> {
    if !policy.reads_body() {
        return Arc::new(policy);
    }
    warn();
    Arc::new(Bodiless(policy))
}

struct Bodiless<P>(P);

impl<P: Policy> Policy for Bodiless<P> {
    fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
        warn();
        Decision::Deny
    }

    fn admits_anyone(&self, request: &dyn RequestView) -> bool {
        self.0.admits_anyone(request)
    }

    fn enforces(&self) -> bool {
        self.0.enforces()
    }
}

pub(super) fn warn() {
    tracing::error!(
        target: "flexsecure::policy",
        "this policy needs the body, which this layer does not read, and so denies every request: use `StepUp::require_reading`"
    );
}
