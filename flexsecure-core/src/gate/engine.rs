use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::client::TrustedOrigins;
use super::holds::Holds;
use super::hub::Hub;
use crate::flow::{Cx, Effect, Flow, Illegal, Input, Objection};
use crate::policy::Networks;
use crate::refusal::AcrValues;
use crate::store::{FlowRecord, Store, StoreError, Swap};
use crate::{Authority, Clock, Elevation, Method, Timestamp};

/// What the gate is made of, shared by all its clones and tasks.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) authority: Box<dyn Authority>,
    pub(crate) store: Box<dyn Store>,
    pub(super) clock: Box<dyn Clock>,
    pub(super) prefix: Box<str>,
    pub(super) trusted: TrustedOrigins,
    pub(crate) proxies: Networks,
    pub(super) default_method: Method,
    pub(super) bearer: Option<AcrValues>,
    pub(super) hub: Hub,
    pub(super) closing: watch::Sender<bool>,
    pub(super) holds: Holds,
    /// Until when nothing is started, in milliseconds, after the authority refused our key.
    pub(super) misconfigured_until: AtomicU64,
}

/// A step that is stored.
#[derive(Debug)]
pub(super) struct Advanced {
    pub(super) record: FlowRecord,
    pub(super) effect: Option<Effect>,
    pub(super) wake_at: Option<Timestamp>,
}

/// Why a step was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error("the flow is gone")]
    Gone,
    #[error("{}", .0.1)]
    Illegal(Box<(FlowRecord, Objection)>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads, steps and swaps until the step is stored or refused. Whoever gets an effect back is
    /// the only one to carry it out, on all nodes.
    pub(super) async fn advance(
        &self,
        record: &FlowRecord,
        input: &Input,
    ) -> Result<Advanced, StepError> {
        loop {
            let current = self.store.reload(record).await?.ok_or(StepError::Gone)?;
            let now = self.now();
            let step = match current.flow.clone().step(input.clone(), Cx::at(now)) {
                Ok(step) => step,
                Err(Illegal { flow, objection, .. }) => {
                    let stands = FlowRecord { flow, ..current };
                    return Err(StepError::Illegal(Box::new((stands, objection))));
                }
            };
            if step.flow == current.flow {
                return Ok(Advanced {
                    record: current,
                    effect: step.effect,
                    wake_at: step.wake_at,
                });
            }
            let next = current.next(step.flow);
            let grant = elevation(&next);
            match self.store.swap(next.clone(), grant, now).await? {
                Swap::Done => {
                    tracing::debug!(
                        target: LOG, flow = %next.id, state = next.flow.state(), "flow moved on"
                    );
                    self.hub.announce(next.id);
                    return Ok(Advanced {
                        record: next,
                        effect: step.effect,
                        wake_at: step.wake_at,
                    });
                }
                Swap::Conflict => {}
                Swap::Gone => return Err(StepError::Gone),
            }
        }
    }

    /// Stores what the authority answered. A store that fails is tried again: the answer is not
    /// told to anybody before it is stored, and must not be lost.
    pub(super) async fn feed(&self, record: &FlowRecord, input: &Input) -> Option<Advanced> {
        for wait in FEED_RETRIES {
            match self.advance(record, input).await {
                Ok(advanced) => return Some(advanced),
                // It ended, or was revoked, while the authority was asked.
                Err(StepError::Illegal(stands)) => {
                    return Some(Advanced { record: stands.0, effect: None, wake_at: None });
                }
                Err(StepError::Gone) => return None,
                Err(StepError::Store(error)) => {
                    tracing::warn!(target: LOG, flow = %record.id, %error, "an answer waits for the store");
                    tokio::time::sleep(wait).await;
                }
            }
        }
        tracing::error!(target: LOG, flow = %record.id, "an answer of the authority could not be stored");
        None
    }

    /// How long starts are off because the authority refused us.
    pub(super) fn misconfigured_for(&self) -> Option<Duration> {
        let until = Timestamp::from_millis(self.misconfigured_until.load(Ordering::Relaxed));
        let left = until.since(self.now());
        (!left.is_zero()).then_some(left)
    }

    /// The authority refuses our key: everybody is spared more than one try a minute.
    pub(super) fn note_misconfigured(&self) {
        let until = self.now().after(MISCONFIGURED_PAUSE);
        self.misconfigured_until.store(until.as_millis(), Ordering::Relaxed);
        tracing::error!(
            target: LOG,
            "the authority refuses this system: check the API key and the authority's address"
        );
    }

    /// Ends when the gate closes.
    pub(super) async fn closed(&self) {
        // The sender lives as long as the engine.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

/// What a flow that has authenticated brings its session.
fn elevation(record: &FlowRecord) -> Option<Elevation> {
    let Flow::Authenticated(end) = &record.flow else {
        return None;
    };
    Some(Elevation {
        scope: record.binding.scope.clone(),
        method: end.method(),
        authenticated_at: end.at(),
        flow: record.id,
        address: record.binding.origin.ip,
        spent: false,
    })
}

/// The target under which the gate logs.
pub(super) const LOG: &str = "flexsecure::gate";

const MISCONFIGURED_PAUSE: Duration = Duration::from_secs(60);

/// The store's own time limit comes on top of each.
const FEED_RETRIES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
