use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{
    AcrValues, Answer, Format, Problem, Reason, Refusal, Shown, Site, Way, challenge, grpc,
};
use crate::flow::{Flow, FlowId, Over};
use crate::page::Language;
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
    /// The flow that a page shows where a program is told of none.
    shown: Option<FlowObject>,
    attempts_left: Option<u8>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    bearer: Option<AcrValues>,
    way: Way,
}

/// A refusal whose page is to carry a form that nobody has read.
#[derive(Clone, Debug)]
pub(super) struct Unread(Box<(Contents, Language, Site)>);

impl Unread {
    pub(super) fn refuse(self, form: Bytes) -> Refusal {
        let (mut contents, language, site) = *self.0;
        contents.way = contents.way.with_body(Some(form));
        contents.refuse(Format::Html(language), &site)
    }
}

impl Details {
    pub(crate) fn of(problem: Problem) -> Self {
        Self(Box::new(Contents {
            problem,
            detail: Cow::Borrowed(problem.detail()),
            requirement: None,
            flow: None,
            shown: None,
            attempts_left: None,
            retry_after: None,
            allow: None,
            bearer: None,
            way: Way::Nowhere,
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

    /// Shows a person the flow that this is about.
    pub(crate) fn shown(mut self, flow: FlowObject) -> Self {
        self.0.shown = Some(flow);
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

    /// Tells a person how to get on.
    pub(crate) fn way(mut self, way: Way) -> Self {
        self.0.way = way;
        self
    }

    pub(crate) fn refuse(self, format: Format, site: &Site) -> Refusal {
        self.0.refuse(format, site)
    }
}

impl Contents {
    fn refuse(self, format: Format, site: &Site) -> Refusal {
        let answer = match format {
            Format::Json => self.json(),
            Format::Html(language) => self.html(language, site),
            Format::Grpc => self.grpc(),
        };
        let refusal = Refusal::new(self.problem, self.with_common_headers(answer));
        match format {
            Format::Html(language) if self.way.is_unread() => {
                refusal.unread(Unread(Box::new((self, language, site.clone()))))
            }
            Format::Html(_) | Format::Json | Format::Grpc => refusal,
        }
    }

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

    /// The flow's own page, if that leads back to where this was asked for; else one in the place of
    /// what was asked for.
    fn html(&self, language: Language, site: &Site) -> Answer {
        // A page that a form of ours has asked for says what is wrong with that, and no more.
        let is_new = self.problem.reason().is_some();
        if let (true, Some(flow), Some(path)) = (is_new, &self.flow, self.way.back())
            && flow.return_to.as_deref() == Some(path)
        {
            return Answer::see_other(flow.url.clone());
        }
        let shown = Shown {
            problem: Some((self.problem, self.retry_after)),
            flow: self.flow.as_ref().or(self.shown.as_ref()),
            way: &self.way,
            is_repeatable: is_new && self.way.back().is_some(),
        };
        self.with_challenge(site.page(self.problem.status(), language, &shown))
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
    pub(super) return_to: Option<Box<str>>,
    #[serde(skip)]
    pub(super) is_starting: bool,
    /// In how many seconds the message can be sent again.
    #[serde(skip)]
    pub(super) resend_in: Option<u64>,
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
            return_to: record.binding.return_to.clone(),
            is_starting: flow.is_starting(),
            resend_in: flow.resend_from().map(|from| seconds_rounded_up(from.since(now))),
        }
    }

    /// One of each kind, for pages to be tried out with.
    pub(super) fn samples() -> Vec<Self> {
        let idle = Self {
            id: FlowId::from_bits(0),
            url: "/step-up/flows/0".to_owned(),
            state: "idle",
            method: None,
            match_number: None,
            expires_in: None,
            interval: None,
            attempts_left: None,
            over: None,
            takes_pin: false,
            operation: None,
            system: "bank".to_owned(),
            return_to: None,
            is_starting: false,
            resend_in: None,
        };
        let starting = Self { is_starting: true, ..idle.clone() };
        let live = Self {
            state: "started",
            expires_in: Some(299),
            interval: Some(2),
            resend_in: Some(30),
            ..idle.clone()
        };
        let pin = Self {
            method: Some("pin"),
            attempts_left: Some(1),
            takes_pin: true,
            operation: Some("Transfer 250.00 EUR to bob".to_owned()),
            ..live.clone()
        };
        let either = Self { method: Some("passwordless"), ..pin.clone() };
        let link = Self {
            state: "polling",
            method: Some("passwordless"),
            match_number: Some("47".to_owned()),
            resend_in: Some(0),
            ..live
        };
        let unnumbered = Self { match_number: None, ..link.clone() };
        let authenticated = Self { state: "authenticated", ..idle.clone() };
        let confirmed = Self { operation: pin.operation.clone(), ..authenticated.clone() };
        let over =
            |over: Over| Self { state: "expired", over: Some(over.as_str()), ..idle.clone() };
        let ended = [Over::Timeout, Over::Attempts, Over::Refused, Over::Declined, Over::Cancelled]
            .map(over);
        let live =
            [idle.clone(), starting, pin, either, link, unnumbered, authenticated, confirmed];
        live.into_iter().chain(ended).collect()
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
