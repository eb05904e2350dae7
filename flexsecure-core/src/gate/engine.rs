use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::client::TrustedOrigins;
use super::holds::Holds;
use super::hub::Hub;
use crate::audit::{End, Event, Kind, Recorder};
use crate::flow::{Cx, Effect, Flow, Illegal, Input, Objection};
use crate::policy::Networks;
use crate::refusal::{AcrValues, Site};
use crate::store::{FlowRecord, Store, StoreError, Swap};
use crate::{Authority, Clock, Method, Timestamp};

/// What the gate is made of, shared by all its clones and tasks.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) authority: Box<dyn Authority>,
    pub(crate) store: Box<dyn Store>,
    pub(super) clock: Box<dyn Clock>,
    pub(super) site: Site,
    pub(super) trusted: TrustedOrigins,
    pub(crate) proxies: Networks,
    pub(super) default_method: Method,
    pub(super) bearer: Option<AcrValues>,
    pub(super) audit: Recorder,
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
                    self.store_lapse(&current, &flow, now).await;
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
            let grant = next.elevation();
            let swap = match self.store.swap(next.clone(), grant, now).await {
                // With an effect it is not ours to carry out: another node may have written the same.
                Err(_) if step.effect.is_none() && self.is_stored(&next).await => Swap::Done,
                swap => swap?,
            };
            match swap {
                Swap::Done => {
                    tracing::debug!(
                        target: LOG, flow = %next.id, state = next.flow.state(), "flow moved on"
                    );
                    self.tell_end(&current, &next);
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

    /// Whether a swap to `next` whose outcome is unknown has happened, as far as that can be told.
    async fn is_stored(&self, next: &FlowRecord) -> bool {
        matches!(self.store.reload(next).await, Ok(Some(stored)) if stored == *next)
    }

    /// Stores what the authority answered. A store that fails is tried again: the answer is not
    /// told to anybody before it is stored, and must not be lost.
    pub(super) async fn feed(&self, record: &FlowRecord, input: &Input) -> Option<Advanced> {
        for wait in FEED_RETRIES {
            match self.advance(record, input).await {
                Ok(advanced) => return Some(advanced),
                // It ended while the authority was asked, or this very answer was stored by an attempt
                // that seemed to fail, and nobody was told.
                Err(StepError::Illegal(stands)) => {
                    self.hub.announce(record.id);
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

    /// Stores that the time of `stored` has run out, if `flow`, which is how it stands at `now`, says
    /// so: whoever does tells of it. Nothing depends on that it can be stored.
    pub(super) async fn store_lapse(&self, stored: &FlowRecord, flow: &Flow, now: Timestamp) {
        if stored.flow.is_over() || !flow.is_over() {
            return;
        }
        let next = stored.next(flow.clone());
        match self.store.swap(next.clone(), None, now).await {
            Ok(Swap::Done) => {
                self.tell_end(stored, &next);
                self.hub.announce(next.id);
            }
            Ok(Swap::Conflict | Swap::Gone) => {}
            Err(error) => {
                tracing::warn!(target: LOG, flow = %next.id, %error, "an end waits for the store");
            }
        }
    }

    /// As it stands now. That its time has run out is stored by whoever notices, even if they leave
    /// meanwhile.
    pub(super) async fn at_present(self: &Arc<Self>, stored: FlowRecord) -> FlowRecord {
        let now = self.now();
        let flow = stored.flow.clone().at(now);
        if flow.is_over() && !stored.flow.is_over() {
            let (engine, stored, flow) = (Arc::clone(self), stored.clone(), flow.clone());
            let lapse = async move { engine.store_lapse(&stored, &flow, now).await };
            // It cannot fail, and what is said of the flow does not depend on it.
            let _ = tokio::spawn(lapse).await;
        }
        FlowRecord { flow, ..stored }
    }

    /// An event of now.
    pub(super) fn event(&self, kind: Kind) -> Event<'_> {
        Event::new(self.now(), kind)
    }

    /// Tells of the end of a flow, if `next` is one: for the one who stored it in the place of `before`.
    fn tell_end(&self, before: &FlowRecord, next: &FlowRecord) {
        let end = match &next.flow {
            Flow::Authenticated(end) => End::Authenticated(end.method()),
            Flow::Expired(end) => End::Over(end.over()),
            Flow::Idle(_) | Flow::Started(_) | Flow::Polling(_) => return,
        };
        let kind = Kind::Ended { end, polls: before.flow.polls() };
        self.audit.record(&self.event(kind).about(next));
    }

    /// How long starts are off because the authority refused us.
    pub(super) fn misconfigured_for(&self) -> Option<Duration> {
        let until = Timestamp::from_millis(self.misconfigured_until.load(Ordering::Relaxed));
        let left = until.since(self.now());
        (!left.is_zero()).then_some(left)
    }

    /// The authority refuses our key: everybody is spared more than one try a minute.
    pub(super) fn note_misconfigured(&self, record: &FlowRecord) {
        self.audit.record(&self.event(Kind::Misconfigured).about(record));
        let until = self.now().after(MISCONFIGURED_PAUSE);
        self.misconfigured_until.store(until.as_millis(), Ordering::Relaxed);
        tracing::error!(
            target: LOG,
            "the authority refuses this system: check the API key and the authority's address"
        );
    }

    /// Whether the gate closes.
    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Ends when the gate closes.
    pub(super) async fn closed(&self) {
        // The sender lives as long as the engine.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
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
