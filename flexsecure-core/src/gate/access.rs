//! The slow path: a request that holds no proof that does.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Sleep;

use super::client::{Client, until};
use super::engine::{Engine, LOG, StepError};
use super::errands::{PinOutcome, Started, expected_method};
use crate::authority::CheckReply;
use crate::flow::{Flow, FlowId, Hindrance, Objection, Over};
use crate::refusal::{Details, FlowObject, Problem, Reason};
use crate::store::{Binding, FlowRecord, Opened, StoreError};
use crate::{Elevated, Identity, Refusal, Requirement};

impl Engine {
    /// Lets the request through or says why not, in the form its client understands.
    pub(super) async fn admit(
        self: Arc<Self>,
        identity: Identity,
        client: Client,
        requirement: Requirement,
    ) -> Result<Admitted, Refusal> {
        let format = client.format;
        let admitted = self.decide(&identity, client, &requirement).await;
        let bearer = self.bearer.clone();
        admitted.map_err(|details| details.requirement(requirement).bearer(bearer).refuse(format))
    }

    async fn decide(
        self: &Arc<Self>,
        identity: &Identity,
        mut client: Client,
        requirement: &Requirement,
    ) -> Result<Admitted, Details> {
        let reason = match self.satisfy(identity, requirement).await? {
            Ok(elevated) => return Ok(Admitted { elevated, held: None }),
            Err(reason) => reason,
        };
        if let Some(left) = self.misconfigured_for() {
            return Err(unavailable(left));
        }
        let pin = client.pin.take();
        let (record, is_new) = match self.open(identity, &client, requirement).await? {
            Opened::New(record) => (record, true),
            Opened::Joined(record) => (record, false),
            Opened::TooMany { until: then } => {
                let wait = until(then, self.now());
                return Err(Details::of(Problem::TooManyStarts).retry_after(wait));
            }
        };
        let is_idle = matches!(record.flow, Flow::Idle(_));
        let record = match pin {
            Some(pin) if !is_new && !is_idle => {
                let pin = pin.map_err(|_| Details::of(Problem::PinMalformed))?;
                self.try_pin(record, pin).await?
            }
            // A repeat of what was just done must not send a message, and neither must a request
            // that another site made: both find the button on the page.
            _ if is_idle && (client.is_silent || reason == Reason::Spent) => record,
            _ if is_idle => self.begin(record).await?,
            _ => self.inquire(record).await?,
        };
        let (record, held) = self.hold(record, client.hold).await?;
        if matches!(record.flow, Flow::Authenticated(_))
            && let Ok(elevated) = self.satisfy(identity, requirement).await?
        {
            return Ok(Admitted { elevated, held });
        }
        let details = Details::of(Problem::StepUpRequired(reason)).flow(self.describe(&record));
        Err(if client.navigates { details.lead_there() } else { details })
    }

    /// Keeps the request until its flow is over, for no longer than its client wants; the time it
    /// was ready to wait, if it was kept at all. With too many kept already it is not.
    async fn hold(
        self: &Arc<Self>,
        record: FlowRecord,
        longest: Duration,
    ) -> Result<(FlowRecord, Option<Duration>), Details> {
        let has_begun = !matches!(record.flow, Flow::Idle(_)) || record.flow.is_starting();
        if longest.is_zero() || !has_begun {
            return Ok((record, None));
        }
        if record.flow.is_over() {
            return Ok((record, Some(longest)));
        }
        let Ok(_place) = self.holds.try_acquire() else {
            return Ok((record, None));
        };
        let patience = pin!(tokio::time::sleep(longest));
        let record = self.wait_while(record, patience, |_| true).await?;
        Ok((record, Some(longest)))
    }

    /// The elevation that does, used up if it is good for one request; or why none does.
    pub(super) async fn satisfy(
        &self,
        identity: &Identity,
        requirement: &Requirement,
    ) -> Result<Result<Elevated, Reason>, Details> {
        let (held, index) = match self.look(identity, requirement).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let elevated = Elevated::new(held, index);
        if requirement.scope().single_use() {
            let spent = self.store.consume(identity.session(), elevated.flow(), self.now()).await;
            if !spent.map_err(store_unavailable)? {
                return Ok(Err(Reason::Spent));
            }
        }
        Ok(Ok(elevated))
    }

    /// The same without using anything up.
    pub(super) async fn look(
        &self,
        identity: &Identity,
        requirement: &Requirement,
    ) -> Result<Result<(Arc<crate::Elevations>, usize), Reason>, Details> {
        let held = self.store.elevations(identity.session()).await.map_err(store_unavailable)?;
        let Some(held) = held else {
            return Ok(Err(Reason::Missing));
        };
        let found = held.judge(identity.auth_id(), requirement, self.now());
        Ok(found.map(|index| (held, index)))
    }

    async fn open(
        &self,
        identity: &Identity,
        client: &Client,
        requirement: &Requirement,
    ) -> Result<Opened, Details> {
        let now = self.now();
        let expected = expected_method(requirement, identity, self.default_method);
        let binding = Binding {
            return_to: client.return_to.clone(),
            origin: client.origin.clone(),
            ..Binding::new(
                *identity.session(),
                identity.shared_auth_id(),
                requirement.scope().clone(),
            )
        };
        let id = FlowId::random().map_err(|error| {
            tracing::error!(target: LOG, %error, "no flow can be opened");
            Details::of(Problem::StoreUnavailable).retry_after(STORE_RETRY)
        })?;
        let flow = Flow::open(now, expected);
        let new = FlowRecord { id, version: 0, binding: Arc::new(binding), flow };
        self.store.open(new, now).await.map_err(store_unavailable)
    }

    /// Starts an idle flow and waits a little for what the authority tells of it.
    pub(super) async fn begin(self: &Arc<Self>, record: FlowRecord) -> Result<FlowRecord, Details> {
        let mut patience = pin!(tokio::time::sleep(PATIENCE));
        let mut errand = self.start(record.clone(), false);
        tokio::select! {
            started = &mut errand => if let Ok(started) = started {
                self.explain(started)?;
            },
            () = &mut patience => {}
        }
        // Another request, or another node, may have asked first.
        let is_starting = |record: &FlowRecord| record.flow.is_starting();
        let record = self.wait_while(record, patience, is_starting).await?;
        match record.flow.hindrance() {
            Some((by, until_then)) => Err(self.hindered(by, until(until_then, self.now()))),
            None => Ok(record),
        }
    }

    fn explain(&self, started: Started) -> Result<(), Details> {
        match started {
            Started::Asked => Ok(()),
            Started::Misconfigured => {
                Err(unavailable(self.misconfigured_for().unwrap_or(STORE_RETRY)))
            }
            Started::Hindered(by, then) => Err(self.hindered(by, until(then, self.now()))),
            Started::Illegal(illegal) => {
                let (record, objection) = *illegal;
                match (objection, record.flow.hindrance()) {
                    (Objection::TooSoon { until: then }, hindrance) => {
                        let wait = until(then, self.now());
                        Err(match hindrance {
                            Some((by, _)) => self.hindered(by, wait),
                            None => Details::of(Problem::TooSoon)
                                .retry_after(wait)
                                .flow(self.describe(&record)),
                        })
                    }
                    (Objection::Over, _) => Err(self.over(&record)),
                    _ => Ok(()),
                }
            }
            Started::Failed(error) => Err(self.failed(error)),
        }
    }

    /// Sends another message, and waits a little for what the authority tells of it.
    pub(super) async fn resend(
        self: &Arc<Self>,
        record: FlowRecord,
    ) -> Result<FlowRecord, Details> {
        let errand = self.start(record.clone(), true);
        if let Ok(Ok(started)) = tokio::time::timeout(PATIENCE, errand).await {
            self.explain(started)?;
        }
        self.refresh(record).await
    }

    /// Asks the authority how a started flow stands, if that is due.
    pub(super) async fn inquire(
        self: &Arc<Self>,
        record: FlowRecord,
    ) -> Result<FlowRecord, Details> {
        let errand = self.ask(record.clone());
        // Whatever came of it is in the record, and so it is if it takes longer.
        let _ = tokio::time::timeout(PATIENCE, errand).await;
        self.refresh(record).await
    }

    /// Submits a PIN; the flow if it was the right one.
    pub(super) async fn try_pin(
        self: &Arc<Self>,
        record: FlowRecord,
        pin: crate::Pin,
    ) -> Result<FlowRecord, Details> {
        let Ok(outcome) = self.submit(record, pin).await else {
            return Err(unavailable(AUTHORITY_RETRY));
        };
        match outcome {
            PinOutcome::Answered(reply, stands) => {
                let Some(record) = stands else {
                    return Err(Details::of(Problem::FlowNotFound));
                };
                match (reply, &record.flow) {
                    (_, Flow::Authenticated(_)) => Ok(record),
                    (CheckReply::Unavailable { retry_after, .. }, flow) if !flow.is_over() => {
                        Err(unavailable(retry_after.unwrap_or(AUTHORITY_RETRY)))
                    }
                    (_, Flow::Expired(end)) if end.over() != Over::Attempts => {
                        Err(self.over(&record))
                    }
                    _ => Err(self.pin_rejected(&record)),
                }
            }
            PinOutcome::Illegal(illegal) => {
                let (record, objection) = *illegal;
                let is_over = objection == Objection::Over;
                Err(if is_over { self.over(&record) } else { self.pin_rejected(&record) })
            }
            PinOutcome::Failed(error) => Err(self.failed(error)),
        }
    }

    fn pin_rejected(&self, record: &FlowRecord) -> Details {
        let is_exhausted =
            matches!(&record.flow, Flow::Expired(end) if end.over() == Over::Attempts);
        let attempts_left = if is_exhausted { Some(0) } else { record.flow.attempts_left() };
        Details::of(Problem::PinRejected).attempts_left(attempts_left).flow(self.describe(record))
    }

    pub(super) fn over(&self, record: &FlowRecord) -> Details {
        Details::of(Problem::FlowOver).flow(self.describe(record))
    }

    fn hindered(&self, by: Hindrance, wait: Duration) -> Details {
        let problem = match by {
            Hindrance::Unavailable => Problem::AuthorityUnavailable,
            Hindrance::TooManyStarts => Problem::TooManyStarts,
            Hindrance::InProgress => Problem::FlowInProgress,
        };
        Details::of(problem).retry_after(wait)
    }

    pub(super) fn failed(&self, error: StepError) -> Details {
        match error {
            StepError::Gone => Details::of(Problem::FlowNotFound),
            StepError::Illegal(illegal) => self.over(&illegal.0),
            StepError::Store(error) => store_unavailable(error),
        }
    }

    pub(super) fn describe(&self, record: &FlowRecord) -> FlowObject {
        FlowObject::new(record, &self.prefix, self.now())
    }

    /// As it stands for the session that asked: one that was rebound has it no more.
    pub(super) async fn refresh(&self, record: FlowRecord) -> Result<FlowRecord, Details> {
        let stored = self.store.flow(&record.binding.session, &record.id).await;
        let stored = stored.map_err(store_unavailable)?;
        let Some(stored) = stored else {
            return Err(Details::of(Problem::FlowNotFound));
        };
        Ok(FlowRecord { flow: stored.flow.at(self.now()), ..stored })
    }

    /// The record once `is_old_news` does not hold of it any more, or as it stands when `patience`
    /// ends or the gate closes.
    pub(super) async fn wait_while(
        self: &Arc<Self>,
        record: FlowRecord,
        mut patience: Pin<&mut Sleep>,
        is_old_news: impl Fn(&FlowRecord) -> bool + Send,
    ) -> Result<FlowRecord, Details> {
        let mut news = self.hub.subscribe(record.id);
        loop {
            let record = self.refresh(record.clone()).await?;
            if record.flow.is_over() || !is_old_news(&record) {
                return Ok(record);
            }
            self.tend(&record);
            tokio::select! {
                () = news.changed() => {}
                () = &mut patience => return self.refresh(record).await,
                () = self.closed() => return Ok(record),
            }
        }
    }
}

/// What lets a request through, and how long it was ready to be held for that.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) elevated: Elevated,
    pub(super) held: Option<Duration>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
pub(super) fn store_unavailable(error: StoreError) -> Details {
    tracing::error!(target: LOG, %error, "the store failed");
    Details::of(Problem::StoreUnavailable).retry_after(STORE_RETRY)
}

fn unavailable(wait: Duration) -> Details {
    Details::of(Problem::AuthorityUnavailable).retry_after(wait)
}

/// How long a client waits for what the authority tells, before it has to ask on.
const PATIENCE: Duration = Duration::from_secs(2);

const STORE_RETRY: Duration = Duration::from_secs(5);

const AUTHORITY_RETRY: Duration = Duration::from_secs(5);
