use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Authenticated, Expired, Flow, Over, pace};
use crate::authority::{Accepted, CheckReply, MatchNumber, SecurityErrorReason, Txn};
use crate::{Method, Timestamp};

/// A flow whose user has a message, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Live {
    started_at: Timestamp,
    deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txn: Option<Txn>,
    method: Method,
    /// Whether the authority told the method; else it is what was expected.
    method_is_told: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    match_number: Option<MatchNumber>,
    #[serde(with = "crate::time::millis")]
    interval: Duration,
    check: Check,
    /// How many checks were claimed; a few hundred in the longest life of a flow.
    polls: u16,
    failures: u8,
    attempts_left: u8,
    pins_in_flight: u8,
    /// How many messages were asked for.
    sends: u32,
    /// How many of them the user has, as far as anybody knows.
    messages: u16,
    resend_from: Timestamp,
}

/// When the next check without a PIN is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Check {
    Due {
        from: Timestamp,
    },
    /// Its sender is given up on at `limit`.
    InFlight {
        since: Timestamp,
        limit: Timestamp,
    },
}

impl Live {
    pub(super) fn accepted(expected: Method, accepted: Accepted, now: Timestamp) -> Self {
        let mut live = Self::unconfirmed(expected, now);
        live.learn(accepted, now);
        live
    }

    /// Nobody knows whether the message of a start begun at `begun_at` went out.
    pub(super) fn unconfirmed(expected: Method, begun_at: Timestamp) -> Self {
        Self {
            started_at: begun_at,
            deadline: begun_at.after(pace::default_lifetime(expected)),
            txn: None,
            method: expected,
            method_is_told: false,
            match_number: None,
            interval: pace::DEFAULT_INTERVAL,
            check: Check::Due { from: begun_at },
            polls: 0,
            failures: 0,
            attempts_left: pace::ATTEMPTS,
            pins_in_flight: 0,
            sends: 1,
            messages: 1,
            resend_from: begun_at.after(pace::cool_down(1)),
        }
    }

    /// Takes over what the authority told of the message it sent, be it the first or another.
    pub(super) fn learn(&mut self, accepted: Accepted, now: Timestamp) {
        let (shortest, longest) = pace::INTERVALS;
        if let Some(method) = accepted.method {
            self.method = method;
            self.method_is_told = true;
        }
        if accepted.txn.is_some() || accepted.match_number.is_some() {
            self.match_number = accepted.match_number;
        }
        if accepted.txn.is_some() {
            self.txn = accepted.txn;
        }
        if let Some(interval) = accepted.interval {
            self.interval = interval.clamp(shortest, longest);
        }
        let lifetime = accepted.expires_in.unwrap_or(pace::default_lifetime(self.method));
        self.deadline = now.after(lifetime.min(pace::LONGEST_LIFETIME));
    }

    pub(super) const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }

    pub(super) fn told_method(&self) -> Option<Method> {
        self.method_is_told.then_some(self.method)
    }

    pub(super) const fn match_number(&self) -> Option<MatchNumber> {
        self.match_number
    }

    pub(super) const fn txn(&self) -> Option<&Txn> {
        self.txn.as_ref()
    }

    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn attempts_left(&self) -> Option<u8> {
        self.takes_pin().then_some(self.attempts_left)
    }

    /// A user said to have a link may still have a PIN, unless it is the authority who said so.
    pub(super) fn takes_pin(&self) -> bool {
        self.method == Method::Pin || !self.method_is_told
    }

    pub(super) const fn polls(&self) -> u16 {
        self.polls
    }

    pub(super) const fn resend_from(&self) -> Timestamp {
        self.resend_from
    }

    /// Where the authority names logins, a check without a PIN is a pure read. One that knows only
    /// v1 might count it as a wrong PIN.
    fn can_be_polled(&self) -> bool {
        self.method == Method::Passwordless || self.txn.is_some()
    }

    /// Claims the next check if one is due.
    pub(super) fn claim_check(&mut self, hold: Duration, now: Timestamp) -> bool {
        let due = self.can_be_polled()
            && match self.check {
                Check::Due { from } => from <= now,
                Check::InFlight { limit, .. } => limit <= now,
            };
        if due {
            let limit = now.after(pace::CHECK_LIMIT).after(hold);
            self.check = Check::InFlight { since: now, limit };
            self.polls = self.polls.saturating_add(1);
        }
        due
    }

    /// When the next step is worth taking, if nothing comes in between.
    pub(super) fn wake_at(&self) -> Timestamp {
        if !self.can_be_polled() {
            return self.deadline;
        }
        let next = match self.check {
            Check::Due { from } => from,
            Check::InFlight { limit, .. } => limit,
        };
        next.min(self.deadline)
    }

    /// The authority answered a check in the documented way: the next one follows in its time.
    pub(super) fn check_answered(&mut self, now: Timestamp) {
        let since = match self.check {
            Check::InFlight { since, .. } => since,
            Check::Due { .. } => now,
        };
        let age = now.since(self.started_at);
        let from = since.after(pace::between_checks(self.interval, age)).max(now);
        self.failures = 0;
        self.check = Check::Due { from };
    }

    pub(super) fn check_failed(&mut self, retry_after: Option<Duration>, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let from = now.after(pace::after_failure(self.failures, retry_after));
        self.check = Check::Due { from };
    }

    /// Takes an attempt for a PIN about to be sent; none if none is left.
    pub(super) fn claim_attempt(&mut self) -> bool {
        let Some(left) = self.attempts_left.checked_sub(1) else {
            return false;
        };
        self.attempts_left = left;
        self.pins_in_flight = self.pins_in_flight.saturating_add(1);
        true
    }

    pub(super) fn pin_answered(&mut self, reply: CheckReply) {
        self.pins_in_flight = self.pins_in_flight.saturating_sub(1);
        match reply {
            CheckReply::Unavailable { sent: false, .. } => {
                self.attempts_left = self.attempts_left.saturating_add(1).min(pace::ATTEMPTS);
            }
            CheckReply::SecurityError { reason: Some(SecurityErrorReason::Attempts), .. } => {
                self.attempts_left = 0;
            }
            CheckReply::SecurityError { attempts_left: Some(left), .. } => {
                self.attempts_left = self.attempts_left.min(left);
            }
            CheckReply::SecurityError { .. }
            | CheckReply::Unavailable { .. }
            | CheckReply::Pending
            | CheckReply::Authenticated
            | CheckReply::Expired => {}
        }
    }

    /// Whether the answer to a PIN is still to come.
    pub(super) const fn awaits_pin_check(&self) -> bool {
        self.pins_in_flight > 0
    }

    /// Whether every attempt was made and answered: one still on its way may be the right one.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.attempts_left == 0 && !self.awaits_pin_check()
    }

    /// Claims another message, if the cool-down is over, and gives its number.
    pub(super) fn claim_resend(&mut self, now: Timestamp) -> Option<u32> {
        if now < self.resend_from {
            return None;
        }
        self.sends = self.sends.saturating_add(1);
        self.messages = self.messages.saturating_add(1);
        self.resend_from = now.after(pace::cool_down(self.messages.into()));
        Some(self.sends)
    }

    /// The message claimed was not sent, so it counts for nothing but its number; another one is
    /// not worth trying before `until`.
    pub(super) const fn resend_not_before(&mut self, until: Timestamp) {
        self.messages = self.messages.saturating_sub(1);
        self.resend_from = until;
    }

    /// What the authority told counts; where it told nothing, the kind of proof that it accepted.
    pub(super) fn authenticated(&self, by: Method, now: Timestamp) -> Flow {
        let method = if self.method_is_told { self.method } else { by };
        Flow::Authenticated(Authenticated { at: now, method })
    }

    pub(super) const fn timed_out(&self) -> Flow {
        Flow::Expired(Expired { at: self.deadline, over: Over::Timeout })
    }
}
