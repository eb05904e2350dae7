//! What is counted, one function for each event. Labels are words of ours or names from the configuration: never what a
//! user or a client wrote.

mod exporter;
mod process;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::StatusCode;
use metrics::{counter, gauge, histogram};

pub use self::exporter::{Metrics, MetricsError};
use crate::Method;

/// What came of a start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// A challenge is out, new or the same again.
    Accepted,
    /// The user can't be asked, or may not be.
    Refused,
    /// There were too many.
    Limited,
    /// It was the server's fault, or it was stopping.
    Failed,
}

/// How a challenge ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Authenticated,
    Declined,
    WrongNumber,
    Locked,
}

/// What came of handing a message over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sending {
    Accepted,
    /// Surely not taken.
    Failed,
    /// It may have been taken.
    Unknown,
}

/// One answered request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The pattern of its route.
    pub(crate) route: &'a str,
    pub(crate) status: StatusCode,
    /// Whether it was a long poll.
    pub(crate) is_held: bool,
    pub(crate) took: Duration,
}

pub(crate) fn started(start: Start) {
    let outcome = match start {
        Start::Accepted => "accepted",
        Start::Refused => "refused",
        Start::Limited => "limited",
        Start::Failed => "failed",
    };
    counter!(STARTS, "outcome" => outcome).increment(1);
}

pub(crate) fn ended(method: Method, end: End) {
    let outcome = match end {
        End::Authenticated => "authenticated",
        End::Declined => "declined",
        End::WrongNumber => "wrong_number",
        End::Locked => "locked",
    };
    counter!(ENDS, "method" => method.as_str(), "outcome" => outcome).increment(1);
}

/// `provider` is a name from the configuration.
pub(crate) fn sent(provider: &str, sending: Sending) {
    let outcome = match sending {
        Sending::Accepted => "accepted",
        Sending::Failed => "failed",
        Sending::Unknown => "unknown",
    };
    counter!(SENDS, "provider" => provider.to_owned(), "outcome" => outcome).increment(1);
}

/// How long the oldest message waits, zero if none does, and how many wait.
pub(crate) fn outbox(oldest: Duration, queued: u64) {
    gauge!(OUTBOX_AGE).set(oldest.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
    gauge!(OUTBOX_QUEUED).set(queued as f64);
}

/// A user was locked out by wrong PINs.
pub(crate) fn locked_out() {
    counter!(LOCK_OUTS).increment(1);
}

/// An address had called with too many wrong API keys.
pub(crate) fn wrong_keys_limited() {
    counter!(WRONG_KEYS).increment(1);
}

/// A transaction of the store was made durable.
pub(crate) fn committed() {
    counter!(COMMITS).increment(1);
}

pub(crate) fn answered(request: &Request<'_>) {
    let status = match request.status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    let route = request.route.to_owned();
    counter!(REQUESTS, "route" => route.clone(), "status" => status).increment(1);
    let held = if request.is_held { "true" } else { "false" };
    histogram!(DURATION, "route" => route, "held" => held).record(request.took);
}

/// Counts a connection until it is dropped.
pub(crate) fn open_connection() -> OpenConnection {
    gauge!(CONNECTIONS).increment(1.0);
    OpenConnection(())
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct OpenConnection(());

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1.0);
    }
}

const STARTS: &str = "flexsecure_starts_total";
const ENDS: &str = "flexsecure_challenges_ended_total";
const SENDS: &str = "flexsecure_messages_sent_total";
const OUTBOX_AGE: &str = "flexsecure_outbox_oldest_seconds";
const OUTBOX_QUEUED: &str = "flexsecure_outbox_queued";
const LOCK_OUTS: &str = "flexsecure_lock_outs_total";
const WRONG_KEYS: &str = "flexsecure_wrong_key_refusals_total";
const COMMITS: &str = "flexsecure_store_commits_total";
const REQUESTS: &str = "flexsecure_http_requests_total";
const DURATION: &str = "flexsecure_http_request_duration_seconds";
const CONNECTIONS: &str = "flexsecure_connections_open";
