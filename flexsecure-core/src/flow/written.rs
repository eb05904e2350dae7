//! A flow as it is written into a store outside of this process.

use serde::{Deserialize, Serialize};

use super::live::Live;
use super::{Authenticated, Expired, Flow, Idle, Over, Polling, Start, Started};
use crate::{Method, Timestamp};

/// What a [`Flow`] is written as, and read from.
///
/// What is added later has a default, so that a node of the release before can be read, and goes
/// unread by it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Written(State);

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Idle { opened_at: Timestamp, expected: Method, start: Start },
    Started(Live),
    Polling(Live),
    Authenticated { at: Timestamp, method: Method },
    Expired { at: Timestamp, over: Over },
}

impl From<&Flow> for Written {
    fn from(flow: &Flow) -> Self {
        Self(match flow {
            Flow::Idle(Idle { opened_at, expected, start }) => {
                State::Idle { opened_at: *opened_at, expected: *expected, start: *start }
            }
            Flow::Started(Started(live)) => State::Started(live.clone()),
            Flow::Polling(Polling(live)) => State::Polling(live.clone()),
            Flow::Authenticated(Authenticated { at, method }) => {
                State::Authenticated { at: *at, method: *method }
            }
            Flow::Expired(Expired { at, over }) => State::Expired { at: *at, over: *over },
        })
    }
}

impl From<Written> for Flow {
    fn from(written: Written) -> Self {
        match written.0 {
            State::Idle { opened_at, expected, start } => {
                Self::Idle(Idle { opened_at, expected, start })
            }
            State::Started(live) => Self::Started(Started(live)),
            State::Polling(live) => Self::Polling(Polling(live)),
            State::Authenticated { at, method } => {
                Self::Authenticated(Authenticated { at, method })
            }
            State::Expired { at, over } => Self::Expired(Expired { at, over }),
        }
    }
}
