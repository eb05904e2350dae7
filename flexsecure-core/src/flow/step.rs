use std::time::Duration;

use super::live::Live;
use super::{Expired, Flow, Hindrance, Idle, Over, Polling, Start, Started, pace};
use crate::authority::{CheckReply, SecurityErrorReason, StartReply};
use crate::{Method, Timestamp};

/// What a step may know of the world.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cx {
    /// The time.
    pub now: Timestamp,
}

impl Cx {
    /// A step at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now }
    }
}

/// What happens to a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// The first message is about to be asked for, if it is admitted. Nothing is sent until it is
    /// [begun](Self::Begin), and who claims it and dies leaves nothing behind.
    Claim,
    /// Send the user their first message.
    Begin {
        /// Whether the authority can be asked again without sending again.
        idempotent: bool,
    },
    /// Send the user another message.
    Resend,
    /// The answer to [`Effect::Start`].
    Start(StartReply),
    /// The other answer to [`Effect::Start`]: the authority was not asked.
    NotAdmitted {
        /// Why not.
        by: Hindrance,
        /// Until when it is not worth trying again.
        until: Timestamp,
    },
    /// Time has passed, or somebody asks.
    Wake {
        /// How long a check may be held by the authority; zero for an answer at once.
        hold: Duration,
    },
    /// The answer to [`Effect::Check`].
    Check(CheckReply),
    /// The user typed a well-formed PIN.
    Pin,
    /// The answer to [`Effect::CheckPin`].
    PinCheck(CheckReply),
    /// The client gives up.
    Cancel,
}

/// What the driver has to do once the step is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Ask the authority for a message, and answer with [`Input::Start`].
    Start {
        /// Which message of this flow it is; the same number must never be sent twice.
        send: u32,
    },
    /// Ask the authority how it stands, and answer with [`Input::Check`].
    Check {
        /// How long the authority may hold the answer.
        hold: Duration,
    },
    /// Submit the PIN to the authority, and answer with [`Input::PinCheck`].
    CheckPin,
}

/// The outcome of an input that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Step {
    /// The next state, to be stored before anything else.
    pub flow: Flow,
    /// What is to be done after.
    pub effect: Option<Effect>,
    /// When to step again with [`Input::Wake`] if nothing else happens; never once it is over.
    pub wake_at: Option<Timestamp>,
}

/// An input that does not fit: nothing has changed but the time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flow that is {} takes no such input: {objection}", flow.state())]
#[non_exhaustive]
pub struct Illegal {
    /// The state as it stands.
    pub flow: Flow,
    /// What did not fit.
    pub input: Input,
    /// Why.
    pub objection: Objection,
}

/// Why an input does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Objection {
    /// The flow has ended.
    #[error("it is over")]
    Over,
    /// The first message was asked for already.
    #[error("it has begun")]
    Begun,
    /// No message was sent yet.
    #[error("it has not started")]
    NotStarted,
    /// A message cannot be sent before this time.
    #[error("it is too soon")]
    TooSoon {
        /// From when on it can.
        until: Timestamp,
    },
    /// The user has a link, so no PIN can be right.
    #[error("it takes no PIN")]
    NoPin,
    /// The last attempt is on its way to the authority.
    #[error("no attempt is left")]
    NoAttempt,
    /// The answer to a question that was not asked.
    #[error("nothing of the kind was asked")]
    Unasked,
}

/// Whether the authority has been heard to await the user.
#[derive(Clone, Copy)]
enum Phase {
    Started,
    Polling,
}

/// A next state with an effect, or the state as it was with an objection.
type Outcome = Result<(Flow, Option<Effect>), (Flow, Objection)>;

impl Flow {
    /// Takes `input`, and tells the next state and what to do.
    ///
    /// Time is looked at first: a flow that has run out takes nothing but [`Input::Wake`], so a
    /// late answer never revives it.
    ///
    /// # Errors
    ///
    /// [`Illegal`] if the input does not fit the state, with both.
    #[expect(clippy::result_large_err, reason = "the state is handed back, not boxed")]
    pub fn step(self, input: Input, cx: Cx) -> Result<Step, Illegal> {
        let outcome = match self.at(cx.now) {
            Self::Idle(idle) => idle.step(&input, cx.now),
            Self::Started(Started(live)) => Phase::Started.step(live, &input, cx.now),
            Self::Polling(Polling(live)) => Phase::Polling.step(live, &input, cx.now),
            over @ (Self::Authenticated(_) | Self::Expired(_)) => {
                let is_legal = matches!(input, Input::Wake { .. });
                if is_legal { Ok((over, None)) } else { Err((over, Objection::Over)) }
            }
        };
        match outcome {
            Ok((flow, effect)) => Ok(Step { wake_at: flow.wake_at(), flow, effect }),
            Err((flow, objection)) => Err(Illegal { flow, input, objection }),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self {
            Self::Idle(idle) => Some(match idle.start {
                Start::Fresh | Start::Hindered { .. } => idle.opened_at.after(pace::IDLE_LIFETIME),
                Start::Claimed { at } | Start::Begun { at, .. } => at.after(pace::START_LIMIT),
            }),
            Self::Started(Started(live)) | Self::Polling(Polling(live)) => Some(live.wake_at()),
            Self::Authenticated(_) | Self::Expired(_) => None,
        }
    }
}

impl Idle {
    fn step(mut self, input: &Input, now: Timestamp) -> Outcome {
        match (self.start, input) {
            // Whether a start is admitted can have changed since, and is asked without any call.
            (
                Start::Hindered { by: Hindrance::Unavailable, until },
                Input::Claim | Input::Begin { .. },
            ) if now < until => Err((Flow::Idle(self), Objection::TooSoon { until })),
            (Start::Fresh | Start::Hindered { .. }, Input::Claim) => {
                self.start = Start::Claimed { at: now };
                Ok((Flow::Idle(self), None))
            }
            (Start::Claimed { .. } | Start::Begun { .. }, Input::Claim) => {
                Err((Flow::Idle(self), Objection::Begun))
            }
            (
                Start::Fresh | Start::Claimed { .. } | Start::Hindered { .. },
                &Input::Begin { idempotent },
            ) => {
                self.start = Start::Begun { at: now, idempotent, repeated: false };
                Ok((Flow::Idle(self), Some(FIRST_START)))
            }
            (Start::Begun { .. }, Input::Begin { .. }) => Err((Flow::Idle(self), Objection::Begun)),

            (Start::Begun { .. }, Input::Start(reply)) => Ok(self.answered(reply, now)),
            (Start::Claimed { .. } | Start::Begun { .. }, &Input::NotAdmitted { by, until }) => {
                Ok(self.not_sent(by, until, now))
            }
            // Still idle this late means that the start can be repeated: see `Flow::at`.
            (Start::Begun { at, .. }, Input::Wake { .. }) if at.after(pace::START_LIMIT) <= now => {
                Ok(self.repeat(now))
            }

            (_, Input::Wake { .. }) => Ok((Flow::Idle(self), None)),
            (_, Input::Cancel) => Ok((over(Over::Cancelled, now), None)),
            (_, Input::Resend | Input::Pin) => Err((Flow::Idle(self), Objection::NotStarted)),
            (
                _,
                Input::Start(_) | Input::NotAdmitted { .. } | Input::Check(_) | Input::PinCheck(_),
            ) => Err((Flow::Idle(self), Objection::Unasked)),
        }
    }

    fn answered(self, reply: &StartReply, now: Timestamp) -> (Flow, Option<Effect>) {
        match reply {
            StartReply::Accepted(accepted) => {
                let live = Live::accepted(self.expected, accepted.clone(), now);
                (Flow::Started(Started(live)), None)
            }
            StartReply::Refused | StartReply::Misconfigured => (over(Over::Refused, now), None),
            StartReply::NotStarted { retry_after } => {
                let until = now.after(pace::after_no_start(*retry_after));
                self.not_sent(Hindrance::Unavailable, until, now)
            }
            StartReply::Unknown => self.repeat(now),
        }
    }

    /// Certain of one start is not certain of two: of a repeated one the other may have gone out.
    fn not_sent(
        mut self,
        by: Hindrance,
        until: Timestamp,
        now: Timestamp,
    ) -> (Flow, Option<Effect>) {
        if matches!(self.start, Start::Begun { repeated: true, .. }) {
            return self.repeat(now);
        }
        self.start = Start::Hindered { by, until };
        (Flow::Idle(self), None)
    }

    /// Nobody knows whether the message went out. A second one is worse than none, so only an
    /// authority that recognizes a repeated start is asked again, and that once.
    fn repeat(mut self, now: Timestamp) -> (Flow, Option<Effect>) {
        match self.start {
            Start::Begun { idempotent: true, repeated: false, .. } => {
                self.start = Start::Begun { at: now, idempotent: true, repeated: true };
                (Flow::Idle(self), Some(FIRST_START))
            }
            Start::Begun { .. } | Start::Fresh | Start::Claimed { .. } | Start::Hindered { .. } => {
                (Flow::Started(Started(Live::unconfirmed(self.expected, now))), None)
            }
        }
    }
}

impl Phase {
    fn step(self, mut live: Live, input: &Input, now: Timestamp) -> Outcome {
        match input {
            Input::Claim | Input::Begin { .. } => Err((self.flow(live), Objection::Begun)),
            Input::Resend => match live.claim_resend(now) {
                Some(send) => Ok((self.flow(live), Some(Effect::Start { send }))),
                None => {
                    let until = live.resend_from();
                    Err((self.flow(live), Objection::TooSoon { until }))
                }
            },
            Input::Start(reply) => Ok((self.resent(live, reply, now), None)),
            &Input::NotAdmitted { until, .. } => {
                live.resend_not_before(until);
                Ok((self.flow(live), None))
            }

            &Input::Wake { hold } => {
                let effect = live.claim_check(hold, now).then_some(Effect::Check { hold });
                Ok((self.flow(live), effect))
            }
            &Input::Check(reply) => Ok((self.checked(live, reply, now), None)),

            Input::Pin if !live.takes_pin() => Err((self.flow(live), Objection::NoPin)),
            Input::Pin if live.is_exhausted() => Ok((over(Over::Attempts, now), None)),
            Input::Pin if live.claim_attempt() => Ok((self.flow(live), Some(Effect::CheckPin))),
            Input::Pin => Err((self.flow(live), Objection::NoAttempt)),
            // Unlike a start or a check, a PIN is never given up on, so its answer is never late.
            Input::PinCheck(_) if !live.awaits_pin_check() => {
                Err((self.flow(live), Objection::Unasked))
            }
            &Input::PinCheck(reply) => Ok((self.pin_checked(live, reply, now), None)),

            Input::Cancel => Ok((over(Over::Cancelled, now), None)),
        }
    }

    /// The answer to a message after the first, or to a first one that was given up on.
    fn resent(self, mut live: Live, reply: &StartReply, now: Timestamp) -> Flow {
        match reply {
            StartReply::Accepted(accepted) => live.learn(accepted.clone(), now),
            StartReply::Refused | StartReply::Misconfigured => return over(Over::Refused, now),
            StartReply::NotStarted { retry_after } => {
                live.resend_not_before(now.after(pace::after_no_start(*retry_after)));
            }
            StartReply::Unknown => {}
        }
        self.flow(live)
    }

    fn checked(self, mut live: Live, reply: CheckReply, now: Timestamp) -> Flow {
        match reply {
            CheckReply::Authenticated => live.authenticated(Method::Passwordless, now),
            CheckReply::Expired => over(Over::Timeout, now),
            CheckReply::SecurityError { reason, .. } => over(refusal(reason), now),
            CheckReply::Pending => {
                live.check_answered(now);
                Flow::Polling(Polling(live))
            }
            CheckReply::Unavailable { retry_after, .. } => {
                live.check_failed(retry_after, now);
                self.flow(live)
            }
        }
    }

    fn pin_checked(self, mut live: Live, reply: CheckReply, now: Timestamp) -> Flow {
        live.pin_answered(reply);
        match reply {
            CheckReply::Authenticated => live.authenticated(Method::Pin, now),
            CheckReply::Expired => over(Over::Timeout, now),
            CheckReply::SecurityError { reason: Some(SecurityErrorReason::Declined), .. } => {
                over(Over::Declined, now)
            }
            CheckReply::SecurityError { .. } | CheckReply::Pending if live.is_exhausted() => {
                over(Over::Attempts, now)
            }
            CheckReply::SecurityError { .. }
            | CheckReply::Pending
            | CheckReply::Unavailable { .. } => self.flow(live),
        }
    }

    const fn flow(self, live: Live) -> Flow {
        match self {
            Self::Started => Flow::Started(Started(live)),
            Self::Polling => Flow::Polling(Polling(live)),
        }
    }
}

const fn refusal(reason: Option<SecurityErrorReason>) -> Over {
    match reason {
        Some(SecurityErrorReason::Declined) => Over::Declined,
        Some(SecurityErrorReason::Attempts) => Over::Attempts,
        Some(SecurityErrorReason::Other) | None => Over::Refused,
    }
}

const fn over(over: Over, at: Timestamp) -> Flow {
    Flow::Expired(Expired { at, over })
}

const FIRST_START: Effect = Effect::Start { send: 1 };
