//! What a flow should do, told from the list of what has happened to it.
//!
//! Nothing here is shared with the machine but the types of its inputs. Every question is answered
//! by going through the whole story; times are milliseconds.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is not named has no say in the answer")]

mod questions;

use crate::authority::{Accepted, CheckReply, SecurityErrorReason, StartReply};
use crate::flow::{Effect, Hindrance, Input, Objection, Over};
use crate::{Method, Timestamp};

/// What the model says of one input: the effect, or why the input does not fit.
pub(super) type Verdict = Result<Option<Effect>, Objection>;

pub(super) struct Model {
    expected: Method,
    opened: u64,
    story: Vec<(u64, Event)>,
}

/// What happened, as far as it counts.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody is about to let the first start go.
    Claimed,
    /// The first start went to the driver, for the first time or again.
    Begun {
        idempotent: bool,
    },
    Repeated,
    /// Nothing was sent, and nothing is to be until then.
    Hindered {
        until: u64,
    },
    /// The user has the first message, or may have.
    Accepted(Accepted),
    Unconfirmed,
    Checked {
        limit: u64,
    },
    CheckAnswered,
    CheckFailed {
        retry_after: Option<u64>,
    },
    PinSent,
    PinAnswered(CheckReply),
    Resent,
    /// A message after the first, told about.
    ResendAccepted(Accepted),
    ResendHindered {
        until: u64,
    },
    Authenticated(Method),
    Over(Over),
}

impl Model {
    pub(super) fn open(now: Timestamp, expected: Method) -> Self {
        Self { expected, opened: now.as_millis(), story: Vec::new() }
    }

    pub(super) fn step(&mut self, input: &Input, now: Timestamp) -> Verdict {
        let now = now.as_millis();
        self.pass_time(now);
        let verdict = match self.state() {
            "idle" => self.step_idle(input, now),
            "started" | "polling" => self.step_live(input, now),
            _ if matches!(input, Input::Wake { .. }) => Ok(None),
            _ => Err(Objection::Over),
        };
        self.pass_time(now);
        verdict
    }

    fn pass_time(&mut self, now: u64) {
        if self.state() == "idle" {
            match self.story.last() {
                None | Some((_, Event::Hindered { .. })) if now >= self.opened + 600_000 => {
                    self.note(self.opened + 600_000, Event::Over(Over::Timeout));
                }
                Some((at, Event::Claimed)) if now >= at + 6_000 && now >= self.opened + 600_000 => {
                    self.note(self.opened + 600_000, Event::Over(Over::Timeout));
                }
                Some((at, Event::Begun { idempotent: false } | Event::Repeated))
                    if now >= at + 6_000 =>
                {
                    self.note(*at, Event::Unconfirmed);
                }
                Some((at, Event::Begun { idempotent: true }))
                    if now >= at + questions::lifetime(self.expected) =>
                {
                    self.note(*at, Event::Unconfirmed);
                }
                _ => {}
            }
        }
        if matches!(self.state(), "started" | "polling") && now >= self.deadline() {
            self.note(self.deadline(), Event::Over(Over::Timeout));
        }
    }

    fn step_idle(&mut self, input: &Input, now: u64) -> Verdict {
        let last = self.story.last().map(|(at, event)| (*at, event.clone()));
        let is_begun = matches!(last, Some((_, Event::Begun { .. } | Event::Repeated)));
        let is_claimed = matches!(last, Some((at, Event::Claimed)) if now < at + 6_000);
        match input {
            Input::Claim | Input::Begin { .. } if is_begun => Err(Objection::Begun),
            Input::Claim if is_claimed => Err(Objection::Begun),
            Input::Claim => match last {
                Some((_, Event::Hindered { until })) if now < until => {
                    Err(Objection::TooSoon { until: Timestamp::from_millis(until) })
                }
                _ => {
                    self.note(now, Event::Claimed);
                    Ok(None)
                }
            },
            Input::Begin { idempotent } => match last {
                Some((_, Event::Hindered { until })) if now < until => {
                    Err(Objection::TooSoon { until: Timestamp::from_millis(until) })
                }
                _ => {
                    self.note(now, Event::Begun { idempotent: *idempotent });
                    Ok(Some(Effect::Start { send: 1 }))
                }
            },
            Input::Cancel => self.end(now, Over::Cancelled),
            Input::Wake { .. } => match last {
                Some((at, Event::Begun { idempotent: true })) if now >= at + 6_000 => {
                    self.note(now, Event::Repeated);
                    Ok(Some(Effect::Start { send: 1 }))
                }
                _ => Ok(None),
            },
            Input::Resend | Input::Pin => Err(Objection::NotStarted),
            Input::NotAdmitted { by, .. } if is_claimed => {
                let until = match by {
                    Hindrance::TooManyStarts | Hindrance::InProgress => Some(now),
                    _ => hindered_until(input, now),
                };
                self.note(now, Event::Hindered { until: until.unwrap() });
                Ok(None)
            }
            Input::Start(_) | Input::NotAdmitted { .. } if is_begun => {
                let is_first = !matches!(last, Some((_, Event::Repeated)));
                let can_repeat = matches!(last, Some((_, Event::Begun { idempotent: true })));
                match (input, hindered_until(input, now)) {
                    (Input::Start(StartReply::Accepted(accepted)), _) => {
                        self.note(now, Event::Accepted(accepted.clone()));
                    }
                    (Input::Start(StartReply::Refused | StartReply::Misconfigured), _) => {
                        return self.end(now, Over::Refused);
                    }
                    // Whether a start is admitted can be asked at any time.
                    (
                        Input::NotAdmitted {
                            by: Hindrance::TooManyStarts | Hindrance::InProgress,
                            ..
                        },
                        _,
                    ) if is_first => {
                        self.note(now, Event::Hindered { until: now });
                    }
                    (_, Some(until)) if is_first => self.note(now, Event::Hindered { until }),
                    _ if can_repeat => {
                        self.note(now, Event::Repeated);
                        return Ok(Some(Effect::Start { send: 1 }));
                    }
                    _ => self.note(now, Event::Unconfirmed),
                }
                Ok(None)
            }
            _ => Err(Objection::Unasked),
        }
    }

    fn step_live(&mut self, input: &Input, now: u64) -> Verdict {
        match input {
            Input::Claim | Input::Begin { .. } => return Err(Objection::Begun),
            Input::Cancel => return self.end(now, Over::Cancelled),
            Input::Resend => {
                let until = self.resend_from();
                if now < until {
                    return Err(Objection::TooSoon { until: Timestamp::from_millis(until) });
                }
                self.note(now, Event::Resent);
                let resent = self.count(|event| matches!(event, Event::Resent));
                return Ok(Some(Effect::Start { send: 1 + u32::try_from(resent).unwrap() }));
            }
            Input::Start(StartReply::Accepted(accepted)) => {
                self.note(now, Event::ResendAccepted(accepted.clone()));
            }
            Input::Start(StartReply::Refused | StartReply::Misconfigured) => {
                return self.end(now, Over::Refused);
            }
            Input::Start(_) | Input::NotAdmitted { .. } => {
                if let Some(until) = hindered_until(input, now) {
                    self.note(now, Event::ResendHindered { until });
                }
            }
            Input::Wake { hold } => {
                let v1_pin = self.method() == Some(Method::Pin) && !self.names_login();
                if v1_pin || now < self.next_check() {
                    return Ok(None);
                }
                let held = u64::try_from(hold.as_millis()).unwrap();
                self.note(now, Event::Checked { limit: now + 4_000 + held });
                return Ok(Some(Effect::Check { hold: *hold }));
            }
            Input::Check(reply) => self.check_answered(*reply, now),
            Input::Pin => {
                if !self.takes_pin() {
                    return Err(Objection::NoPin);
                }
                return match (self.attempts(), self.pins_in_flight()) {
                    (0, 0) => self.end(now, Over::Attempts),
                    (0, _) => Err(Objection::NoAttempt),
                    _ => {
                        self.note(now, Event::PinSent);
                        Ok(Some(Effect::CheckPin))
                    }
                };
            }
            Input::PinCheck(_) if self.pins_in_flight() == 0 => return Err(Objection::Unasked),
            Input::PinCheck(reply) => self.pin_answered(*reply, now),
        }
        Ok(None)
    }

    fn check_answered(&mut self, reply: CheckReply, now: u64) {
        let event = match reply {
            CheckReply::Authenticated => {
                Event::Authenticated(self.told_method().unwrap_or(Method::Passwordless))
            }
            CheckReply::Expired => Event::Over(Over::Timeout),
            CheckReply::Pending => Event::CheckAnswered,
            CheckReply::SecurityError { reason, .. } => Event::Over(match reason {
                Some(SecurityErrorReason::Declined) => Over::Declined,
                Some(SecurityErrorReason::Attempts) => Over::Attempts,
                Some(SecurityErrorReason::Other) | None => Over::Refused,
            }),
            CheckReply::Unavailable { retry_after, .. } => Event::CheckFailed {
                retry_after: retry_after.map(|after| u64::try_from(after.as_millis()).unwrap()),
            },
        };
        self.note(now, event);
    }

    fn pin_answered(&mut self, reply: CheckReply, now: u64) {
        self.note(now, Event::PinAnswered(reply));
        let is_wrong = match reply {
            CheckReply::Authenticated => {
                let method = self.told_method().unwrap_or(Method::Pin);
                return self.note(now, Event::Authenticated(method));
            }
            CheckReply::Expired => return self.note(now, Event::Over(Over::Timeout)),
            CheckReply::SecurityError { reason: Some(SecurityErrorReason::Declined), .. } => {
                return self.note(now, Event::Over(Over::Declined));
            }
            CheckReply::SecurityError { .. } | CheckReply::Pending => true,
            CheckReply::Unavailable { .. } => false,
        };
        if is_wrong && self.attempts() == 0 && self.pins_in_flight() == 0 {
            self.note(now, Event::Over(Over::Attempts));
        }
    }

    fn note(&mut self, at: u64, event: Event) {
        self.story.push((at, event));
    }

    fn end(&mut self, at: u64, over: Over) -> Verdict {
        self.note(at, Event::Over(over));
        Ok(None)
    }
}

/// Until when nothing is sent, if `input` says that nothing was.
fn hindered_until(input: &Input, now: u64) -> Option<u64> {
    match input {
        Input::Start(StartReply::NotStarted { retry_after }) => {
            let told = retry_after.map(|after| u64::try_from(after.as_millis()).unwrap());
            Some(now + told.unwrap_or(5_000).clamp(1_000, 60_000))
        }
        Input::NotAdmitted { until, .. } => Some(until.as_millis()),
        _ => None,
    }
}
