//! The slow path: a request that holds no proof that does.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, until};
use super::engine::{Engine, LOG, StepError};
use super::errands::{PinOutcome, Started, expected_method};
use super::holds::Deadline;
use super::pursuit::{Again, Settled, settle};
use crate::audit::Kind;
use crate::authority::CheckReply;
use crate::flow::{Flow, FlowId, Hindrance, Objection, Over};
use crate::policy::{LOG as POLICY_LOG, OwnedFacts, Policy, Proofs};
use crate::refusal::{Details, FlowObject, Problem, Reason};
use crate::store::{Binding, FlowRecord, Opened, StoreError};
use crate::{Elevated, Identity, Refusal, Requirement};

/// A request that has to prove something; boxed, because thousands are held.
pub(super) struct Asked {
    pub(super) identity: Identity,
    pub(super) client: Client,
    pub(super) proofs: Proofs,
    /// A proof that was waited for is judged by the policy of the moment in which it comes.
    pub(super) again: Option<Again>,
}

impl Engine {
    /// Lets the request through or says why not, in the form its client understands.
    pub(super) async fn admit(self: &Arc<Self>, asked: Box<Asked>) -> Result<Admitted, Refusal> {
        let (format, way) = (asked.client.format, asked.client.way.clone());
        let (identity, address) = (asked.identity.clone(), asked.client.origin.ip);
        let mut wanted: Option<Requirement> = None;
        let admitted = self.decide(asked, &mut wanted).await;
        admitted.map_err(|details| {
            // A flow that was revoked meanwhile is nothing that this client has asked for.
            let details = details.instead_of(Problem::FlowNotFound, MISSING);
            let event = self.event(Kind::Refused(details.problem())).of(Some(&identity));
            let scope = wanted.as_ref().map(Requirement::scope);
            let event = event.in_scope(scope).on_flow(details.flow_id());
            self.audit.record(&event.at_address(address));
            let details = details.bearer(self.bearer.clone()).way(way);
            match wanted {
                Some(requirement) => details.requirement(requirement).refuse(format, &self.site),
                None => details.refuse(format, &self.site),
            }
        })
    }

    /// Asks for one proof after the other until all that are needed are there, and leaves in
    /// `wanted` the one it asked for last.
    async fn decide(
        self: &Arc<Self>,
        mut asked: Box<Asked>,
        wanted: &mut Option<Requirement>,
    ) -> Result<Admitted, Details> {
        // It stays in its box, as whoever is held need not carry it twice.
        let Asked { identity, client, proofs, again } = &mut *asked;
        let deadline = Deadline::after(client.hold);
        let address = client.origin.ip;
        let mut held = None;
        let mut number = 0;
        let mut last: Option<Box<FlowRecord>> = None;
        loop {
            let (requirement, reason) =
                match self.satisfy(identity, address, proofs, number).await? {
                    Ok(elevated) => return Ok(Admitted { elevated, held }),
                    Err(lacking) => lacking,
                };
            let requirement = &*wanted.insert(requirement);
            let lacking = reason.as_str();
            tracing::debug!(target: POLICY_LOG, %requirement, lacking, "a proof is asked for");
            if let Some(record) = last.take().filter(|it| it.binding.scope == *requirement.scope())
            {
                // What was proved just now does not do: asking again would go on for ever.
                let details = Details::of(Problem::StepUpRequired(for_ever(reason)));
                return Err(details.flow(self.describe(&record)));
            }
            // Boxed, as whoever is held after that need not keep the room it took.
            let challenge = self.challenge(identity, client, requirement, reason);
            let Some((record, reason)) = Box::pin(challenge).await? else {
                continue;
            };
            let is_hopeless = is_hopeless(&record, requirement);
            let (record, kept) = match is_hopeless {
                true => (record, None),
                false => self.hold(record, &deadline).await?,
            };
            held = held.or(kept);
            let reason = match &record.flow {
                Flow::Authenticated(_) => {
                    if let Some((policy, facts)) = again {
                        *proofs = self.decided_again(&**policy, facts, proofs.clone()).await?;
                        number = 0;
                    }
                    last = Some(record);
                    continue;
                }
                Flow::Expired(end) => Reason::from(end.over()),
                Flow::Idle(_) | Flow::Started(_) | Flow::Polling(_) if is_hopeless => {
                    Reason::NoMethod
                }
                Flow::Idle(_) | Flow::Started(_) | Flow::Polling(_) => reason,
            };
            let is_refused = matches!(reason, Reason::Refused | Reason::NoMethod);
            let next = proofs.next_beside(number, requirement.scope()).filter(|_| is_refused);
            if let Some(next) = next {
                (number, last) = (next, None);
                continue;
            }
            let details = Details::of(Problem::StepUpRequired(reason));
            return Err(details.flow(self.describe(&record)));
        }
    }

    /// A flow for `requirement`, started unless nothing may be sent, and as far as it can be told now,
    /// with what is lacking now; none if the proof has come meanwhile.
    async fn challenge(
        self: &Arc<Self>,
        identity: &Identity,
        client: &mut Client,
        requirement: &Requirement,
        reason: Reason,
    ) -> Result<Option<(Box<FlowRecord>, Reason)>, Details> {
        if let Some(left) = self.misconfigured_for() {
            return Err(unavailable(left));
        }
        let (record, is_new) = match self.open(identity, client, requirement).await? {
            Opened::New(record) => {
                self.audit.record(&self.event(Kind::FlowOpened).about(&record));
                (record, true)
            }
            // As it stands: one whose start nobody answered in time is not idle, and worth asking about.
            Opened::Joined(record) => (self.at_present(record).await, false),
            Opened::TooMany { until: then } => {
                let wait = until(then, self.now());
                return Err(Details::of(Problem::TooManyStarts).retry_after(wait));
            }
        };
        if is_hopeless(&record, requirement) {
            return Ok(Some((Box::new(record), reason)));
        }
        let is_idle = matches!(record.flow, Flow::Idle(_));
        let mut reason = reason;
        if is_idle {
            // The flow before this one may have ended between the look at what it brings and now, and
            // its proof be spent, whoever has opened this one: a message for what is proved already
            // would be one too many.
            match self.look_again(identity, requirement).await? {
                Ok(()) => {
                    if is_new {
                        let _ = self.cancel(record).await;
                    }
                    return Ok(None);
                }
                Err(Reason::Spent) => reason = Reason::Spent,
                Err(_) => {}
            }
        }
        let record = match client.pin.take() {
            Some(pin) if !is_new && !is_idle => {
                let pin = pin.map_err(|_| Details::of(Problem::PinMalformed))?;
                self.try_pin(record, pin, client.origin.ip).await?.unwrap_or_else(as_it_ended)
            }
            // A repeat of what was just done must not send a message, and neither must a request
            // that another site made: both find the button on the page.
            _ if is_idle && (client.is_silent || reason == Reason::Spent) => record,
            _ if is_idle => self.begin(record).await?.unwrap_or_else(as_it_ended),
            // Whoever waits has the authority asked in a way that it may answer late: a question
            // before that would only put the next one off.
            _ if !client.hold.is_zero() => self.refresh(record).await?,
            _ => self.inquire(record).await?,
        };
        Ok(Some((Box::new(record), reason)))
    }

    /// Whether `requirement` is satisfied by now, or why not.
    async fn look_again(
        &self,
        identity: &Identity,
        requirement: &Requirement,
    ) -> Result<Result<(), Reason>, Details> {
        let held = self.store.elevations(identity.session(), identity.auth_id()).await;
        let Some(held) = held.map_err(store_unavailable)? else {
            return Ok(Err(Reason::Missing));
        };
        Ok(held.judge(identity.auth_id(), requirement, self.now()).map(|_| ()))
    }

    /// What the policy says now of a request that has waited. It can ask for more, or for something
    /// else, but not take back that something is asked for.
    async fn decided_again(
        &self,
        policy: &dyn Policy,
        facts: &OwnedFacts,
        before: Proofs,
    ) -> Result<Proofs, Details> {
        let decision = policy.decide(&facts.fresh()).into_owned();
        match settle(decision).await {
            Ok(Settled::Prove(proofs)) => Ok(proofs),
            Ok(Settled::Open | Settled::OnDemand) => Ok(before),
            Ok(Settled::Denied) => Err(Details::of(Problem::Denied)),
            Ok(Settled::Refused(defect)) => Err(Details::defect(defect)),
            Err(_) => Err(undecided()),
        }
    }

    /// The elevation that does, used up if it is good for one request; or what is lacking of the
    /// alternative numbered `number`, and why.
    async fn satisfy(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        proofs: &Proofs,
        number: usize,
    ) -> Result<Result<Elevated, (Requirement, Reason)>, Details> {
        let held = self
            .store
            .elevations(identity.session(), identity.auth_id())
            .await
            .map_err(store_unavailable)?;
        let now = self.now();
        let found = match proofs.judge(held.as_deref(), identity.auth_id(), now, number) {
            Ok(found) => found,
            Err(Some(lacking)) => return Ok(Err((lacking.requirement.clone(), lacking.reason))),
            Err(None) => return Err(Details::of(Problem::Denied)),
        };
        let Some((held, &(first, _))) = held.as_ref().zip(found.first()) else {
            return Err(Details::of(Problem::Denied));
        };
        for &(index, requirement) in &found {
            if requirement.scope().single_use() {
                let flow = *Elevated::new(Arc::clone(held), index).flow();
                let spent =
                    self.store.consume(identity.session(), identity.auth_id(), &flow, now).await;
                if !spent.map_err(store_unavailable)? {
                    return Ok(Err((requirement.clone(), Reason::Spent)));
                }
                let event = self.event(Kind::Consumed).of(Some(identity)).at_address(address);
                let event = event.in_scope(Some(requirement.scope())).on_flow(Some(flow));
                self.audit.record(&event);
            }
        }
        Ok(Ok(Elevated::new(Arc::clone(held), first)))
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
            return_to: client.way.back().map(Box::from),
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
    pub(super) async fn begin(
        self: &Arc<Self>,
        record: FlowRecord,
    ) -> Result<Result<FlowRecord, OverBefore>, Details> {
        let mut patience = pin!(tokio::time::sleep(PATIENCE));
        let mut errand = self.start(record.clone(), false);
        tokio::select! {
            started = &mut errand => match started {
                Ok(Started::Illegal(illegal)) if illegal.1 == Objection::Over => {
                    return Ok(Err(illegal));
                }
                Ok(started) => self.explain(started)?,
                Err(_) => {}
            },
            () = &mut patience => {}
        }
        // Another request, or another node, may have asked first.
        let is_starting = |record: &FlowRecord| record.flow.is_starting();
        let record = self.wait_while(record, patience, is_starting).await?;
        match record.flow.hindrance() {
            Some((by, until_then)) => Err(self.hindered(by, until(until_then, self.now()))),
            None => Ok(Ok(record)),
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
        address: Option<IpAddr>,
    ) -> Result<Result<FlowRecord, OverBefore>, Details> {
        let errand = self.submit(record, pin, address);
        let Ok(outcome) = tokio::time::timeout(PIN_PATIENCE, errand).await else {
            // The authority has answered by now: the answer waits for the store, and is not lost.
            return Err(Details::of(Problem::StoreUnavailable).retry_after(STORE_RETRY));
        };
        let Ok(outcome) = outcome else {
            return Err(unavailable(AUTHORITY_RETRY));
        };
        match outcome {
            PinOutcome::Answered(reply, stands) => {
                let Some(record) = stands else {
                    return Err(Details::of(Problem::FlowNotFound));
                };
                match (reply, &record.flow) {
                    (_, Flow::Authenticated(_)) => Ok(Ok(record)),
                    (CheckReply::Unavailable { retry_after, .. }, flow) if !flow.is_over() => {
                        Err(unavailable(retry_after.unwrap_or(AUTHORITY_RETRY)))
                    }
                    (_, Flow::Expired(end)) if end.over() != Over::Attempts => {
                        Err(self.over(&record))
                    }
                    _ => Err(self.pin_rejected(&record)),
                }
            }
            PinOutcome::Illegal(illegal) if illegal.1 == Objection::Over => Ok(Err(illegal)),
            PinOutcome::Illegal(illegal) => Err(self.pin_rejected(&illegal.0)),
            PinOutcome::Failed(error) => Err(self.failed(error)),
        }
    }

    fn pin_rejected(&self, record: &FlowRecord) -> Details {
        let is_exhausted =
            matches!(&record.flow, Flow::Expired(end) if end.over() == Over::Attempts);
        let attempts_left = if is_exhausted { Some(0) } else { record.flow.attempts_left() };
        Details::of(Problem::PinRejected).attempts_left(attempts_left).flow(self.describe(record))
    }

    /// What a client is told that wants to change a flow which is over.
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
        FlowObject::new(record, &self.site.prefix, self.now())
    }

    /// As it stands for the session that asked: one that was rebound has it no more.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        record: FlowRecord,
    ) -> Result<FlowRecord, Details> {
        let stored =
            self.store.flow(&record.binding.session, &record.binding.auth_id, &record.id).await;
        let stored = stored.map_err(store_unavailable)?;
        let Some(stored) = stored else {
            return Err(Details::of(Problem::FlowNotFound));
        };
        Ok(self.at_present(stored).await)
    }
}

/// A flow that somebody else has brought to its end before, as it stands.
type OverBefore = Box<(FlowRecord, Objection)>;

/// A request is about what its flow brings, whoever was faster.
#[expect(clippy::boxed_local, reason = "it comes in a box")]
fn as_it_ended(over: OverBefore) -> FlowRecord {
    over.0
}

/// Whether the user's method is none that `requirement` accepts, as the authority says.
fn is_hopeless(record: &FlowRecord, requirement: &Requirement) -> bool {
    record.flow.told_method().is_some_and(|method| !requirement.methods().accept(method))
}

/// What to say where a proof that was given just now does not do.
const fn for_ever(reason: Reason) -> Reason {
    if matches!(reason, Reason::Stale | Reason::Network) {
        Reason::Loop
    } else if matches!(reason, Reason::Method) {
        Reason::NoMethod
    } else {
        reason
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
    let cause = std::error::Error::source(&error).map(tracing::field::display);
    tracing::error!(target: LOG, %error, cause, "the store failed");
    Details::of(Problem::StoreUnavailable).retry_after(STORE_RETRY)
}

/// A policy has come to no decision.
pub(super) fn undecided() -> Details {
    Details::of(Problem::PolicyUnavailable).retry_after(POLICY_RETRY)
}

fn unavailable(wait: Duration) -> Details {
    Details::of(Problem::AuthorityUnavailable).retry_after(wait)
}

const MISSING: Problem = Problem::StepUpRequired(Reason::Missing);

/// How long a client waits for what the authority tells, before it has to ask on.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a client waits for what comes of a PIN: the authority has three seconds, the store one.
const PIN_PATIENCE: Duration = Duration::from_secs(4);

pub(super) const STORE_RETRY: Duration = Duration::from_secs(5);

const AUTHORITY_RETRY: Duration = Duration::from_secs(5);

const POLICY_RETRY: Duration = Duration::from_secs(5);
