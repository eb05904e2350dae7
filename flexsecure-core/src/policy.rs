use std::borrow::Cow;

use crate::{Identity, RequestView, Requirement};

/// Decides, per request, what proof it takes.
///
/// A [`Requirement`] is the policy that always asks the same. A closure decides in real time:
///
/// ```
/// use flexsecure_core::{Decision, Identity, RequestView, Requirement};
///
/// let policy = |request: &dyn RequestView, _: &Identity| match request.method() {
///     "GET" | "HEAD" => Decision::Allow,
///     "DELETE" => Decision::require(Requirement::system("bank-admin").pin()),
///     _ => Decision::require(Requirement::system("bank")),
/// };
/// # fn is_policy(_: impl flexsecure_core::Policy) {}
/// # is_policy(policy);
/// ```
pub trait Policy: Send + Sync + 'static {
    /// The decision for `request`, asked by `identity`.
    fn decide<'p>(&'p self, request: &dyn RequestView, identity: &Identity) -> Decision<'p>;

    /// The requirement, if it is the same for every request; the gate then need not ask further.
    fn fixed(&self) -> Option<&Requirement> {
        None
    }
}

/// What a request must bring.
#[derive(Clone, Debug)]
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "a request passes, has to prove something, or does not pass"
)]
pub enum Decision<'p> {
    /// Nothing beyond an identity.
    Allow,
    /// A proof.
    Require(Cow<'p, Requirement>),
    /// Nothing beyond an identity so far: the handler may [ask](crate::Ask) for more.
    OnDemand,
    /// Nothing would do.
    Deny,
}

impl Decision<'_> {
    /// Asks for `requirement`.
    pub const fn require(requirement: Requirement) -> Self {
        Self::Require(Cow::Owned(requirement))
    }
}

impl Policy for Requirement {
    fn decide<'p>(&'p self, _: &dyn RequestView, _: &Identity) -> Decision<'p> {
        Decision::Require(Cow::Borrowed(self))
    }

    fn fixed(&self) -> Option<&Requirement> {
        Some(self)
    }
}

/// The policy that leaves it to the handler to [ask](crate::Ask).
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct OnDemand;

impl Policy for OnDemand {
    fn decide<'p>(&'p self, _: &dyn RequestView, _: &Identity) -> Decision<'p> {
        Decision::OnDemand
    }
}

impl<F> Policy for F
where
    F: Fn(&dyn RequestView, &Identity) -> Decision<'static> + Send + Sync + 'static,
{
    fn decide<'p>(&'p self, request: &dyn RequestView, identity: &Identity) -> Decision<'p> {
        self(request, identity)
    }
}
