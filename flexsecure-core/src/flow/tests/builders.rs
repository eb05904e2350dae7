//! Flows in every state, built by the inputs that lead there.

use std::time::Duration;

use crate::authority::{Accepted, CheckReply, SecurityErrorReason, StartReply, Txn};
use crate::flow::{Cx, Effect, Flow, Hindrance, Illegal, Input, Objection, Step};
use crate::{Method, Timestamp};

/// A flow and the time it is looked at.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) flow: Flow,
    pub(super) now: Timestamp,
    pub(super) wake_at: Option<Timestamp>,
}

impl Run {
    pub(super) fn open(expected: Method) -> Self {
        Self { flow: Flow::open(EPOCH, expected), now: EPOCH, wake_at: None }
    }

    /// Begun at an authority that recognizes a repeated start, or at one that does not.
    pub(super) fn begun(expected: Method, idempotent: bool) -> Self {
        let mut run = Self::open(expected);
        assert_eq!(run.takes(Input::Begin { idempotent }), Some(SEND_1));
        run
    }

    pub(super) fn started(expected: Method, accepted: Accepted) -> Self {
        Self::begun(expected, false).then(Input::Start(StartReply::Accepted(accepted)))
    }

    /// At an authority that names the login and tells the method.
    pub(super) fn told(method: Method) -> Self {
        Self::started(method, told(method))
    }

    /// At an authority that tells nothing.
    pub(super) fn v1(expected: Method) -> Self {
        Self::started(expected, Accepted::default())
    }

    pub(super) fn unconfirmed(expected: Method) -> Self {
        Self::begun(expected, false).then(Input::Start(StartReply::Unknown))
    }

    /// `seconds` later.
    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.wait(seconds);
        self
    }

    /// After `input`, which fits.
    pub(super) fn then(mut self, input: Input) -> Self {
        self.takes(input);
        self
    }

    /// After a PIN that was answered with `reply`.
    pub(super) fn with_pin(self, reply: CheckReply) -> Self {
        self.then(Input::Pin).then(Input::PinCheck(reply))
    }

    /// After `count` wrong PINs.
    pub(super) fn with_wrong_pins(self, count: u8) -> Self {
        (0..count).fold(self, |run, _| run.with_pin(WRONG))
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.wait_millis(seconds * 1000);
    }

    pub(super) fn wait_millis(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    /// Gives it `input`, which fits.
    #[track_caller]
    pub(super) fn takes(&mut self, input: Input) -> Option<Effect> {
        self.step(input).unwrap().effect
    }

    /// Gives it `input`, which does not fit.
    #[track_caller]
    pub(super) fn objects_to(&mut self, input: Input) -> Objection {
        self.step(input).unwrap_err().objection
    }

    /// Whether a PIN would be sent now.
    pub(super) fn sends_pin(&mut self) -> bool {
        matches!(self.step(Input::Pin), Ok(Step { effect: Some(Effect::CheckPin), .. }))
    }

    /// How many milliseconds it takes until a check is made, if one is made while the flow lives.
    pub(super) fn millis_to_check(&self) -> Option<u64> {
        let mut run = self.clone();
        while !run.flow.clone().at(run.now).is_over() {
            if let Some(Effect::Check { .. }) = run.takes(wake()) {
                return Some(run.now.as_millis() - self.now.as_millis());
            }
            run.wait_millis(500);
        }
        None
    }

    #[expect(clippy::result_large_err, reason = "as `Flow::step` has it")]
    pub(super) fn step(&mut self, input: Input) -> Result<Step, Illegal> {
        let outcome = self.flow.clone().step(input, Cx::at(self.now));
        match &outcome {
            Ok(step) => {
                self.flow = step.flow.clone();
                self.wake_at = step.wake_at;
            }
            Err(illegal) => self.flow = illegal.flow.clone(),
        }
        outcome
    }
}

pub(super) fn told(method: Method) -> Accepted {
    Accepted::default().txn(Txn::new("login")).method(method)
}

pub(super) const fn start(reply: StartReply) -> Input {
    Input::Start(reply)
}

pub(super) const fn wake() -> Input {
    Input::Wake { hold: Duration::ZERO }
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn not_started(retry_after: Option<u64>) -> Input {
    let retry_after = match retry_after {
        Some(after) => Some(seconds(after)),
        None => None,
    };
    Input::Start(StartReply::NotStarted { retry_after })
}

/// Not before `until` seconds after the epoch.
pub(super) fn not_admitted(until: u64) -> Input {
    Input::NotAdmitted { by: Hindrance::TooManyStarts, until: EPOCH.after(seconds(until)) }
}

pub(super) const fn unavailable(retry_after: Option<u64>) -> CheckReply {
    let retry_after = match retry_after {
        Some(after) => Some(seconds(after)),
        None => None,
    };
    CheckReply::Unavailable { retry_after, sent: true }
}

pub(super) const fn refusal(reason: SecurityErrorReason) -> CheckReply {
    CheckReply::SecurityError { attempts_left: None, reason: Some(reason) }
}

pub(super) const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const SEND_1: Effect = Effect::Start { send: 1 };
pub(super) const CHECK: Effect = Effect::Check { hold: Duration::ZERO };

/// What the v1 API says of a wrong PIN.
pub(super) const WRONG: CheckReply =
    CheckReply::SecurityError { attempts_left: None, reason: None };

/// What becomes of a PIN that never left.
pub(super) const UNSENT: CheckReply = CheckReply::Unavailable { retry_after: None, sent: false };
