use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::{AcrValues, Answer, Format, Problem, Reason, Refusal, challenge, flow_page, grpc};
use crate::flow::{Flow, FlowId};
use crate::policy::Defect;
use crate::store::FlowRecord;
use crate::time::seconds_rounded_up;
use crate::{Requirement, Timestamp};

/// All that goes into a refusal, before it takes the form its client understands.
///
/// It is boxed because it is the rare case of many a `Result`.
#[derive(Clone, Debug)]
pub(crate) struct Details(Box<Contents>);

#[derive(Clone, Debug)]
struct Contents {
    problem: Problem,
    detail: Cow<'static, str>,
    requirement: Option<Requirement>,
    flow: Option<FlowObject>,
    attempts_left: Option<u8>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    bearer: Option<AcrValues>,
    leads_there: bool,
}

impl Details {
    pub(crate) fn of(problem: Problem) -> Self {
        Self(Box::new(Contents {
            problem,
            detail: Cow::Borrowed(problem.detail()),
            requirement: None,
            flow: None,
            attempts_left: None,
            retry_after: None,
            allow: None,
            bearer: None,
            leads_there: false,
        }))
    }

    pub(crate) const fn problem(&self) -> Problem {
        self.0.problem
    }

    pub(crate) fn flow_id(&self) -> Option<FlowId> {
        self.0.flow_id()
    }

    /// What is wrong with a request, in the words of whoever found out.
    pub(crate) fn defect(defect: Defect) -> Self {
        let mut details = Self::of(defect.problem());
        details.0.detail = defect.into_detail();
        details
    }

    pub(crate) fn requirement(mut self, requirement: Requirement) -> Self {
        self.0.requirement = Some(requirement);
        self
    }

    /// Tells of `other` where it would tell of `problem`.
    pub(crate) fn instead_of(mut self, problem: Problem, other: Problem) -> Self {
        if self.0.problem == problem {
            self.0.problem = other;
        }
        self
    }

    pub(crate) fn flow(mut self, flow: FlowObject) -> Self {
        self.0.flow = Some(flow);
        self
    }

    pub(crate) fn attempts_left(mut self, attempts_left: Option<u8>) -> Self {
        self.0.attempts_left = attempts_left;
        self
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    pub(crate) fn allow(mut self, methods: &'static str) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Challenges OAuth clients too.
    pub(crate) fn bearer(mut self, acr_values: Option<AcrValues>) -> Self {
        self.0.bearer = acr_values;
        self
    }

    /// Sends a browser to the flow's page instead of showing it in the place of another.
    pub(crate) fn lead_there(mut self) -> Self {
        self.0.leads_there = true;
        self
    }

    pub(crate) fn refuse(self, format: Format) -> Refusal {
        let contents = *self.0;
        let answer = match format {
            Format::Json => contents.json(),
            Format::Html => contents.html(),
            Format::Grpc => contents.grpc(),
        };
        Refusal::new(contents.problem, contents.with_common_headers(answer))
    }
}

impl Contents {
    fn grpc(&self) -> Answer {
        let body = self.body();
        let info = grpc::ErrorInfo {
            reason: body.reason.unwrap_or(self.problem.name()),
            metadata: body.metadata(),
            retry_after: self.retry_after.map(seconds_rounded_up),
        };
        grpc::trailers_only(self.problem, &to_json(&body), self.flow_id(), &info)
    }

    fn json(&self) -> Answer {
        let body = to_json(&self.body());
        let answer = Answer::new(self.problem.status(), "application/problem+json", body);
        self.with_challenge(answer)
    }

    /// A page where there is a flow to show; the few words of the problem where there is none.
    fn html(&self) -> Answer {
        if let Some(flow) = self.flow.as_ref().filter(|_| self.leads_there) {
            return Answer::see_other(flow.url.clone());
        }
        let answer = flow_page(
            self.problem.status(),
            Some((self.problem, &*self.detail)),
            self.flow.as_ref(),
        );
        self.with_challenge(answer)
    }

    fn with_challenge(&self, mut answer: Answer) -> Answer {
        let requirement = self.requirement.as_ref();
        let flexsecure = challenge::flexsecure(self.problem, requirement, self.flow_id());
        let bearer = self.bearer.as_ref();
        let bearer = bearer.and_then(|acr| challenge::bearer(self.problem, requirement, acr));
        for challenge in flexsecure.into_iter().chain(bearer) {
            answer = answer.with_header("www-authenticate", challenge);
        }
        answer
    }

    fn with_common_headers(&self, mut answer: Answer) -> Answer {
        if let Some(wait) = self.retry_after {
            answer = answer.with_header("retry-after", seconds_rounded_up(wait).to_string());
        }
        if let Some(methods) = self.allow {
            answer = answer.with_header("allow", methods.to_owned());
        }
        answer
    }

    fn flow_id(&self) -> Option<FlowId> {
        self.flow.as_ref().map(|flow| flow.id)
    }

    fn body(&self) -> Body<'_> {
        let requirement = self.requirement.as_ref();
        let reason = self.problem.reason();
        Body {
            r#type: format!("urn:flexsecure:problem:{}", self.problem.name()),
            title: self.problem.title(),
            status: self.problem.status(),
            detail: &self.detail,
            reason: reason.map(Reason::as_str),
            system: requirement.map(|requirement| requirement.scope().system()),
            max_age: requirement.map(|requirement| requirement.max_age().as_secs()),
            operation: requirement
                .and_then(|requirement| requirement.scope().operation())
                .map(|operation| operation.text()),
            attempts_left: self.attempts_left,
            flow: self.flow.as_ref(),
        }
    }
}

/// The body of a problem, RFC 9457.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'a FlowObject>,
}

impl Body<'_> {
    /// The same without its nesting, as texts; what it is in general is left to the rest of a status.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let (flow, text) = (self.flow, |text: &str| text.to_owned());
        let attempts_left = self.attempts_left.or(flow.and_then(|flow| flow.attempts_left));
        let entries = [
            ("type", Some(self.r#type.clone())),
            ("detail", Some(text(self.detail))),
            ("system", self.system.map(text)),
            ("max_age", self.max_age.map(|age| age.to_string())),
            ("operation", self.operation.map(text)),
            ("flow", flow.map(|flow| flow.id.to_string())),
            ("url", flow.map(|flow| flow.url.clone())),
            ("state", flow.map(|flow| text(flow.state))),
            ("method", flow.and_then(|flow| flow.method).map(text)),
            ("match", flow.and_then(|flow| flow.match_number.clone())),
            ("expires_in", flow.and_then(|flow| flow.expires_in).map(|left| left.to_string())),
            ("interval", flow.and_then(|flow| flow.interval).map(|interval| interval.to_string())),
            ("attempts_left", attempts_left.map(|left| left.to_string())),
            ("over", flow.and_then(|flow| flow.over).map(text)),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// A flow as a client sees it; fields that do not apply are absent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowObject {
    #[serde(serialize_with = "as_text")]
    pub(super) id: FlowId,
    pub(super) url: String,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'static str>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub(super) match_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<&'static str>,
    #[serde(skip)]
    pub(super) takes_pin: bool,
    #[serde(skip)]
    pub(super) operation: Option<String>,
    #[serde(skip)]
    pub(super) system: String,
    #[serde(skip)]
    pub(super) return_to: Option<String>,
}

impl FlowObject {
    pub(crate) fn new(record: &FlowRecord, prefix: &str, now: Timestamp) -> Self {
        let flow = record.flow.clone().at(now);
        let scope = &record.binding.scope;
        Self {
            id: record.id,
            url: format!("{prefix}/flows/{}", record.id),
            state: flow.state(),
            method: flow.method().map(|method| method.as_str()),
            match_number: flow.match_number().map(|number| number.to_string()),
            expires_in: flow.expires_in(now).map(|left| left.as_secs()),
            interval: flow.interval().map(|interval| interval.as_secs()),
            attempts_left: flow.attempts_left(),
            over: match &flow {
                Flow::Expired(end) => Some(end.over().as_str()),
                Flow::Idle(_) | Flow::Started(_) | Flow::Polling(_) | Flow::Authenticated(_) => {
                    None
                }
            },
            takes_pin: flow.takes_pin(),
            operation: scope.operation().map(|operation| operation.text().to_owned()),
            system: scope.system().to_owned(),
            return_to: record.binding.return_to.as_deref().map(str::to_owned),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn to_answer(&self) -> Answer {
        Answer::new(200, "application/json", to_json(self))
    }
}

fn as_text<S: serde::Serializer>(id: &FlowId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Serializing text, numbers and options of them into memory has no way to fail.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
