//! The step-up page, filled in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::way::{Carried, Lost};
use super::{Answer, FlowObject, Problem, Reason, VARY, Way};
use crate::page::{Language, Pages};
use crate::time::seconds_rounded_up;

/// Where the gate's own pages are, and what they look like.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) prefix: Arc<str>,
    pub(crate) pages: Pages,
}

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) problem: Option<(Problem, Option<Duration>)>,
    pub(crate) flow: Option<&'a FlowObject>,
    pub(crate) way: &'a Way,
    /// Whether a browser that loads the address of the page once more gets it again.
    pub(crate) is_repeatable: bool,
}

impl Site {
    /// The page that shows `shown` to whoever reads `language`.
    pub(crate) fn page(&self, status: u16, language: Language, shown: &Shown<'_>) -> Answer {
        let page = self.pages.render(PAGE, language, &View::of(&self.prefix, shown));
        let page = page.unwrap_or_else(|error| {
            tracing::error!(target: LOG, %error, "the step-up page can't be shown");
            BROKEN.to_owned()
        });
        let mut answer = Answer::new(status, "text/html; charset=utf-8", page)
            .with_header("content-language", self.pages.tag(language).to_owned());
        for (name, value) in GUARDS {
            answer = answer.with_header(name, (*value).to_owned());
        }
        answer.with_vary(format!("{VARY}, Accept-Language"))
    }
}

/// What the template knows.
#[derive(Serialize)]
struct View<'a> {
    prefix: &'a str,
    /// After how many seconds a browser without scripts looks again.
    refresh: Option<u8>,
    problem: Option<ProblemView>,
    flow: Option<FlowView<'a>>,
    carries: Carried<'a>,
}

#[derive(Serialize)]
struct ProblemView {
    name: &'static str,
    reason: Option<&'static str>,
    /// Seconds.
    retry_after: Option<u64>,
    is_final: bool,
}

#[derive(Serialize)]
struct FlowView<'a> {
    url: &'a str,
    state: &'static str,
    is_starting: bool,
    method: Option<&'static str>,
    r#match: Option<&'a str>,
    takes_pin: bool,
    attempts_left: Option<u8>,
    /// Seconds, as the one below.
    expires_in: Option<u64>,
    resend_in: Option<u64>,
    over: Option<&'static str>,
    operation: Option<&'a str>,
    system: &'a str,
}

impl<'a> View<'a> {
    fn of(prefix: &'a str, shown: &Shown<'a>) -> Self {
        // A flow knows by itself for which page it was opened.
        let own = shown.flow.and_then(|flow| flow.return_to.as_deref());
        let carries = match (shown.way, own) {
            (Way::Nowhere, Some(path)) => Carried::back(path),
            (way, _) => way.to_carry(),
        };
        let flow = shown.flow.map(FlowView::of);
        let waits = flow
            .as_ref()
            .is_some_and(|flow| flow.is_starting || (flow.expires_in.is_some() && !flow.takes_pin));
        Self {
            prefix,
            refresh: (waits && shown.is_repeatable).then_some(REFRESH),
            problem: shown.problem.map(|(problem, wait)| ProblemView::of(problem, wait)),
            flow,
            carries,
        }
    }
}

impl ProblemView {
    fn of(problem: Problem, wait: Option<Duration>) -> Self {
        let reason = problem.reason();
        let is_final = problem == Problem::Denied || reason.is_some_and(Reason::is_final);
        Self {
            name: problem.name(),
            reason: reason.map(Reason::as_str),
            retry_after: wait.map(seconds_rounded_up),
            is_final,
        }
    }
}

impl<'a> FlowView<'a> {
    fn of(flow: &'a FlowObject) -> Self {
        Self {
            url: &flow.url,
            state: flow.state,
            is_starting: flow.is_starting,
            method: flow.method,
            r#match: flow.match_number.as_deref(),
            takes_pin: flow.takes_pin,
            attempts_left: flow.attempts_left,
            expires_in: flow.expires_in,
            resend_in: flow.resend_in,
            over: flow.over,
            operation: flow.operation.as_deref(),
            system: &flow.system,
        }
    }
}

/// Each state of a flow, with all that a page can carry, and each problem.
pub(crate) fn samples() -> Vec<(&'static str, serde_json::Value)> {
    let path = || "/transfers?from=1".into();
    let form = Bytes::from_static(b"to=bob&amount=250.00&password=x");
    let ways = [
        Way::Nowhere,
        Way::Back(path()),
        Way::form(path(), Some(form)),
        Way::Lost(Lost::Form),
        Way::Lost(Lost::OtherSite),
    ];
    let flows = FlowObject::samples();
    let states = flows.iter().map(|flow| (None, Some(flow)));
    let problems = Problem::all().flat_map(|problem| {
        let after = |wait| Some((problem, Some(Duration::from_secs(wait))));
        [(after(30), None), (after(90), flows.first()), (after(90), flows.last())]
    });
    let mut samples = Vec::new();
    for (problem, flow) in states.chain(problems) {
        for way in &ways {
            let shown = Shown { problem, flow, way, is_repeatable: true };
            let view = serde_json::to_value(View::of("/step-up", &shown));
            samples.push((PAGE, view.unwrap_or_default()));
        }
    }
    samples
}

const PAGE: &str = "step-up.html";

const LOG: &str = "flexsecure::page";

/// How often a browser without scripts looks, in seconds.
const REFRESH: u8 = 3;

/// What is left to say where an operator's template fails at what it was not tried with.
const BROKEN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Broken</title>\
     <p>This page is broken. Tell those who run this system.</p></html>";

const GUARDS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types flexsecure";
