use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    Channel, Delivery, DeliveryError, DeliveryErrorKind, Message, ProviderName, SigningSecret,
    breaker::Breaker, schedule::next_attempt,
};
use crate::{Clock, UnixMillis};

/// All providers, in the order in which they are tried.
///
/// One message reaches its user at most once by itself: the next provider, or the same one later, is tried only after
/// an error that says that nothing was taken.
#[derive(Debug)]
pub(crate) struct Providers {
    list: Vec<Provider>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Provider {
    delivery: Arc<dyn Delivery>,
    breaker: Mutex<Breaker>,
}

/// What became of one attempt to hand a message over.
#[derive(Debug)]
pub(crate) struct HandOver {
    pub(crate) outcome: Outcome,
    /// Each provider that was asked, in that order: for metrics and the audit trail.
    pub(crate) tries: Vec<Try>,
}

/// One provider that was asked.
#[derive(Debug)]
pub(crate) struct Try {
    pub(crate) provider: ProviderName,
    /// `None` if it took the message.
    pub(crate) error: Option<DeliveryErrorKind>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Taken by the last provider of [`HandOver::tries`].
    Accepted {
        /// What the provider calls the message in its receipts.
        reference: Option<String>,
    },
    /// Surely nobody has taken it: to be handed over again, and not earlier than this.
    Retry { at: UnixMillis },
    /// Surely nobody has taken it, and nobody will: the recipient can't be reached, there were attempts enough, or the
    /// challenge is at its end.
    GivenUp,
    /// It may have been taken: it must never be handed over again by itself.
    Unknown,
    /// No provider carries such messages.
    NoProvider,
}

impl Providers {
    pub(crate) fn new(
        list: impl IntoIterator<Item = Arc<dyn Delivery>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let provider = |delivery| Provider { delivery, breaker: Mutex::default() };
        Self { list: list.into_iter().map(provider).collect(), clock }
    }

    /// Whether any of them carries such messages.
    pub(crate) fn carry(&self, channel: Channel) -> bool {
        self.list.iter().any(|provider| provider.delivery.carries(channel))
    }

    /// With which the receipts of the provider of that name are signed; none, if it sends none.
    pub(crate) fn receipt_secrets(&self, name: &str) -> &[SigningSecret] {
        let provider = self.list.iter().find(|provider| provider.delivery.name().as_str() == name);
        provider.map_or(&[], |provider| provider.delivery.receipt_secrets())
    }

    /// Hands a message over, `attempt` being the how-manieth attempt this is, from 1.
    ///
    /// Nothing is begun at or after `deadline`, the end of the challenge.
    pub(crate) async fn hand_over(
        &self,
        message: &Message,
        attempt: u32,
        deadline: UnixMillis,
    ) -> HandOver {
        let mut tries = Vec::new();
        // The least that any of them asks for: then there is somebody to go to.
        let mut retry_after = None::<Duration>;
        let providers = self.in_order(message.channel(), self.clock.now());
        if providers.is_empty() {
            return HandOver { outcome: Outcome::NoProvider, tries };
        }
        for provider in providers {
            if self.clock.now() >= deadline {
                return HandOver { outcome: Outcome::GivenUp, tries };
            }
            let result = provider.hand_over(message).await;
            provider.note(&result, self.clock.now());
            let name = provider.delivery.name().clone();
            let error = result.as_ref().err().map(DeliveryError::kind);
            tries.push(Try { provider: name, error });
            let wanted = match error {
                None => {
                    let reference = result.unwrap_or_default();
                    return HandOver { outcome: Outcome::Accepted { reference }, tries };
                }
                Some(DeliveryErrorKind::Unknown) => {
                    return HandOver { outcome: Outcome::Unknown, tries };
                }
                Some(DeliveryErrorKind::Unreachable) => {
                    return HandOver { outcome: Outcome::GivenUp, tries };
                }
                Some(DeliveryErrorKind::Refused) => Duration::ZERO,
                Some(DeliveryErrorKind::Busy { retry_after }) => retry_after.unwrap_or_default(),
            };
            retry_after = Some(retry_after.map_or(wanted, |least| least.min(wanted)));
        }
        let next =
            next_attempt(attempt, self.clock.now(), retry_after.unwrap_or_default(), deadline);
        HandOver { outcome: next.map_or(Outcome::GivenUp, |at| Outcome::Retry { at }), tries }
    }

    /// Who carries such messages; whoever has failed of late comes last.
    fn in_order(&self, channel: Channel, now: UnixMillis) -> Vec<&Provider> {
        let carrying = self.list.iter().filter(|provider| provider.delivery.carries(channel));
        let (mut order, resting): (Vec<_>, Vec<_>) =
            carrying.partition(|provider| !provider.breaker().rests(now));
        order.extend(resting);
        order
    }
}

impl Provider {
    async fn hand_over(&self, message: &Message) -> Result<Option<String>, DeliveryError> {
        match timeout(LONGEST, self.delivery.deliver(message)).await {
            Ok(result) => result.map(|accepted| accepted.reference().map(str::to_owned)),
            Err(_) => Err(DeliveryError::unknown("the provider did not come to an end")),
        }
    }

    fn note(&self, result: &Result<Option<String>, DeliveryError>, now: UnixMillis) {
        let provider = self.delivery.name().as_str();
        let Err(error) = result else { return self.breaker().succeed() };
        let (kind, source) = (error.kind(), std::error::Error::source(error));
        tracing::warn!(provider, kind = kind.as_str(), source, "a message was not handed over");
        match kind {
            // The provider works: the address does not.
            DeliveryErrorKind::Unreachable => self.breaker().succeed(),
            DeliveryErrorKind::Refused
            | DeliveryErrorKind::Busy { .. }
            | DeliveryErrorKind::Unknown => self.breaker().fail(now),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Providers give up earlier by themselves.
const LONGEST: Duration = Duration::from_secs(30);
