use std::sync::Arc;

use bytes::Bytes;

use super::access::Asked;
use super::client::Client;
use super::{Applied, Gate};
use crate::audit::Kind;
use crate::policy::Proofs;
use crate::refusal::{Details, Problem};
use crate::{Elevated, Identity, Refusal};

/// Lets a handler ask for a proof once it has read what is wanted of it.
///
/// It holds all that the gate needs to know of the request, and so outlives it.
#[derive(Clone, Debug)]
pub struct Ask(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    gate: Gate,
    identity: Identity,
    client: Client,
    applied: Applied,
}

impl Ask {
    pub(super) fn new(gate: Gate, identity: Identity, client: Client) -> Self {
        Self(Arc::new(Inner { gate, identity, client, applied: Applied::default() }))
    }

    /// Hands over the body that the handler has read, all of it and as it came, if it was a form.
    ///
    /// A person whose form is refused finds it on the step-up page, and sends it from there once they
    /// have proved who they are. Without this they are told that they have to fill it in again, and
    /// nothing is sent to them before they have read that. It is for browsers alone: other clients
    /// repeat their requests themselves.
    #[must_use]
    pub fn carrying(mut self, form: impl Into<Option<Bytes>>) -> Self {
        if let Some(form) = form.into() {
            let inner = Arc::make_mut(&mut self.0);
            inner.client = inner.client.clone().with_form(Some(form));
        }
        self
    }

    /// Goes on only with a proof that satisfies `proofs`, most often a
    /// [`Requirement`](crate::Requirement); one that is good for a single request is used up by this
    /// call, so make it the last thing before the deed.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with: the same as a route that requires it up front would give.
    pub async fn require(&self, proofs: impl Into<Proofs>) -> Result<Elevated, Refusal> {
        let Inner { gate, identity, client, applied } = &*self.0;
        let proofs = proofs.into();
        if proofs.is_impossible() {
            return Err(self.deny());
        }
        let client = client.clone().with_form(None);
        let identity = identity.clone();
        let asked = Box::new(Asked { identity, client, proofs, again: None });
        let admitted = gate.0.admit(asked).await?;
        applied.note(admitted.held);
        Ok(admitted.elevated)
    }

    /// What the response says of the client's preferences, if it had any.
    pub(super) fn applied(&self) -> Option<Applied> {
        (!self.0.client.hold.is_zero()).then(|| self.0.applied.clone())
    }

    /// The refusal of a request that no proof would let through; the [trail](crate::audit) has it.
    #[must_use]
    pub fn deny(&self) -> Refusal {
        let Inner { gate, identity, client, .. } = &*self.0;
        let event = gate.0.event(Kind::Refused(Problem::Denied)).of(Some(identity));
        gate.0.audit.record(&event.at_address(client.origin.ip));
        Details::of(Problem::Denied).refuse(client.format, &gate.0.site)
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }
}
