use std::time::Duration;

use serde::Deserialize;

use super::ClientError;
use crate::Method;
use crate::authority::MatchNumber;
use crate::flow::Over;

/// A flow as the server describes it. Fields that do not apply are absent, and others can come to
/// be.
#[derive(Deserialize)]
pub(super) struct FlowObject {
    pub(super) id: String,
    pub(super) url: String,
    state: String,
    method: Option<String>,
    #[serde(rename = "match")]
    match_number: Option<String>,
    expires_in: Option<u64>,
    interval: Option<u64>,
    attempts_left: Option<u8>,
    over: Option<String>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Started,
    Authenticated,
    Over(Over),
}

impl FlowObject {
    pub(super) fn state(&self) -> Result<State, ClientError> {
        match self.state.as_str() {
            "idle" => Ok(State::Idle),
            "started" | "polling" => Ok(State::Started),
            "authenticated" => Ok(State::Authenticated),
            "expired" => {
                let said = self.over.as_deref();
                let over = OVERS.into_iter().find(|over| said == Some(over.as_str()));
                over.map(State::Over).ok_or(ClientError::Malformed)
            }
            _ => Err(ClientError::Malformed),
        }
    }

    /// A method that is none we know is treated as one that was not told.
    pub(super) fn method(&self) -> Option<Method> {
        self.method.as_deref()?.parse().ok()
    }

    pub(super) fn match_number(&self) -> Option<MatchNumber> {
        MatchNumber::parse(self.match_number.as_deref()?)
    }

    pub(super) const fn attempts_left(&self) -> Option<u8> {
        self.attempts_left
    }

    pub(super) fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(|seconds| Duration::from_secs(seconds).min(super::LONGEST))
    }

    pub(super) fn interval(&self) -> Duration {
        let (shortest, longest) = INTERVALS;
        self.interval.map_or(shortest, Duration::from_secs).clamp(shortest, longest)
    }
}

const OVERS: [Over; 5] =
    [Over::Timeout, Over::Attempts, Over::Refused, Over::Declined, Over::Cancelled];

/// Between two looks at a flow.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
