//! What a flow does by itself: every call to the authority is made in a task of its own, so that
//! neither a client that leaves nor a handler that is dropped has a say in it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::engine::{Advanced, Engine, LOG, StepError};
use crate::audit::{Kind, StartOutcome};
use crate::authority::{CheckReply, CheckRequest, SecurityErrorReason, StartReply, StartRequest};
use crate::flow::{Effect, Flow, Hindrance, Input, Objection};
use crate::pin::Pin;
use crate::store::{Admission, FlowRecord, StartTicket};
use crate::{Method, Timestamp};

/// What came of asking for a message.
#[derive(Debug)]
pub(super) enum Started {
    /// It was asked for, by this errand or another; the flow tells the rest.
    Asked,
    /// The authority refuses us.
    Misconfigured,
    /// It may not be sent now.
    Hindered(Hindrance, Timestamp),
    /// The flow takes no start in its state.
    Illegal(Box<(FlowRecord, Objection)>),
    /// The flow could not be read or written.
    Failed(StepError),
}

/// What came of a PIN.
#[derive(Debug)]
pub(super) enum PinOutcome {
    /// The authority was asked; how the flow stands after.
    Answered(CheckReply, Option<FlowRecord>),
    /// The flow takes no PIN in its state.
    Illegal(Box<(FlowRecord, Objection)>),
    /// The flow could not be read or written.
    Failed(StepError),
}

impl Engine {
    /// Asks for a message: the first with [`Input::Begin`], another with [`Input::Resend`].
    pub(super) fn start(self: &Arc<Self>, record: FlowRecord, resend: bool) -> JoinHandle<Started> {
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let capabilities = engine.authority.capabilities().await;
            let begin = Input::Begin { idempotent: capabilities.idempotency };
            let first = match (resend, capabilities.txn) {
                (true, _) => Input::Resend,
                (false, true) => begin.clone(),
                // What has begun counts as started if its node dies, and a flow that was started takes
                // whatever approval the authority has for the user: the login has to be its own before.
                (false, false) => Input::Claim,
            };
            let (record, send) = match engine.advance_to_start(&record, &first).await {
                Ok(advanced) => advanced,
                Err(started) => return started,
            };
            let now = engine.now();
            let ticket = engine.ticket(&record, capabilities.txn, now);
            let hindered = match engine.store.admit_start(&ticket, now).await {
                Ok(Admission::Admitted) => None,
                Ok(Admission::TooMany { until }) => Some((Hindrance::TooManyStarts, until)),
                Ok(Admission::InProgress { until }) => Some((Hindrance::InProgress, until)),
                Err(error) => {
                    tracing::warn!(target: LOG, %error, "no start without the store");
                    Some((Hindrance::Unavailable, now.after(STORE_PAUSE)))
                }
            };
            if let Some((by, until)) = hindered {
                engine.feed(&record, &Input::NotAdmitted { by, until }).await;
                return Started::Hindered(by, until);
            }
            let (record, send) = match send {
                Some(send) => (record, Some(send)),
                None => match engine.advance_to_start(&record, &begin).await {
                    Ok(advanced) => advanced,
                    Err(started) => return started,
                },
            };
            match send {
                Some(send) => engine.send_start(record, send, &ticket).await,
                None => Started::Asked,
            }
        })
    }

    /// Takes `input` and gives the number of the message to ask for, if it says that one is due; or what
    /// came of the start already.
    async fn advance_to_start(
        &self,
        record: &FlowRecord,
        input: &Input,
    ) -> Result<(FlowRecord, Option<u32>), Started> {
        match self.advance(record, input).await {
            Ok(Advanced { record, effect, .. }) => match effect {
                Some(Effect::Start { send }) => Ok((record, Some(send))),
                Some(Effect::Check { .. } | Effect::CheckPin) | None => Ok((record, None)),
            },
            Err(StepError::Illegal(illegal)) if illegal.1 == Objection::Begun => {
                Err(Started::Asked)
            }
            Err(StepError::Illegal(illegal)) => Err(Started::Illegal(illegal)),
            Err(error) => Err(Started::Failed(error)),
        }
    }

    async fn send_start(&self, record: FlowRecord, send: u32, ticket: &StartTicket) -> Started {
        let idempotency_key = format!("{}-{send}", record.id);
        let binding = &record.binding;
        let name = binding.name().to_string();
        let request = StartRequest {
            system: binding.scope.system(),
            auth_id: &binding.auth_id,
            operation: binding.scope.operation(),
            origin: &binding.origin,
            idempotency_key: &idempotency_key,
            binding: &name,
        };
        let mut may_be_out = send > 1;
        let reply = loop {
            let reply = self.authority.start(request).await;
            let kind = Kind::Started { message: send, outcome: StartOutcome::from(&reply) };
            self.audit.record(&self.event(kind).about(&record));
            let stands = self.feed(&record, &Input::Start(reply.clone())).await;
            let is_repeated =
                stands.is_some_and(|it| matches!(it.effect, Some(Effect::Start { .. })));
            if !is_repeated {
                break reply;
            }
            may_be_out = true;
        };
        match reply {
            StartReply::Accepted(_) | StartReply::Unknown => return Started::Asked,
            StartReply::Refused | StartReply::NotStarted { .. } | StartReply::Misconfigured => {}
        }
        // An approval of a message that is out is still good.
        if !may_be_out {
            self.release(ticket).await;
        }
        if reply == StartReply::Misconfigured {
            self.note_misconfigured(&record);
            return Started::Misconfigured;
        }
        Started::Asked
    }

    /// Submits a PIN that came from `address`.
    pub(super) fn submit(
        self: &Arc<Self>,
        record: FlowRecord,
        pin: Pin,
        address: Option<IpAddr>,
    ) -> JoinHandle<PinOutcome> {
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            let record = match engine.advance(&record, &Input::Pin).await {
                Ok(Advanced { record, effect: Some(Effect::CheckPin), .. }) => record,
                // No attempt was left, and that ended the flow.
                Ok(Advanced { record, .. }) => {
                    return PinOutcome::Illegal(Box::new((record, Objection::NoAttempt)));
                }
                Err(StepError::Illegal(illegal)) => return PinOutcome::Illegal(illegal),
                Err(error) => return PinOutcome::Failed(error),
            };
            let reply = engine.ask_authority(&record, Some(&pin), Duration::ZERO).await;
            drop(pin);
            if let Some(attempts_left) = attempts_left(&record, reply) {
                let event = engine.event(Kind::PinRejected { attempts_left }).about(&record);
                engine.audit.record(&event.at_address(address));
            }
            let stands = engine.take_answer(&record, &Input::PinCheck(reply)).await;
            PinOutcome::Answered(reply, stands)
        })
    }

    /// Asks the authority once, if that is due, and gives the flow as it stands after.
    pub(super) fn ask(self: &Arc<Self>, record: FlowRecord) -> JoinHandle<()> {
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(Advanced { record, effect, .. }) =
                engine.advance(&record, &Input::Wake { hold: Duration::ZERO }).await
            {
                engine.carry_out(&record, effect).await;
            }
        })
    }

    /// Polls for as long as somebody on this node waits for `record` to change.
    pub(super) fn tend(self: &Arc<Self>, record: &FlowRecord) {
        if self.is_closing() {
            return;
        }
        let Some(mut news) = self.hub.claim_tending(record.id) else {
            return;
        };
        let (engine, mut record) = (Arc::clone(self), record.clone());
        tokio::spawn(async move {
            loop {
                if !engine.hub.is_wanted(record.id) {
                    return;
                }
                // Boxed, as most of the time goes into one long question, which need not keep the room
                // that all else takes.
                let (effect, wake_at) = match Box::pin(engine.wake(&record)).await {
                    Ok(Advanced { record: stands, effect, wake_at: Some(wake_at) }) => {
                        record = stands;
                        (effect, wake_at)
                    }
                    Err(StepError::Store(error)) => {
                        tracing::warn!(target: LOG, flow = %record.id, %error, "polling waits for the store");
                        (None, engine.now().after(STORE_PAUSE))
                    }
                    Ok(Advanced { wake_at: None, .. })
                    | Err(StepError::Gone | StepError::Illegal(_)) => break,
                };
                if effect.is_some() {
                    engine.carry_out(&record, effect).await;
                } else {
                    let pause = wake_at.since(engine.now()).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        // An error says that nobody waits any more, and so does the hub.
                        _ = news.changed() => {}
                        () = engine.closed() => {}
                    }
                }
                if engine.is_closing() {
                    break;
                }
            }
            engine.hub.stop_tending(record.id);
        });
    }

    /// What is to be done about `record` now, and when to ask again.
    async fn wake(&self, record: &FlowRecord) -> Result<Advanced, StepError> {
        let hold = self.authority.capabilities().await.wait.min(LONGEST_HOLD);
        self.advance(record, &Input::Wake { hold }).await
    }

    async fn carry_out(&self, record: &FlowRecord, effect: Option<Effect>) {
        match effect {
            Some(Effect::Check { hold }) => {
                let reply = tokio::select! {
                    reply = self.ask_authority(record, None, hold) => reply,
                    // Other nodes are not to wait for an answer that nobody reads any more.
                    () = self.closed(), if !hold.is_zero() => GIVEN_UP,
                };
                Box::pin(self.take_answer(record, &Input::Check(reply))).await;
            }
            // A node died between asking for the message and sending it.
            Some(Effect::Start { send }) => {
                let capabilities = self.authority.capabilities().await;
                let ticket = self.ticket(record, capabilities.txn, self.now());
                Box::pin(self.send_start(record.clone(), send, &ticket)).await;
            }
            Some(Effect::CheckPin) | None => {}
        }
    }

    async fn ask_authority(
        &self,
        record: &FlowRecord,
        pin: Option<&Pin>,
        hold: Duration,
    ) -> CheckReply {
        let names_logins = self.authority.capabilities().await.txn;
        if names_logins && record.flow.txn().is_none() {
            // It would be answered for whichever login of the user is the latest, be that of another
            // session or operation.
            return CheckReply::Unavailable { retry_after: None, sent: false };
        }
        let binding = &record.binding;
        let request = CheckRequest {
            system: binding.scope.system(),
            auth_id: &binding.auth_id,
            txn: record.flow.txn(),
            pin,
            hold,
        };
        self.authority.check(request).await
    }

    async fn take_answer(&self, record: &FlowRecord, input: &Input) -> Option<FlowRecord> {
        let stands = self.feed(record, input).await?.record;
        let is_exclusive = record.flow.txn().is_none();
        if is_exclusive && matches!(stands.flow, Flow::Authenticated(_)) {
            self.release(&StartTicket::new(Arc::clone(&stands.binding))).await;
        }
        Some(stands)
    }

    /// An authority that names no logins takes one approval for another's for as long as a link
    /// or PIN is good.
    fn ticket(&self, record: &FlowRecord, names_logins: bool, now: Timestamp) -> StartTicket {
        let ticket = StartTicket::new(Arc::clone(&record.binding));
        if names_logins {
            ticket
        } else {
            ticket.exclusive_until(now.after(record.flow.login_lifetime()))
        }
    }

    /// A claim that cannot be given back ends by itself.
    async fn release(&self, ticket: &StartTicket) {
        if let Err(error) = self.store.release_start(ticket).await {
            tracing::warn!(target: LOG, %error, "a claim outlives its login");
        }
    }
}

/// How many PINs can be tried after the one that was claimed in `record`, if it was a wrong one.
fn attempts_left(record: &FlowRecord, reply: CheckReply) -> Option<u8> {
    let claimed = record.flow.attempts_left().unwrap_or_default();
    match reply {
        CheckReply::Pending => Some(claimed),
        CheckReply::SecurityError { reason: Some(SecurityErrorReason::Declined), .. }
        | CheckReply::Authenticated
        | CheckReply::Expired
        | CheckReply::Unavailable { .. } => None,
        CheckReply::SecurityError { reason: Some(SecurityErrorReason::Attempts), .. } => Some(0),
        CheckReply::SecurityError { attempts_left, .. } => {
            Some(attempts_left.map_or(claimed, |told| told.min(claimed)))
        }
    }
}

/// The method of a user whose authority does not tell it: the only one accepted, what the app says
/// of them, the default.
pub(super) fn expected_method(
    requirement: &crate::Requirement,
    identity: &crate::Identity,
    default: Method,
) -> Method {
    match requirement.methods() {
        crate::Methods::Only(method) => method,
        crate::Methods::Any => identity.method().unwrap_or(default),
    }
}

/// A check that is under way when the gate closes.
const GIVEN_UP: CheckReply = CheckReply::Unavailable { retry_after: None, sent: true };

/// How long an authority is asked to hold a check.
const LONGEST_HOLD: Duration = Duration::from_secs(25);

const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Another node may have given up what it has asked, which is no news to anybody's client, or the
/// clock may have been set.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps a clock that stands still from making a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
