use std::sync::Arc;
use std::time::Duration;

use crate::authority::{CheckRequest, Origin, StartRequest, Txn};
use crate::{Operation, Pin};

/// A call that a [`ScriptedAuthority`](super::ScriptedAuthority) got.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// A start.
    #[non_exhaustive]
    Start {
        /// The system the user wants to reach.
        system: String,
        /// The user.
        auth_id: String,
        /// What they are about to approve.
        operation: Option<Operation>,
        /// Where the request came from.
        origin: Origin,
        /// The name of the message.
        idempotency_key: String,
        /// The name of who asked and what for.
        binding: String,
    },
    /// A check.
    #[non_exhaustive]
    Check {
        /// The system the user wants to reach.
        system: String,
        /// The user.
        auth_id: String,
        /// The login that is meant.
        txn: Option<Txn>,
        /// The PIN, which is not printed.
        pin: Option<Arc<Pin>>,
        /// How long the answer may be held.
        hold: Duration,
    },
}

impl Call {
    pub(super) fn start(request: &StartRequest<'_>) -> Self {
        Self::Start {
            system: request.system.to_owned(),
            auth_id: request.auth_id.to_owned(),
            operation: request.operation.cloned(),
            origin: request.origin.clone(),
            idempotency_key: request.idempotency_key.to_owned(),
            binding: request.binding.to_owned(),
        }
    }

    pub(super) fn check(request: &CheckRequest<'_>) -> Self {
        Self::Check {
            system: request.system.to_owned(),
            auth_id: request.auth_id.to_owned(),
            txn: request.txn.cloned(),
            pin: request.pin.and_then(|pin| Pin::parse(pin.expose()).ok()).map(Arc::new),
            hold: request.hold,
        }
    }

    /// Whether it is a start.
    #[must_use]
    pub const fn is_start(&self) -> bool {
        matches!(self, Self::Start { .. })
    }

    /// The user it is about.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        match self {
            Self::Start { auth_id, .. } | Self::Check { auth_id, .. } => auth_id,
        }
    }

    /// Whether it is a check of a PIN.
    #[must_use]
    pub const fn has_pin(&self) -> bool {
        matches!(self, Self::Check { pin: Some(_), .. })
    }

    /// Whether it is a check of the PIN `digits`.
    #[must_use]
    pub fn pin_is(&self, digits: &str) -> bool {
        matches!(self, Self::Check { pin: Some(pin), .. } if pin.expose() == digits)
    }
}
