use std::fmt::Display;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{Event, Kind, SessionTag};
use crate::Method;
use crate::flow::FlowId;
use crate::refusal::{Problem, Reason};

/// An event as one flat object: the same fields, whoever writes it down.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line<'a> {
    /// Milliseconds since the Unix epoch.
    pub(super) at: u64,
    pub(super) event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) polls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<&'static str>,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(super) from: Option<SessionTag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(super) session: Option<SessionTag>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(super) address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub(super) flow: Option<FlowId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(super) fn of(event: &Event<'a>) -> Self {
        let line = Self {
            at: event.at.as_millis(),
            event: event.kind.name(),
            auth_id: event.auth_id,
            session: event.session,
            address: event.address,
            flow: event.flow,
            system: event.system,
            operation: event.operation.map(crate::Operation::text),
            ..Self::default()
        };
        match event.kind {
            Kind::Refused(problem) | Kind::WouldRefuse(problem) => line.problem(problem),
            Kind::Started { message, outcome } => {
                Self { message: Some(message), outcome: Some(outcome.as_str()), ..line }
            }
            Kind::PinRejected { attempts_left } => {
                Self { attempts_left: Some(attempts_left), ..line }
            }
            Kind::Ended { end, polls } => Self {
                end: Some(end.as_str()),
                method: end.method().map(Method::as_str),
                polls: Some(polls),
                ..line
            },
            Kind::Revoked(what) => Self {
                revoked: Some(what.as_str()),
                before: what.before().map(crate::Timestamp::as_millis),
                ..line
            },
            Kind::Rebound { from } => Self { from: Some(from), ..line },
            Kind::FlowOpened | Kind::Consumed | Kind::Misconfigured => line,
        }
    }

    fn problem(self, problem: Problem) -> Self {
        let reason = problem.reason().map(Reason::as_str);
        Self { problem: Some(problem.name()), reason, ..self }
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line::of(self).serialize(serializer)
    }
}

#[expect(clippy::ref_option, reason = "it is what serde calls")]
fn as_text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
