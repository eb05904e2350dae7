//! What came of it.

use std::fmt;

use super::{Finding, Probe, Shape};
use crate::HeadRouting;
use crate::refusal::Problem;

/// What an app did with the [`probes`](super::probes).
#[derive(Clone, Debug)]
#[must_use]
pub struct Report {
    answers: Vec<Answer>,
    head: HeadRouting,
}

#[derive(Clone, Debug)]
struct Answer {
    probe: Probe,
    status: u16,
    finding: Finding,
}

impl Report {
    /// A report without answers, of an app whose framework routes `HEAD` so.
    pub const fn new(head: HeadRouting) -> Self {
        Self { answers: Vec::new(), head }
    }

    /// Notes that `probe` was answered with `status`, and with `problem` in the extensions.
    pub fn note(&mut self, probe: Probe, status: u16, problem: Option<Problem>) {
        let finding = Finding::of(status, problem, probe.is_logged_in);
        self.answers.push(Answer { probe, status, finding });
    }

    /// What was found of `route`, like `GET /statements`, itself; nothing if it was not listed.
    ///
    /// It is open if it is to anybody, known or not.
    #[must_use]
    pub fn finding(&self, route: &str) -> Option<Finding> {
        let of_route =
            |answer: &&Answer| answer.probe.shape == Shape::Route && answer.probe.route == route;
        let found = self.answers.iter().filter(of_route).map(|answer| answer.finding);
        // The one who is logged in asks last.
        found.reduce(|before, last| if before == Finding::Open { before } else { last })
    }

    /// Each request that was answered without a proof.
    pub fn open(&self) -> impl Iterator<Item = &Probe> {
        self.answers.iter().filter(|answer| answer.finding == Finding::Open).map(|it| &it.probe)
    }

    /// That all routes are gated but those in `open`, and that nothing else lets in either.
    ///
    /// A route is named as it was listed, like `GET /healthz`, which means `HEAD` too where the
    /// framework routes it so. `* /healthz` is every method of a path, and `OPTIONS *` every path of a
    /// method. Other spellings of an open route are not looked at; what answers its other methods is.
    ///
    /// # Errors
    ///
    /// [`NotGated`] says what is not, and what usually causes it.
    pub fn gated_except(&self, open: &[&str]) -> Result<(), NotGated> {
        let is_open = |probe: &Probe| open.iter().any(|named| self.names(named, probe));
        let is_itself_open = |probe: &Probe| {
            let itself = |answer: &&Answer| {
                answer.probe.shape == Shape::Route && answer.probe.route == probe.route
            };
            self.answers.iter().find(itself).is_some_and(|answer| is_open(&answer.probe))
        };
        let mut lines: Vec<String> = Vec::new();
        let mut shapes = Vec::new();
        for answer in &self.answers {
            let Answer { probe, finding, .. } = answer;
            let is_bad = match (finding, probe.shape) {
                (Finding::Gated, _) => false,
                (Finding::Open, Shape::Spelling) => !is_itself_open(probe),
                (Finding::Open, _) => true,
                (Finding::Absent | Finding::Denied | Finding::Unidentified, shape) => {
                    shape == Shape::Route && probe.is_logged_in
                }
            };
            if is_bad && !is_open(probe) {
                lines.push(answer.to_string());
                shapes.push((*finding, probe.shape));
            }
        }
        for named in open {
            if !self.answers.iter().any(|answer| self.names(named, &answer.probe)) {
                lines.push(format!("{named}: named as open, but no such route was listed"));
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let mut causes: Vec<&str> = Vec::new();
        for (finding, shape) in shapes {
            let cause = cause(finding, shape);
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        Err(NotGated { lines, causes })
    }

    fn names(&self, named: &str, probe: &Probe) -> bool {
        let Some((method, path)) = named.split_once(' ') else { return false };
        let is_head = self.head == HeadRouting::AsGet && method == "GET" && probe.method == "HEAD";
        let is_method = method == probe.method || is_head;
        match (method, path) {
            ("*", "*") => false,
            ("*", path) => path == probe.path,
            (_, "*") => is_method,
            (_, path) => is_method && path == probe.path,
        }
    }

    /// The same, for a test to fail by.
    ///
    /// # Panics
    ///
    /// If a route that is not in `open` is not gated.
    #[track_caller]
    pub fn assert_gated_except(&self, open: &[&str]) {
        let outcome = self.gated_except(open);
        assert!(
            outcome.is_ok(),
            "{}",
            outcome.map_or_else(|it| it.to_string(), |()| String::new())
        );
    }
}

/// A line for each route that was listed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.answers.iter().map(|answer| &answer.probe);
        for probe in routes.filter(|probe| probe.shape == Shape::Route && probe.is_logged_in) {
            let found = self.finding(&probe.route).map_or("", Finding::as_str);
            writeln!(f, "{found:<12} {probe}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, status, finding } = self;
        write!(f, "{probe}")?;
        match probe.shape {
            _ if probe.route.is_empty() => f.write_str(", which is no route,")?,
            Shape::Route if probe.is_logged_in => {}
            Shape::Route => f.write_str(", with nobody logged in,")?,
            Shape::Method => write!(f, ", another method of {},", probe.route)?,
            Shape::Spelling => write!(f, ", another spelling of {},", probe.route)?,
            Shape::Neighbour => write!(f, ", next to {},", probe.route)?,
        }
        write!(f, " is {}: answered {status}", finding.as_str())
    }
}

/// What lets in who has proved nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotGated {
    lines: Vec<String>,
    causes: Vec<&'static str>,
}

impl fmt::Display for NotGated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not gated as it should be:")?;
        for line in &self.lines {
            write!(f, "\n  {line}")?;
        }
        if !self.causes.is_empty() {
            f.write_str("\nwhat usually causes it:")?;
        }
        for cause in &self.causes {
            write!(f, "\n  - {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotGated {}

const fn cause(finding: Finding, shape: Shape) -> &'static str {
    match (finding, shape) {
        (Finding::Absent, _) => {
            "absent: the route is misspelled here, or shadowed by another scope"
        }
        (Finding::Denied, _) => {
            "denied: the table does not list the route as the framework spells it, or nothing matched"
        }
        (Finding::Unidentified, _) => {
            "unidentified: the request is not what the app takes for a login, or the layer that says \
             who asks is inside of the gate"
        }
        (Finding::Gated | Finding::Open, Shape::Route) => {
            "a route: it was added after the layer, merged from elsewhere, or another scope is in front"
        }
        (Finding::Gated | Finding::Open, Shape::Method) => {
            "a method: the layer is around the handler of another one, or was there before this one was"
        }
        (Finding::Gated | Finding::Open, Shape::Spelling) => {
            "a spelling: something decides by the raw path, or normalizes it inside of the gate"
        }
        (Finding::Gated | Finding::Open, Shape::Neighbour) => {
            "a neighbour: a fallback or default service that the layer is not around"
        }
    }
}
