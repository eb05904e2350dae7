//! A node of the app: a gate of its own, and handlers that note when they run.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::refusal::Answer;
use flexsecure_core::{
    Check, Clock, FlowBody, Gate, Identity, Pass, PlainRequest, Policy, Store, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Cluster;
use crate::authority::RemoteAuthority;
use crate::plan::Wish;
use crate::store::RemoteStore;
use crate::wire::{Leaving, serve};

/// What a client sends to a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// For which wish; it stands for the session's cookie too.
    pub(crate) wish: usize,
    pub(crate) tab: usize,
    /// How long it may be held, in seconds.
    pub(crate) wait: u64,
    pub(crate) target: Target,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Target {
    /// What the user wants, with a PIN for the flow that it is about.
    Handler { pin: Option<String> },
    /// A flow endpoint.
    Flow { method: String, path: String, body: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The name of the problem, if there is one.
    pub(crate) problem: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) flow: Option<FlowSeen>,
}

/// What a client reads of a flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FlowSeen {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) state: String,
}

pub(crate) async fn run(cluster: Arc<Cluster>, node: &'static str) -> turmoil::Result {
    let gate = Gate::builder(RemoteAuthority::new(Arc::clone(&cluster), node))
        .store(RemoteStore::new(node))
        .clock(SimulatedClock)
        .build()?;
    serve(Leaving::Drops, move |request: Request| {
        let (cluster, gate) = (Arc::clone(&cluster), gate.clone());
        async move { answer(&cluster, node, &gate, request).await }
    })
    .await
}

async fn answer(cluster: &Cluster, node: &'static str, gate: &Gate, request: Request) -> Reply {
    let began = Instant::now();
    let wish = &cluster.plan.wishes[request.wish];
    let identity = cluster.plan.identity(wish);
    let prefer = format!("wait={}", request.wait);
    let reply = match &request.target {
        Target::Handler { pin } => {
            let mut headers = vec![("prefer", &*prefer)];
            headers.extend(pin.as_ref().map(|pin| ("flexsecure-pin", &**pin)));
            let view = PlainRequest { method: "POST", path: "/", headers: &headers };
            let policy: Arc<dyn Policy> = Arc::new(wish.action.requirement());
            let verdict = match gate.check(&policy, &view, Some(&identity)) {
                Check::Done(verdict) => verdict,
                Check::Pending(pending) => pending.await,
            };
            match verdict {
                Verdict::Pass(Pass::Elevated(elevated) | Pass::Held(elevated, _)) => {
                    cluster.observed().ran(node, &request, wish, &identity, &elevated);
                    cluster.persisted(&identity, &elevated.flow().to_string()).await;
                    Reply { status: 200, problem: None, reason: None, flow: None }
                }
                Verdict::Pass(pass) => unreachable!("there is a requirement: {pass:?}"),
                Verdict::Refuse(refusal) => {
                    Reply::read(Some(refusal.problem().name()), &refusal.into_answer())
                }
            }
        }
        Target::Flow { method, path, body } => {
            let headers = [("prefer", &*prefer), ("content-type", "application/json")];
            let view = PlainRequest { method, path, headers: &headers };
            let rest = path.strip_prefix("/step-up").unwrap();
            let asked = gate.flow_request(rest, &view, Some(&identity));
            let body = FlowBody::Complete(body.clone().into());
            Reply::read(None, &gate.answer(asked, body).await)
        }
    };
    if let Some(flow) = reply.flow.as_ref().filter(|flow| flow.state == "authenticated") {
        cluster.persisted(&identity, &flow.id).await;
    }
    cluster.observed().answered(node, wish, &request, &reply, began.elapsed());
    reply
}

impl Cluster {
    /// Whoever is told that a flow has authenticated finds it so on any node.
    async fn persisted(&self, identity: &Identity, flow: &str) {
        let (session, id) = (identity.session(), flow.parse().unwrap());
        let found = self.store.flow(session, identity.auth_id(), &id).await.unwrap();
        let state = found.map_or("gone", |record| record.flow.state());
        if state != "authenticated" {
            self.observed().broken(&format!("R4: a flow is told as authenticated that is {state}"));
        }
    }
}

impl Reply {
    fn read(problem: Option<&str>, answer: &Answer) -> Self {
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let flow = if body["flow"].is_object() { &body["flow"] } else { &body };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let read = text(&body["type"]).and_then(|it| Some(it.rsplit_once(':')?.1.to_owned()));
        Self {
            status: answer.status(),
            problem: problem.map(str::to_owned).or(read),
            reason: text(&body["reason"]),
            flow: text(&flow["id"])
                .zip(text(&flow["url"]))
                .zip(text(&flow["state"]))
                .map(|((id, url), state)| FlowSeen { id, url, state }),
        }
    }
}

impl FlowSeen {
    pub(crate) fn is_over(&self) -> bool {
        matches!(&*self.state, "authenticated" | "expired")
    }
}

/// The time of the simulation, the same on all nodes.
#[derive(Debug)]
struct SimulatedClock;

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        EPOCH.after(crate::now())
    }
}

impl Wish {
    pub(crate) fn describe(&self) -> String {
        format!("wish {}", self.number)
    }
}

/// When the simulation begins.
pub(crate) const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What an answer may take beyond the time that its request may be held: store, start and check, each
/// with its own limit.
pub(crate) const BUDGET: Duration = Duration::from_secs(8);
