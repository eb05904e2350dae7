//! What an answer is worth: plain functions over what the store found.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use super::{
    Answer, Challenge, Decision, Outcome, Pin, Reason, ServiceError, Standing, State, SubmittedPin,
    limits::{ALERT_AT, Failures, MAX_ATTEMPTS},
};
use crate::{
    Method, UnixMillis,
    secret::ServerKeys,
    store::{CheckedChallenge, Event},
};

/// A PIN as it came, with what it takes to compare it.
#[derive(Clone)]
pub(crate) struct PinAttempt {
    pub(crate) keys: Arc<ServerKeys>,
    /// `None` for what can't be a PIN.
    pub(crate) submitted: Option<SubmittedPin>,
    /// Whether the check named its challenge.
    pub(crate) has_txn: bool,
}

impl PinAttempt {
    fn is_right(
        &self,
        submitted: &SubmittedPin,
        challenge: &Challenge,
    ) -> Result<bool, ServiceError> {
        let key = self
            .keys
            .find(&challenge.server_key)
            .ok_or_else(|| ServiceError::KeyMissing { id: challenge.server_key.clone() })?;
        Ok(Pin::derive(&key, &challenge.nonce).matches(submitted, &key, &challenge.nonce))
    }
}

impl fmt::Debug for PinAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinAttempt").field("has_txn", &self.has_txn).finish_non_exhaustive()
    }
}

/// What is to be told, and what has to be durable before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) answer: Answer,
    pub(crate) writes: Option<Writes>,
}

/// What an answer changes. The challenge is still as it was read, or nothing of it counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Writes {
    pub(crate) attempts: u8,
    /// `None`: it goes on.
    pub(crate) state: Option<State>,
    /// The caller is told of the approval, so it is claimed with it.
    pub(crate) claimed: bool,
    pub(crate) failures: FailureChange,
    /// Whether the user is told that somebody is guessing.
    pub(crate) alert: bool,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FailureChange {
    Keep,
    Clear,
    Set(Failures),
}

/// Compares a PIN, if it may be compared.
pub(crate) fn judge_pin(
    CheckedChallenge { challenge, requires_txn }: &CheckedChallenge,
    failures: Failures,
    attempt: &PinAttempt,
    now: UnixMillis,
) -> Result<Judgement, ServiceError> {
    let tell = |answer| Ok(Judgement { answer, writes: None });
    let rejected = |reason| {
        let attempts_left = (challenge.method == Method::Pin).then_some(challenge.attempts_left());
        tell(Answer::Rejected { reason, attempts_left })
    };
    if *requires_txn && !attempt.has_txn {
        return tell(Answer::Rejected { reason: Reason::Txn, attempts_left: None });
    }
    let standing = challenge.standing(now);
    if matches!(standing, Standing::Expired | Standing::Over(_)) {
        return tell(standing.into());
    }
    if challenge.method != Method::Pin {
        return rejected(Reason::Method);
    }
    let Some(submitted) = &attempt.submitted else { return rejected(Reason::Malformed) };
    if standing == Standing::Authenticated {
        // A lost reply loses no approval: the right PIN with the right `txn` is answered alike again. It ended the
        // challenge, so there is nothing left to guess.
        return tell(if !attempt.has_txn {
            Answer::Expired
        } else if attempt.is_right(submitted, challenge)? {
            Answer::Authenticated
        } else {
            Answer::Rejected { reason: Reason::Pin, attempts_left: None }
        });
    }
    if failures.disables() {
        return rejected(Reason::Disabled);
    }
    // The first PIN of a challenge is compared all the same: a stranger who guesses elsewhere must not keep the user
    // from finishing here. How many there can be is bounded by the messages he is sent, and by the hundred.
    if let (true, Some(until)) = (challenge.attempts > 0, failures.backed_off_until(now)) {
        return tell(Answer::TooSoon {
            wait: until.saturating_since(now),
            attempts_left: challenge.attempts_left(),
        });
    }
    let attempts = challenge.attempts.saturating_add(1);
    if attempt.is_right(submitted, challenge)? {
        return Ok(Judgement {
            answer: Answer::Authenticated,
            writes: Some(Writes {
                attempts,
                state: Some(State::Authenticated),
                claimed: true,
                failures: FailureChange::Clear,
                alert: false,
                events: vec![Event::Authenticated],
            }),
        });
    }
    let attempts_left = MAX_ATTEMPTS.saturating_sub(attempts);
    let failures = failures.with_another(now);
    let mut events = vec![Event::WrongPin];
    events.extend((attempts_left == 0).then_some(Event::Locked));
    events.extend(after_failure(failures, now));
    let reason = if attempts_left == 0 { Reason::Attempts } else { Reason::Pin };
    Ok(Judgement {
        answer: Answer::Rejected { reason, attempts_left: Some(attempts_left) },
        writes: Some(Writes {
            attempts,
            state: (attempts_left == 0).then_some(State::Locked),
            claimed: false,
            failures: FailureChange::Set(failures),
            alert: failures.in_row == ALERT_AT,
            events,
        }),
    })
}

/// What the answer on the page of a link is worth.
pub(crate) fn judge_decision(
    challenge: &Challenge,
    failures: Failures,
    decision: Decision,
    now: UnixMillis,
) -> (Outcome, Option<Writes>) {
    let Standing::Live { .. } = challenge.standing(now) else { return (Outcome::Gone, None) };
    let writes = |state, event| Writes {
        attempts: challenge.attempts,
        state: Some(state),
        claimed: false,
        failures: FailureChange::Keep,
        alert: false,
        events: vec![event],
    };
    match decision {
        Decision::Decline => (Outcome::Declined, Some(writes(State::Declined, Event::Declined))),
        // A link that is out already is of no more use than such a PIN.
        Decision::Approve(_) if failures.disables() => (Outcome::Gone, None),
        Decision::Approve(number) if challenge.match_number == Some(number) => {
            let writes = Writes {
                failures: FailureChange::Clear,
                ..writes(State::Authenticated, Event::Authenticated)
            };
            (Outcome::Approved, Some(writes))
        }
        Decision::Approve(_) => {
            let failures = failures.with_another(now);
            let mut writes = Writes {
                failures: FailureChange::Set(failures),
                ..writes(State::Declined, Event::WrongMatch)
            };
            writes.events.extend(after_failure(failures, now));
            (Outcome::WrongNumber, Some(writes))
        }
    }
}

fn after_failure(failures: Failures, now: UnixMillis) -> Option<Event> {
    if failures.disables() {
        Some(Event::MethodDisabled)
    } else {
        failures.backed_off_until(now).map(|_| Event::BackedOff)
    }
}
