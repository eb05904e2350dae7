//! What happened, seen from outside: a trace to compare and to read, and what is to be judged.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flexsecure_core::authority::{CheckReply, StartReply};
use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{Binding, FlowRecord, Opened};
use flexsecure_core::{Elevated, Identity};

use crate::node::{BUDGET, EPOCH, Reply, Request, Target};
use crate::plan::Wish;

#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) trace: String,
    pub(crate) broken: Vec<String>,
    /// In the order in which they were opened, which is what they are called by in the trace.
    pub(crate) flows: Vec<Seen>,
    polling: BTreeMap<String, usize>,
    /// When somebody stored what they learned of a login, and somebody else had claimed it since.
    late: BTreeMap<String, Duration>,
    /// Who heard of an approval, of which login, and when.
    pub(crate) heard: Vec<Heard>,
    pub(crate) deaths: Vec<(String, Duration)>,
    pub(crate) ends: Vec<End>,
    pub(crate) counts: Counts,
}

/// What is known of a flow.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) binding: Arc<Binding>,
    pub(crate) messages: usize,
    /// How many times a client asked for one by itself.
    pub(crate) asked_for: usize,
    /// When checks were claimed, and by whom.
    claims: Vec<(String, Duration)>,
    polls: u32,
    pub(crate) txn: Option<String>,
    pub(crate) approved_at: Option<Duration>,
    pub(crate) authenticated_at: Option<Duration>,
    pub(crate) state: &'static str,
    pub(crate) consumed: usize,
    pub(crate) runs: usize,
}

#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) node: &'static str,
    pub(crate) login: String,
    pub(crate) at: Duration,
}

/// How a tab ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) wish: usize,
    pub(crate) how: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: usize,
    pub(crate) runs: usize,
    pub(crate) messages: usize,
    pub(crate) approvals: usize,
    pub(crate) checks: usize,
    pub(crate) pins: usize,
    pub(crate) unanswered: usize,
    pub(crate) unavailable: usize,
}

impl Observed {
    /// A line of the trace.
    pub(crate) fn at(&mut self, now: Duration, who: &str, what: &str) {
        writeln!(self.trace, "{:>7} {who:<9} {what}", now.as_millis()).unwrap();
    }

    fn note(&mut self, who: &str, what: &str) {
        self.at(crate::now(), who, what);
    }

    /// A promise is broken.
    pub(crate) fn broken(&mut self, what: &str) {
        let line = self.trace.lines().count();
        self.broken.push(format!("{what} (line {line} of the trace)"));
    }

    fn flow(&mut self, id: &str) -> Option<&mut Seen> {
        self.flows.iter_mut().find(|flow| flow.id == id)
    }

    pub(crate) fn name(&self, id: &str) -> String {
        let number = self.flows.iter().position(|flow| flow.id == id);
        number.map_or_else(|| "an unknown flow".to_owned(), |number| format!("flow {}", number + 1))
    }

    pub(crate) fn opened(&mut self, node: &str, opened: &Opened) {
        let (what, record) = match opened {
            Opened::New(record) => ("opens", record),
            Opened::Joined(record) => ("joins", record),
            Opened::TooMany { .. } => return self.note(node, "opens one flow too many"),
        };
        let id = record.id.to_string();
        if matches!(opened, Opened::New(_)) {
            self.flows.push(Seen::of(record));
        }
        let (name, user) = (self.name(&id), Arc::clone(&record.binding.auth_id));
        self.note(node, &format!("{what} {name} of {user}"));
    }

    /// `next` is in the store, as of a step taken at `now`.
    pub(crate) fn swapped(&mut self, node: &str, next: &FlowRecord, now: u64) {
        let now = Duration::from_millis(now - EPOCH.as_millis());
        let id = next.id.to_string();
        let name = self.name(&id);
        let Some(flow) = self.flow(&id) else { return self.broken("a flow that was never opened") };
        let (before, polls) = (flow.state, next.flow.polls());
        flow.state = next.flow.state();
        if let Some(txn) = next.flow.txn() {
            flow.txn = Some(txn.as_str().to_owned());
        }
        let mut early = None;
        let is_claim = polls > flow.polls;
        if is_claim {
            early = flow.claims.last().map(|(_, last)| now.saturating_sub(*last));
            flow.claims.push((node.to_owned(), now));
            flow.polls = polls;
        }
        let is_late = flow.claims.last().is_some_and(|(claimer, _)| claimer != node);
        let late = is_late.then(|| flow.login()).filter(|_| !is_claim);
        let is_unapproved = matches!(next.flow, Flow::Authenticated(_)) && {
            flow.authenticated_at = Some(crate::now());
            flow.approved_at.is_none()
        };
        let what = if is_claim { " for a check" } else { "" };
        let moves = format!("moves {name} from {before} to {}{what}", next.flow.state());
        self.note(node, &moves);
        self.late.extend(late.map(|login| (login, crate::now())));
        if is_unapproved {
            self.broken(&format!("R1: {name} has authenticated, and nobody approved it"));
        }
        if let Some(early) = early.filter(|early| *early < INTERVAL) {
            self.broken(&format!("{name} is asked about again after {} ms", early.as_millis()));
        }
    }

    pub(crate) fn consumed(&mut self, node: &str, id: &FlowId, is_spent: bool) {
        let id = id.to_string();
        let name = self.name(&id);
        if is_spent && let Some(flow) = self.flow(&id) {
            flow.consumed += 1;
        }
        self.note(node, &format!("spends {name}: {is_spent}"));
    }

    pub(crate) fn message_sent(&mut self, id: &str, user: &str) {
        let name = self.name(id);
        self.counts.messages += 1;
        if let Some(flow) = self.flow(id) {
            flow.messages += 1;
        }
        self.note("authority", &format!("sends {user} a message for {name}"));
    }

    /// A client asks for a message of the flow by itself.
    pub(crate) fn asked_for_message(&mut self, id: &str) {
        let name = self.name(id);
        if let Some(flow) = self.flow(id) {
            flow.asked_for += 1;
        }
        self.note("users", &format!("ask for a message for {name}"));
    }

    pub(crate) fn approved(&mut self, id: &str) {
        let name = self.name(id);
        self.counts.approvals += 1;
        if let Some(flow) = self.flow(id) {
            flow.approved_at = Some(crate::now());
        }
        self.note("users", &format!("approve {name}"));
    }

    pub(crate) fn started(&mut self, node: &str, id: &str, reply: &StartReply) {
        let name = self.name(id);
        let what = match reply {
            StartReply::Accepted(_) => "accepted",
            StartReply::NotStarted { .. } => "not sent",
            StartReply::Unknown => "unknown",
            _ => "refused",
        };
        self.note(node, &format!("starts {name}: {what}"));
    }

    pub(crate) fn checked(
        &mut self,
        node: &'static str,
        login: &str,
        has_pin: bool,
        reply: &CheckReply,
    ) {
        let counted = if has_pin { &mut self.counts.pins } else { &mut self.counts.checks };
        *counted += 1;
        match reply {
            CheckReply::Authenticated => {
                let login = login.to_owned();
                self.heard.push(Heard { node, login, at: crate::now() });
            }
            CheckReply::Unavailable { .. } => self.counts.unanswered += 1,
            _ => {}
        }
        let what = if has_pin { "tries a PIN for" } else { "checks" };
        self.note(node, &format!("{what} {login}: {reply:?}"));
    }

    pub(crate) fn node_died(&mut self, node: &str) {
        let now = self.last_time();
        self.deaths.push((node.to_owned(), now));
    }

    /// The time of the last line: whoever asks is in no simulation.
    fn last_time(&self) -> Duration {
        let last = self.trace.lines().last().and_then(|line| line.split_whitespace().next());
        Duration::from_millis(last.and_then(|millis| millis.parse().ok()).unwrap_or(0))
    }

    /// The handler runs.
    pub(crate) fn ran(
        &mut self,
        node: &str,
        request: &Request,
        wish: &Wish,
        identity: &Identity,
        elevated: &Elevated,
    ) {
        let id = elevated.flow().to_string();
        let name = self.name(&id);
        self.counts.runs += 1;
        let (wanted, is_single_use) = (wish.action.requirement(), wish.action.is_single_use());
        let now = EPOCH.after(crate::now());
        let mut wrong = Vec::new();
        match self.flow(&id) {
            None => wrong.push("by a flow that was never opened"),
            Some(flow) => {
                flow.runs += 1;
                if flow.approved_at.is_none() {
                    wrong.push("though nobody approved");
                }
                if flow.binding.session != *identity.session()
                    || *flow.binding.auth_id != *identity.auth_id()
                {
                    wrong.push("by the flow of another session");
                }
                if flow.binding.scope != *wanted.scope() || elevated.scope() != wanted.scope() {
                    wrong.push("by a flow for something else");
                }
                if is_single_use && flow.runs > 1 {
                    wrong.push("a second time by one approval");
                }
            }
        }
        if now.since(elevated.authenticated_at()) > wanted.max_age() {
            wrong.push("by an elevation that is too old");
        }
        let tab = request.tab;
        self.note(node, &format!("runs {}, tab {tab}, by {name}", wish.describe()));
        for wrong in wrong {
            self.broken(&format!("R1: the handler ran {wrong}"));
        }
    }

    pub(crate) fn answered(
        &mut self,
        node: &str,
        wish: &Wish,
        request: &Request,
        reply: &Reply,
        took: Duration,
    ) {
        self.counts.requests += 1;
        let what = match &request.target {
            Target::Handler { pin: None } => "the request",
            Target::Handler { pin: Some(_) } => "the request with a PIN",
            Target::Flow { method, path, .. } => match (&**method, path.rsplit('/').next()) {
                ("POST", Some("pin")) => "the PIN",
                ("POST", _) => "the button",
                _ => "the question",
            },
        };
        let (problem, reason) = (reply.problem.as_deref(), reply.reason.as_deref());
        let said = [problem, reason].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let state = reply
            .flow
            .as_ref()
            .map_or(String::new(), |flow| format!(", {} {}", self.name(&flow.id), flow.state));
        let (status, tab, millis) = (reply.status, request.tab, took.as_millis());
        let wish = wish.describe();
        self.note(
            node,
            &format!("answers {what} of {wish}, tab {tab}, {status} {said}{state} in {millis} ms"),
        );
        if status == 503 {
            self.counts.unavailable += 1;
        }
        if !matches!(status, 200 | 401 | 403 | 404 | 409 | 429 | 503) {
            self.broken(&format!("R2: an answer with status {status}"));
        }
        if took > Duration::from_secs(request.wait) + BUDGET {
            self.broken(&format!("R3: an answer took {millis} ms of {} s", request.wait));
        }
    }

    pub(crate) fn ended(&mut self, wish: &Wish, tab: usize, how: &'static str) {
        self.note("users", &format!("{} ends in tab {tab}: {how}", wish.describe()));
        self.ends.push(End { wish: wish.number, how });
    }
}

impl Seen {
    /// What the authority is asked about for it.
    pub(crate) fn login(&self) -> String {
        let unnamed = || format!("{} at {}", self.binding.auth_id, self.binding.scope.system());
        self.txn.clone().unwrap_or_else(unnamed)
    }

    fn of(record: &FlowRecord) -> Self {
        Self {
            id: record.id.to_string(),
            binding: Arc::clone(&record.binding),
            messages: 0,
            asked_for: 0,
            claims: Vec::new(),
            polls: 0,
            txn: None,
            approved_at: None,
            authenticated_at: None,
            state: record.flow.state(),
            consumed: 0,
            runs: 0,
        }
    }
}

/// A check without a PIN that a node has under way; it ends with the node, too.
#[derive(Debug)]
pub(crate) struct Poll {
    observed: Arc<Mutex<Observed>>,
    login: String,
}

impl Poll {
    pub(crate) fn begin(observed: &Arc<Mutex<Observed>>, node: &str, login: &str) -> Self {
        let mut seen = observed.lock().unwrap();
        let many = seen.polling.entry(login.to_owned()).or_default();
        *many += 1;
        let is_another = *many > 1;
        // What comes late is taken all the same, for the answer to what was claimed since.
        let late = seen.late.get(login).is_some_and(|at| crate::now() - *at < LATE);
        seen.note(node, &format!("asks about {login}"));
        if is_another && !late {
            seen.broken(&format!("two nodes ask about {login} at once"));
        }
        drop(seen);
        Self { observed: Arc::clone(observed), login: login.to_owned() }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if let Some(many) = self.observed.lock().unwrap().polling.get_mut(&self.login) {
            *many = many.saturating_sub(1);
        }
    }
}

/// How often the authority wants to be asked, by default.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long a check can be under way that was claimed before.
const LATE: Duration = Duration::from_secs(30);
