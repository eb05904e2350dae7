//! Nodes before one store and one authority, and what has to hold of each answer they give.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flexsecure_core::refusal::Answer;
use flexsecure_core::store::FlowRecord;
use flexsecure_core::test_util::ScriptedAuthority;
use flexsecure_core::{
    Check, Clock, Elevated, FlowBody, Gate, Identity, Pass, PlainRequest, Policy, Refusal,
    Requirement, Store, Timestamp, Verdict,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::authority::FaultyAuthority;
use crate::case::{Api, Case, Fault};
use crate::faults::Faults;
use crate::leaving::Leaving;
use crate::ledger::Ledger;
use crate::store::{FaultyStore, Shared};

/// A route, and what it takes to get to its handler.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) requirement: Requirement,
}

impl Route {
    /// One that always asks the same.
    pub(crate) fn to(requirement: Requirement) -> Self {
        Self { policy: Arc::new(requirement.clone()), requirement }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its handler ran, with the elevation that this flow brought.
    Passed(String),
    Refused(Said),
    /// Its client has left.
    Left,
}

/// An answer, as its client reads it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) json: Value,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        let headers = answer.headers();
        let retry_after = headers.iter().find(|(name, _)| *name == "retry-after");
        Self {
            status: answer.status(),
            retry_after: retry_after
                .map(|(_, seconds)| Duration::from_secs(seconds.parse().unwrap())),
            json: serde_json::from_slice(answer.body()).unwrap_or_default(),
        }
    }

    /// The flow that the answer is or tells of.
    pub(crate) fn flow(&self) -> &Value {
        if self.status == 200 { &self.json } else { &self.json["flow"] }
    }

    pub(crate) fn flow_id(&self) -> Option<String> {
        self.flow()["id"].as_str().map(ToOwned::to_owned)
    }

    pub(crate) fn flow_is(&self, state: &str) -> bool {
        self.flow()["state"] == state
    }
}

/// How often a flow that nobody approved let a request through: see [`World::is_known_of_v1`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// Its start was admitted, and came to nothing that anybody knows of.
    pub(crate) unanswered: usize,
}

pub(crate) struct World {
    pub(crate) faults: Arc<Faults>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) authority: ScriptedAuthority,
    pub(crate) leaving: Leaving,
    pub(crate) shared: Arc<Shared>,
    clock: Simulated,
    nodes: Vec<Gate>,
    /// One that nothing ever happens to.
    witness: Gate,
    turn: AtomicUsize,
    broken: Mutex<Vec<String>>,
    api: Api,
    known: Mutex<Known>,
    /// From when on flows and elevations can be gone because somebody said so.
    pub(crate) was_revoked: AtomicBool,
}

impl World {
    pub(crate) fn new(case: &Case) -> Self {
        let authority = case.authority();
        let (plan, polls) = match case.fault {
            Fault::None => (None, None),
            Fault::Calls(plan) => (Some(plan), None),
            Fault::Leaving { polls } => (None, Some(polls)),
        };
        let (faults, ledger) = (Arc::new(Faults::new(plan)), Arc::<Ledger>::default());
        let shared = Arc::default();
        let clock = Simulated { began: Instant::now() };
        let gate = |node, faults: &Arc<Faults>, ledger: &Arc<Ledger>| {
            let client =
                FaultyAuthority::new(authority.clone(), Arc::clone(faults), Arc::clone(ledger));
            let shared = Arc::clone(&shared);
            let (faults, ledger) = (Arc::clone(faults), Arc::clone(ledger));
            let store = FaultyStore { node, shared, faults, ledger };
            let method = case.scenario.by.method();
            let builder = Gate::builder(client).store(store).clock(clock);
            builder.default_method(method).build().unwrap()
        };
        let nodes: Vec<_> = (0..case.nodes).map(|node| gate(node, &faults, &ledger)).collect();
        let witness = gate(usize::MAX, &Arc::new(Faults::new(None)), &Arc::default());
        Self {
            authority,
            faults,
            ledger,
            leaving: Leaving::after(polls),
            shared,
            clock,
            nodes,
            witness,
            turn: AtomicUsize::new(0),
            broken: Mutex::default(),
            api: case.api,
            known: Mutex::default(),
            was_revoked: AtomicBool::new(false),
        }
    }

    /// The node that takes the next step: each in its turn.
    pub(crate) fn node(&self) -> &Gate {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        &self.nodes[turn % self.nodes.len()]
    }

    pub(crate) fn nodes(&self) -> &[Gate] {
        &self.nodes
    }

    /// Notes that a rule does not hold.
    pub(crate) fn broken(&self, what: impl Into<String>) {
        self.broken.lock().unwrap().push(what.into());
    }

    /// Whether that `flow` let a request through although nobody approved it is what can happen
    /// before an authority that knows only v1: it may answer for the login before, if that of this
    /// flow never began.
    pub(crate) fn is_known_of_v1(&self, flow: &str) -> bool {
        let is_known = self.api == Api::V1 && self.ledger.was_admitted(flow);
        self.known.lock().unwrap().unanswered += usize::from(is_known);
        is_known
    }

    pub(crate) fn known(&self) -> Known {
        *self.known.lock().unwrap()
    }

    pub(crate) fn all_broken(&self) -> Vec<String> {
        self.broken.lock().unwrap().clone()
    }

    /// A request to the route, by a client that is ready to wait for `hold`.
    pub(crate) async fn request(
        &self,
        who: &Identity,
        route: &Route,
        hold: Duration,
        pin: Option<&str>,
    ) -> Outcome {
        let (began, reads) = (Instant::now(), self.ledger.reads());
        let prefer = format!("wait={}", hold.as_secs());
        let mut headers = Vec::new();
        headers.extend((!hold.is_zero()).then_some(("prefer", &*prefer)));
        headers.extend(pin.map(|pin| ("flexsecure-pin", pin)));
        let verdict = self.verdict(who, route, &headers).await;
        let limit = match pin {
            None => (PATIENCE + STORE).max(hold + STORE),
            Some(_) => PIN_CHECK + STORE,
        };
        if verdict.is_some() {
            self.judge_time("a request", began, limit);
        }
        match verdict {
            None => Outcome::Left,
            Some(Ok(elevated)) => {
                self.judge_pass(who, route, &elevated, reads).await;
                Outcome::Passed(elevated.flow().to_string())
            }
            Some(Err(refusal)) => {
                let said = Said::of(refusal.answer());
                self.judge_answer("a request", &said, &[401, 403, 409, 429, 503]);
                Outcome::Refused(said)
            }
        }
    }

    async fn verdict(
        &self,
        who: &Identity,
        route: &Route,
        headers: &[(&str, &str)],
    ) -> Option<Result<Elevated, Refusal>> {
        let view = PlainRequest { method: "POST", path: "/", headers };
        let check = self.node().check(&route.policy, &view, Some(who));
        let verdict = match check {
            Check::Done(verdict) => verdict,
            Check::Pending(pending) => self.leaving.see(pending).await?,
        };
        match verdict {
            Verdict::Pass(Pass::Elevated(elevated) | Pass::Held(elevated, _)) => Some(Ok(elevated)),
            Verdict::Pass(Pass::OnDemand(ask)) => {
                let asked = ask.require(route.requirement.clone());
                self.leaving.see(asked).await
            }
            Verdict::Pass(pass) => panic!("the route requires a proof: {pass:?}"),
            Verdict::Refuse(refusal) => Some(Err(refusal)),
        }
    }

    /// A request to the endpoint of a flow.
    pub(crate) async fn endpoint(
        &self,
        who: &Identity,
        method: &str,
        path: &str,
        body: &str,
    ) -> Option<Said> {
        let began = Instant::now();
        let answer = self.leaving.see(ask_endpoint(self.node(), who, method, path, body)).await?;
        let said = Said::of(&answer);
        let limit = if path.ends_with("/pin") { PIN_CHECK } else { PATIENCE };
        self.judge_time(path, began, limit + STORE);
        let can_be_gone = self.was_revoked.load(Ordering::SeqCst);
        let known: &[u16] = if can_be_gone { &[404] } else { &[] };
        self.judge_answer(path, &said, &[&[200, 403, 409, 429, 503], known].concat());
        if said.flow_is("authenticated")
            && let Some(flow) = said.flow_id()
        {
            self.judge_told(who, &flow).await;
        }
        Some(said)
    }

    /// R1: the handler ran, so an elevation for exactly this was read, and the authority said so.
    async fn judge_pass(&self, who: &Identity, route: &Route, elevated: &Elevated, reads: usize) {
        let flow = elevated.flow().to_string();
        let age = self.now().since(elevated.authenticated_at());
        if elevated.scope() != route.requirement.scope() || age >= route.requirement.max_age() {
            self.broken(format!("R1: passed with {elevated:?}, {age:?} old"));
        }
        if !self.ledger.has_read(reads, who.session(), elevated) {
            self.broken(format!("R1: passed with {elevated:?}, which was not read"));
        }
        if !self.ledger.has_authenticated(&flow, who.auth_id()) {
            self.broken(format!("R1: passed by {flow}, which nobody authenticated"));
        }
        self.ledger.note_pass(&flow);
        if route.requirement.scope().single_use() {
            let (passes, consumed) = (self.ledger.passes_of(&flow), self.ledger.consumed_of(&flow));
            if (passes, consumed) != (1, 1) {
                self.broken(format!("R1: used {passes} times, consumed {consumed} times: {flow}"));
            }
        }
        self.judge_told(who, &flow).await;
    }

    /// R4: what somebody was told is stored.
    async fn judge_told(&self, who: &Identity, flow: &str) {
        if self.was_revoked.load(Ordering::SeqCst) {
            return;
        }
        let path = format!("/flows/{flow}");
        let found = Said::of(&ask_endpoint(&self.witness, who, "GET", &path, "").await);
        if !found.flow_is("authenticated") {
            self.broken(format!("R4: told of {flow}, but another node finds {}", found.json));
        }
        let held = self.shared.memory.elevations(who.session(), who.auth_id()).await.unwrap();
        let is_held = |held: &flexsecure_core::Elevations| {
            held.list().iter().any(|held| held.flow().to_string() == flow)
        };
        if !held.as_deref().is_some_and(is_held) {
            self.broken(format!("R4: told of {flow}, but its elevation is not stored"));
        }
    }

    /// R2: nothing but the refusals of the contract, and when to come back with each that passes.
    fn judge_answer(&self, what: &str, said: &Said, statuses: &[u16]) {
        let Said { status, retry_after, json } = said;
        if !statuses.contains(status) {
            self.broken(format!("R2: {what} was answered {status}: {json}"));
        }
        let is_unavailable = matches!(status, 429 | 503);
        if is_unavailable && retry_after.is_none() {
            self.broken(format!("R2: {what} was answered {status} without Retry-After"));
        }
    }

    /// R3: no answer takes longer than it may.
    fn judge_time(&self, what: &str, began: Instant, limit: Duration) {
        let took = began.elapsed();
        if took > limit {
            self.broken(format!("R3: {what} took {took:?}, which is more than {limit:?}"));
        }
    }

    /// How a flow is kept now.
    pub(crate) async fn stands(&self, record: &FlowRecord) -> Option<FlowRecord> {
        self.shared.memory.reload(record).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

async fn ask_endpoint(gate: &Gate, who: &Identity, method: &str, path: &str, body: &str) -> Answer {
    let sent = format!("/step-up{path}");
    let headers = [("content-type", "application/json")];
    let view = PlainRequest { method, path: &sent, headers: &headers };
    let request = gate.flow_request(path, &view, Some(who));
    gate.answer(request, FlowBody::Complete(body.to_owned().into())).await
}

/// A clock in step with the time of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated {
    began: Instant,
}

impl Clock for Simulated {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000_000).after(self.began.elapsed())
    }
}

/// How long a request waits for what the authority tells.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a PIN may take.
const PIN_CHECK: Duration = Duration::from_secs(3);

/// How long the store may take on top of anything.
const STORE: Duration = Duration::from_secs(1);
