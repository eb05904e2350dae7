mod annotations;
mod bank;
mod conditions;
mod faults;
mod log;
mod reload;

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::{CedarBuilder, CedarError, CedarRules, Fault};
use crate::policy::{Decision, Facts};
use crate::{Identity, Policy, RequestView, Requirement, Timestamp};

/// Monday, the first of January 2024, at noon in UTC.
const MONDAY_NOON: Timestamp = Timestamp::from_millis(1_704_110_400_000);

/// A request, as far as rules look at it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    route: Option<&'a str>,
    path: &'a str,
    peer: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    /// `METHOD /route?query`.
    fn to(request: &'a str) -> Self {
        let (method, path) = request.split_once(' ').unwrap();
        Self { method, route: path.split('?').next(), path, peer: None }
    }

    fn from(self, peer: &str) -> Self {
        Self { peer: Some(peer.parse().unwrap()), ..self }
    }
}

impl RequestView for Asked<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn headers(&self, _: &mut dyn FnMut(&str, &str)) {}

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        self.route.map(Cow::Borrowed)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

fn builder() -> CedarBuilder {
    CedarRules::builder()
        .routes([("GET", "/a"), ("POST", "/a"), ("GET", "/b"), ("DELETE", "/users/{id}")])
        .system("bank")
        .system("audit")
        .decimal("amount", |facts| facts.query("amount").map(Cow::into_owned))
        .text("payee", |facts| facts.query("payee").map(Cow::into_owned))
}

fn rules(text: &str) -> CedarRules {
    builder().read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

fn faults(result: Result<CedarRules, CedarError>) -> Vec<Fault> {
    let error = result.unwrap_err();
    let CedarError::Refused(refused) = error else { panic!("{error}") };
    refused.faults().to_vec()
}

fn alice() -> Identity {
    Identity::new("alice", "her session")
}

fn said_at(rules: &CedarRules, asked: Asked<'_>, now: Timestamp) -> Decision<'static> {
    rules.decide(&Facts::new(&asked, &alice(), now)).into_owned()
}

fn said(rules: &CedarRules, request: &str) -> Decision<'static> {
    said_at(rules, Asked::to(request), MONDAY_NOON)
}

fn is_denied(decision: &Decision<'_>) -> bool {
    matches!(decision, Decision::Deny)
}

fn is_open(decision: &Decision<'_>) -> bool {
    matches!(decision, Decision::Allow)
}

fn required(decision: Decision<'static>) -> Requirement {
    let Decision::Require(requirement) = decision else { panic!("{decision}") };
    requirement.into_owned()
}

fn bank() -> Requirement {
    Requirement::system("bank")
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60).saturating_mul(minutes)
}
