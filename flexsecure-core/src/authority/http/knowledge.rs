use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::authority::Capabilities;

/// What is known of an authority's capabilities, and when to ask again.
#[derive(Debug)]
pub(super) struct Knowledge {
    fixed: Option<Capabilities>,
    known: Mutex<Known>,
    /// Held while asking, so that whoever comes meanwhile waits for the same answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    capabilities: Option<Capabilities>,
    asked_at: Option<Instant>,
    /// There was an outage since: what came back may be another version.
    in_doubt: bool,
}

impl Knowledge {
    /// To be asked for, unless it is `fixed`.
    pub(super) fn new(fixed: Option<Capabilities>) -> Self {
        Self { fixed, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// What is known, or what `ask` answers if that is nothing or too old.
    ///
    /// An outage (`None`) leaves what was known before: an authority that named its logins must
    /// not be made to stop by disturbing one call.
    pub(super) async fn get(
        &self,
        ask: impl Future<Output = Option<Capabilities>>,
    ) -> Capabilities {
        if let Some(capabilities) = self.fixed.or_else(|| self.known().fresh()) {
            return capabilities;
        }
        let _asking = self.asking.lock().await;
        if let Some(capabilities) = self.known().fresh() {
            return capabilities;
        }
        let answer = ask.await;
        self.known().learn(answer)
    }

    /// Takes note of an outage.
    pub(super) fn doubt(&self) {
        self.known().in_doubt = true;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn fresh(&self) -> Option<Capabilities> {
        let age = self.asked_at?.elapsed();
        match self.capabilities {
            Some(capabilities) if !self.in_doubt => (age < GOOD_FOR).then_some(capabilities),
            capabilities => (age < PAUSE).then_some(capabilities.unwrap_or(Capabilities::V1)),
        }
    }

    fn learn(&mut self, answer: Option<Capabilities>) -> Capabilities {
        self.asked_at = Some(Instant::now());
        self.in_doubt = answer.is_none();
        self.capabilities = answer.or(self.capabilities);
        self.capabilities.unwrap_or(Capabilities::V1)
    }
}

const GOOD_FOR: Duration = Duration::from_secs(3600);

/// The least time between two questions while the authority is out of order.
const PAUSE: Duration = Duration::from_secs(5);
