//! How the story answers what is asked of it.

use super::{Event, Model};
use crate::Method;
use crate::authority::{Accepted, CheckReply, SecurityErrorReason};
use crate::flow::Over;

impl Model {
    pub(in crate::flow::tests) fn state(&self) -> &'static str {
        let ever = |wanted: fn(&Event) -> bool| self.story.iter().any(|(_, event)| wanted(event));
        if ever(|event| matches!(event, Event::Authenticated(_))) {
            "authenticated"
        } else if ever(|event| matches!(event, Event::Over(_))) {
            "expired"
        } else if self.started().is_none() {
            "idle"
        } else if ever(|event| matches!(event, Event::CheckAnswered)) {
            "polling"
        } else {
            "started"
        }
    }

    pub(in crate::flow::tests) fn over(&self) -> Option<Over> {
        self.story.iter().find_map(|(_, event)| match event {
            Event::Over(over) => Some(*over),
            _ => None,
        })
    }

    pub(in crate::flow::tests) fn ended_at(&self) -> Option<u64> {
        self.story.iter().find_map(|(at, event)| match event {
            Event::Over(_) | Event::Authenticated(_) => Some(*at),
            _ => None,
        })
    }

    pub(in crate::flow::tests) fn method(&self) -> Option<Method> {
        match self.state() {
            "idle" | "expired" => None,
            "authenticated" => self.story.iter().find_map(|(_, event)| match event {
                Event::Authenticated(method) => Some(*method),
                _ => None,
            }),
            _ => Some(self.told_method().unwrap_or(self.expected)),
        }
    }

    pub(in crate::flow::tests) fn attempts_left(&self) -> Option<u8> {
        let is_live = matches!(self.state(), "started" | "polling");
        (is_live && self.takes_pin()).then(|| self.attempts())
    }

    pub(in crate::flow::tests) fn polls(&self) -> usize {
        let is_live = matches!(self.state(), "started" | "polling");
        if is_live { self.count(|event| matches!(event, Event::Checked { .. })) } else { 0 }
    }

    pub(super) fn attempts(&self) -> u8 {
        let mut left = 5_u8;
        for (_, event) in &self.story {
            match event {
                Event::PinSent => left -= 1,
                Event::PinAnswered(CheckReply::Unavailable { sent: false, .. }) => left += 1,
                Event::PinAnswered(CheckReply::SecurityError { attempts_left, reason }) => {
                    let told = attempts_left.unwrap_or(5);
                    let is_none = *reason == Some(SecurityErrorReason::Attempts);
                    left = left.min(if is_none { 0 } else { told });
                }
                _ => {}
            }
        }
        left
    }

    pub(super) fn pins_in_flight(&self) -> usize {
        self.count(|event| matches!(event, Event::PinSent))
            - self.count(|event| matches!(event, Event::PinAnswered(_)))
    }

    pub(super) fn takes_pin(&self) -> bool {
        self.told_method().unwrap_or(Method::Pin) == Method::Pin
    }

    pub(super) fn told_method(&self) -> Option<Method> {
        self.tellings().filter_map(|(_, accepted)| accepted.method).last()
    }

    pub(super) fn names_login(&self) -> bool {
        self.tellings().any(|(_, accepted)| accepted.txn.is_some())
    }

    pub(super) fn interval(&self) -> u64 {
        let told = self.tellings().filter_map(|(_, accepted)| accepted.interval).last();
        told.map_or(2_000, |told| u64::try_from(told.as_millis()).unwrap().clamp(1_000, 30_000))
    }

    pub(super) fn deadline(&self) -> u64 {
        let mut method = self.expected;
        let mut deadline = self.started().unwrap() + lifetime(method);
        for (at, accepted) in self.tellings() {
            method = accepted.method.unwrap_or(method);
            let told = accepted.expires_in.map(|told| u64::try_from(told.as_millis()).unwrap());
            deadline = at + told.unwrap_or(lifetime(method)).min(600_000);
        }
        deadline
    }

    pub(super) fn resend_from(&self) -> u64 {
        let mut messages = 1_u32;
        let mut from = self.started().unwrap() + 30_000;
        for (at, event) in &self.story {
            match event {
                Event::Resent => {
                    messages += 1;
                    let doublings = messages.saturating_sub(1).min(5);
                    from = at + 30_000 * 2_u64.pow(doublings);
                }
                Event::ResendHindered { until } => {
                    messages = messages.saturating_sub(1);
                    from = *until;
                }
                _ => {}
            }
        }
        from
    }

    /// From when on a check is made: once the last one is answered and its pause is over, or once
    /// it is given up on.
    pub(super) fn next_check(&self) -> u64 {
        let started = self.started().unwrap();
        let mut from = started;
        let mut asked_at = None;
        let mut failures = 0;
        for (index, (at, event)) in self.story.iter().enumerate() {
            match event {
                Event::Checked { limit } => {
                    asked_at = Some(*at);
                    from = *limit;
                }
                Event::CheckAnswered => {
                    let interval = Self { story: self.story[..index].to_vec(), ..*self }.interval();
                    let pause = match at - started {
                        0..60_000 => interval,
                        60_000..180_000 => interval + interval / 2,
                        180_000.. => interval * 2 + interval / 2,
                    };
                    from = (asked_at.unwrap_or(*at) + pause).max(*at);
                    asked_at = None;
                    failures = 0;
                }
                Event::CheckFailed { retry_after } => {
                    failures += 1;
                    let usual = [2_000, 3_000, 5_000][failures.min(3) - 1];
                    from = at + retry_after.unwrap_or(usual).clamp(2_000, 60_000);
                    asked_at = None;
                }
                _ => {}
            }
        }
        from
    }

    /// When the user got the first message.
    pub(super) fn started(&self) -> Option<u64> {
        self.story.iter().find_map(|(at, event)| {
            matches!(event, Event::Accepted(_) | Event::Unconfirmed).then_some(*at)
        })
    }

    pub(super) fn tellings(&self) -> impl Iterator<Item = (u64, &Accepted)> {
        self.story.iter().filter_map(|(at, event)| match event {
            Event::Accepted(accepted) | Event::ResendAccepted(accepted) => Some((*at, accepted)),
            _ => None,
        })
    }

    pub(super) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.story.iter().filter(|(_, event)| wanted(event)).count()
    }
}

pub(super) const fn lifetime(method: Method) -> u64 {
    match method {
        Method::Pin => 300_000,
        Method::Passwordless => 600_000,
    }
}
