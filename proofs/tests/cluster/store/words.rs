//! What nodes and store say to each other.

use flexsecure_core::Timestamp;
use flexsecure_core::store::{Admission, Opened, Swap};
use serde::{Deserialize, Serialize};

/// A verb of the store. Records, elevations and flow ids are texts, times milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Verb {
    Elevations { session: [u8; 32], auth_id: String },
    Open { record: String, now: u64 },
    Flow { session: [u8; 32], auth_id: String, id: String },
    Reload { record: String },
    Swap { next: String, grant: Option<String>, now: u64 },
    Consume { session: [u8; 32], auth_id: String, id: String, now: u64 },
    AdmitStart { ticket: Ticket, now: u64 },
    ReleaseStart { ticket: Ticket },
    Refusals { auth_id: String, since: u64 },
}

impl Verb {
    /// Whether asking twice is as good as asking once.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Self::Elevations { .. }
            | Self::Flow { .. }
            | Self::Reload { .. }
            | Self::Refusals { .. } => true,
            Self::Open { .. }
            | Self::Swap { .. }
            | Self::Consume { .. }
            | Self::AdmitStart { .. }
            | Self::ReleaseStart { .. } => false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The node that asks.
    pub(crate) node: String,
    pub(crate) verb: Verb,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// A record with the binding that the start is for.
    pub(crate) record: String,
    pub(crate) exclusive_until: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Whose they are, and each with whether it is spent.
    Elevations(Option<(String, Vec<(String, bool)>)>),
    New(String),
    Joined(String),
    TooMany {
        until: u64,
    },
    Record(Option<String>),
    Swapped,
    Conflict,
    Gone,
    Consumed(bool),
    Admitted,
    InProgress {
        until: u64,
    },
    Released,
    Refusals(u32),
    Full,
}

impl From<Opened> for Answer {
    fn from(opened: Opened) -> Self {
        match opened {
            Opened::New(record) => Self::New(record.to_text()),
            Opened::Joined(record) => Self::Joined(record.to_text()),
            Opened::TooMany { until } => Self::TooMany { until: until.as_millis() },
        }
    }
}

impl From<Swap> for Answer {
    fn from(swap: Swap) -> Self {
        match swap {
            Swap::Done => Self::Swapped,
            Swap::Conflict => Self::Conflict,
            Swap::Gone => Self::Gone,
        }
    }
}

impl From<Admission> for Answer {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Admitted => Self::Admitted,
            Admission::TooMany { until } => Self::TooMany { until: until.as_millis() },
            Admission::InProgress { until } => Self::InProgress { until: until.as_millis() },
        }
    }
}

pub(crate) fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
