//! What a handler takes behind a layer, and what it answers with.

use std::ops::Deref;

use bytes::Bytes;
use flexsecure_core::policy::Proofs;
use flexsecure_core::{Identity, Refusal};

/// The elevation that let the request through, for handlers behind
/// [`StepUp::require`](crate::StepUp::require).
///
/// Without the layer the answer is 500, or `INTERNAL` on tonic, and the log says which layer is
/// missing. Take an `Option<Elevated>` where the layer may let requests through without a proof.
#[derive(Clone, Debug)]
pub struct Elevated(pub(crate) flexsecure_core::Elevated);

impl Deref for Elevated {
    type Target = flexsecure_core::Elevation;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Asks for a proof from within a handler behind [`StepUp::on_demand`](crate::StepUp::on_demand).
#[derive(Clone, Debug)]
pub struct Ask(pub(crate) flexsecure_core::Ask);

impl Ask {
    /// Goes on only with a proof that satisfies `proofs`, most often a [`Requirement`]; one that is
    /// good for a single request is used up by this call, so make it the last thing before the deed.
    ///
    /// # Errors
    ///
    /// The refusal to return from the handler.
    ///
    /// [`Requirement`]: flexsecure_core::Requirement
    pub async fn require(&self, proofs: impl Into<Proofs>) -> Result<Elevated, Refused> {
        Ok(Elevated(self.0.require(proofs).await?))
    }

    /// Hands over the body that the handler has read, all of it and as it came, if it was a form: a
    /// person finds it on the step-up page, and sends it from there.
    ///
    /// Without this they are told, before anything is sent to them, that they have to fill it in again.
    #[must_use]
    pub fn carrying(self, form: impl Into<Option<Bytes>>) -> Self {
        Self(self.0.carrying(form))
    }

    /// The refusal of a request that no proof would let through.
    #[must_use]
    pub fn deny(&self) -> Refused {
        Refused(self.0.deny())
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

/// A refusal that a handler returns.
#[derive(Clone, Debug)]
pub struct Refused(pub(crate) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}
