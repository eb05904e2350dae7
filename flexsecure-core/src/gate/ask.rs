use std::sync::Arc;

use super::client::Client;
use super::{Applied, Gate};
use crate::refusal::{Details, Problem};
use crate::{Elevated, Identity, Refusal, RequestView, Requirement};

/// Lets a handler ask for a proof once it has read what is wanted of it.
///
/// It holds all that the gate needs to know of the request, and so outlives it.
#[derive(Clone, Debug)]
pub struct Ask(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    identity: Identity,
    client: Client,
    applied: Applied,
}

impl Ask {
    pub(super) fn new(gate: &Gate, request: &dyn RequestView, identity: &Identity) -> Self {
        Self(Arc::new(Inner {
            gate: gate.clone(),
            identity: identity.clone(),
            client: Client::read(request, &gate.0.trusted),
            applied: Applied::default(),
        }))
    }

    /// Goes on only with a proof that satisfies `requirement`; one that is good for a single
    /// request is used up by this call, so make it the last thing before the deed.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with: the same as a route that requires it up front would give.
    pub async fn require(&self, requirement: Requirement) -> Result<Elevated, Refusal> {
        let Inner { gate, identity, client, applied } = &*self.0;
        let admitted =
            Arc::clone(&gate.0).admit(identity.clone(), client.clone(), requirement).await?;
        applied.note(admitted.held);
        Ok(admitted.elevated)
    }

    /// What the response says of the client's preferences, if it had any.
    pub(super) fn applied(&self) -> Option<Applied> {
        (!self.0.client.hold.is_zero()).then(|| self.0.applied.clone())
    }

    /// The refusal of a request that no proof would let through.
    #[must_use]
    pub fn deny(&self) -> Refusal {
        Details::of(Problem::Denied).refuse(self.0.client.format)
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }
}
