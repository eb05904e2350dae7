use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::flow::FlowObject;
use super::refused::Refusal;
use crate::authority::MatchNumber;
use crate::{Method, Operation};

/// What the user is to do, as far as the server has told.
///
/// All texts are one line without control characters, and of no more than
/// [`Operation::MAX_CHARS`] characters.
#[derive(Clone)]
pub struct Challenge {
    system: String,
    operation: Option<String>,
    reason: Option<String>,
    method: Option<Method>,
    match_number: Option<MatchNumber>,
    attempts_left: Option<u8>,
    pin_was_rejected: bool,
    expires_at: Option<Instant>,
}

impl Challenge {
    pub(super) fn new(refusal: &Refusal) -> Self {
        let mut challenge = Self {
            system: line(&refusal.system),
            operation: refusal.operation.as_deref().map(line),
            reason: refusal.reason.as_deref().map(line),
            method: None,
            match_number: None,
            attempts_left: None,
            pin_was_rejected: false,
            expires_at: None,
        };
        challenge.learn(&refusal.flow);
        challenge
    }

    pub(super) fn learn(&mut self, flow: &FlowObject) {
        self.method = flow.method();
        self.match_number = flow.match_number();
        self.attempts_left = flow.attempts_left();
        self.expires_at = flow.expires_in().and_then(|left| Instant::now().checked_add(left));
    }

    pub(super) fn reject_pin(&mut self) {
        self.pin_was_rejected = true;
    }

    pub(super) const fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// The system that wants the user authenticated.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// What the user approves, if it is for this alone.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// Why the request was refused: a word of [`Reason`](crate::refusal::Reason), such as `stale`,
    /// or one that a later server has.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// How the user is authenticated, once that is known.
    #[must_use]
    pub const fn method(&self) -> Option<Method> {
        self.method
    }

    /// The number that the user enters where the link leads, if there is one.
    #[must_use]
    pub const fn match_number(&self) -> Option<MatchNumber> {
        self.match_number
    }

    /// How many PINs may still be tried.
    #[must_use]
    pub const fn attempts_left(&self) -> Option<u8> {
        self.attempts_left
    }

    /// Whether a PIN was given that was not the right one.
    #[must_use]
    pub const fn pin_was_rejected(&self) -> bool {
        self.pin_was_rejected
    }

    /// How long the user has from now, once a message was sent.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        let expires_at = self.expires_at?;
        Some(expires_at.saturating_duration_since(Instant::now()))
    }
}

/// The match number is for the eyes of the user, and not for a log.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("system", &self.system)
            .field("reason", &self.reason)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// As the text of an operation is shown: nothing in it moves the cursor of a terminal.
fn line(text: &str) -> String {
    Operation::new(text).text().to_owned()
}
