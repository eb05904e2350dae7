use super::{Decision, Facts, Policy};
use crate::{RequestView, Requirement};

/// A policy that keeps no request from passing: what it would have refused is told to the handler
/// and the log, and nothing is sent or used up.
///
/// It is how a policy is watched before it is enforced, and how a handler adapts that does with or
/// without a proof.
#[derive(Clone, Copy, Debug)]
pub struct Annotate<P>(P);

impl<P: Policy> Annotate<P> {
    /// `policy`, watched.
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<P: Policy> Policy for Annotate<P> {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        self.0.decide(facts)
    }

    fn fixed(&self) -> Option<&Requirement> {
        self.0.fixed()
    }

    fn reads_body(&self) -> bool {
        self.0.reads_body()
    }

    fn admits_anyone(&self, request: &dyn RequestView) -> bool {
        self.0.admits_anyone(request)
    }

    fn enforces(&self) -> bool {
        false
    }
}
