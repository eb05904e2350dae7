//! A request at a gate, as an adapter makes it.

use std::sync::Arc;

use flexsecure_core::refusal::Answer;
use flexsecure_core::{Check, Gate, Identity, PlainRequest, Policy, Verdict};

/// The answer of the gate, if it did not let the request through.
pub(crate) async fn refused(
    gate: &Gate,
    policy: &Arc<dyn Policy>,
    identity: &Identity,
    request: &PlainRequest<'_>,
) -> Option<Answer> {
    let verdict = match gate.check(policy, request, Some(identity)) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    };
    match verdict {
        Verdict::Pass(_) => None,
        Verdict::Refuse(refusal) => Some(refusal.into_answer()),
    }
}

/// Whether the gate let a request through that has `headers`.
pub(crate) async fn passes(
    gate: &Gate,
    policy: &Arc<dyn Policy>,
    identity: &Identity,
    headers: &[(&str, &str)],
) -> bool {
    let request = PlainRequest { method: "POST", path: "/transfers", headers };
    refused(gate, policy, identity, &request).await.is_none()
}
