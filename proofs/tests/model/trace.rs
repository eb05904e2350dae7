//! Runs the gate, and expects it to ask store and authority for the same, in the same order, as
//! `driver` does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::authority::{
    Capabilities, CheckReply, CheckRequest, StartReply, StartRequest,
};
use flexsecure_core::flow::{FlowId, Input};
use flexsecure_core::policy::Policy;
use flexsecure_core::store::{Admission, FlowRecord, Opened, StartTicket, StoreError, Swap};
use flexsecure_core::test_util::SettableClock;
use flexsecure_core::{
    Authority, Check, Clock, Elevation, Elevations, FlowBody, Gate, Identity, MemoryStore,
    PlainRequest, Requirement, SessionKey, Store, Timestamp, Verdict,
};

use crate::authority::Start;
use crate::driver::{Fate, Task, USER, WAKE, no_answer};
use crate::world::{BEGIN, Outcome, Rules, World};
use crate::{NOTHING, Without, bank, full, v1};

/// What is done to the one node there is.
#[derive(Clone, Copy, Debug)]
enum Act {
    Request,
    Poll,
    Resend,
    Cancel,
    Approve,
    Wait(u64),
    /// The next call comes to this.
    Next(Outcome),
}

use Act::{Approve, Cancel, Next, Poll, Request, Resend, Wait};
use Outcome::{AnswerLost, Refused};

#[tokio::test]
async fn the_gate_asks_for_what_the_model_asks_for() {
    // The gate does not ask about what is over: no story does.
    let stories: [&[Act]; 7] = [
        &[Request, Poll, Wait(3), Approve, Poll, Request, Request],
        &[Next(Refused), Request, Request, Wait(6), Request, Cancel],
        &[Next(AnswerLost), Request, Approve, Poll, Request],
        &[Next(AnswerLost), Next(AnswerLost), Request, Approve, Poll, Request],
        &[Next(AnswerLost), Next(Refused), Request, Poll],
        &[Request, Next(AnswerLost), Poll, Wait(3), Next(Refused), Poll, Wait(6), Approve, Poll],
        &[
            Request,
            Resend,
            Wait(31),
            Resend,
            Wait(61),
            Next(Refused),
            Resend,
            Wait(9),
            Resend,
            Cancel,
        ],
    ];
    for authority in [full(), v1()] {
        for story in stories {
            for requirement in [bank(), bank().single_use()] {
                let mut world = World::new(authority.clone(), NOTHING);
                let model = of_model(&mut world, story, requirement.clone());
                let world = World::new(authority.clone(), NOTHING);
                let gate = of_gate(world, story, requirement).await;
                assert_eq!(gate, model, "{story:?}");
            }
        }
    }
}

fn of_model(world: &mut World, story: &[Act], requirement: Requirement) -> Vec<String> {
    let rules = Rules { requirement, without: Without::Nothing, times: &[] };
    let mut log = Vec::new();
    let mut outcomes = Vec::new();
    for act in story {
        log.push(format!("{act:?}"));
        let flow = world.store.picture().flows().last().map(|record| record.id);
        match act {
            Request => world.nodes[0].push(Task::Look(SessionKey::of(SESSION))),
            Poll => world.begin(0, flow.unwrap(), WAKE),
            Resend => world.begin(0, flow.unwrap(), Input::Resend),
            Cancel => world.begin(0, flow.unwrap(), Input::Cancel),
            Approve => approve(world),
            Wait(seconds) => world.now = world.now.after(Duration::from_secs(*seconds)),
            Next(outcome) => outcomes.push(*outcome),
        }
        while let Some(task) = world.nodes[0].first() {
            if task.is_at_the_store() {
                log.extend(named(task));
                world.go(0, 0, Fate::Done, &rules);
            } else {
                let is_check = format!("{task:?}").contains("Check");
                log.push(if is_check { "check" } else { "start" }.into());
                let outcome =
                    if outcomes.is_empty() { Outcome::Answered } else { outcomes.remove(0) };
                world.call(0, 0, outcome, &rules);
            }
        }
    }
    log
}

fn approve(world: &mut World) {
    let now = world.now;
    let open: Vec<_> = world.authority.open_logins(now).collect();
    open.into_iter().for_each(|login| world.authority.approve(login));
}

fn named(task: &Task) -> Option<String> {
    Some(match task {
        Task::Load(_) => "reload".into(),
        Task::Swap(..) | Task::Lapse(..) => "swap".into(),
        Task::Admit(..) => "admit".into(),
        Task::Release(_) => "release".into(),
        Task::Spend(..) => "consume".into(),
        // The gate looks at its session more often, which changes nothing.
        _ => return None,
    })
}

async fn of_gate(world: World, story: &[Act], requirement: Requirement) -> Vec<String> {
    let clock = Arc::new(SettableClock::at(BEGIN));
    let scene = Scene(Arc::new(Mutex::new(Seen {
        world,
        log: Vec::new(),
        outcomes: Vec::new(),
        flow: None,
    })));
    let store = Watched { store: MemoryStore::new(), scene: scene.clone() };
    let builder = Gate::builder(scene.clone()).store(store).clock(Arc::clone(&clock));
    let gate = builder.build().unwrap();
    let policy: Arc<dyn Policy> = Arc::new(requirement);
    let identity = Identity::new(USER, SESSION);
    for act in story {
        scene.log(&format!("{act:?}"));
        let flow = scene.flow();
        match act {
            Request => {
                let view = PlainRequest { method: "POST", path: "/", headers: &[] };
                match gate.check(&policy, &view, Some(&identity)) {
                    Check::Pending(pending) => drop::<Verdict>(pending.await),
                    Check::Done(_) => {}
                }
            }
            Poll => endpoint(&gate, &identity, "GET", &flow.unwrap()).await,
            Resend => endpoint(&gate, &identity, "POST", &(flow.unwrap() + "/start")).await,
            Cancel => endpoint(&gate, &identity, "DELETE", &flow.unwrap()).await,
            Approve => approve(&mut scene.0.lock().unwrap().world),
            Wait(seconds) => {
                clock.advance(Duration::from_secs(*seconds));
                scene.0.lock().unwrap().world.now = clock.now();
            }
            Next(outcome) => scene.0.lock().unwrap().outcomes.push(*outcome),
        }
    }
    std::mem::take(&mut scene.0.lock().unwrap().log)
}

async fn endpoint(gate: &Gate, identity: &Identity, method: &str, rest: &str) {
    let path = format!("/step-up/flows/{rest}");
    let view = PlainRequest { method, path: &path, headers: &[] };
    let request = gate.flow_request(&format!("/flows/{rest}"), &view, Some(identity));
    gate.answer(request, FlowBody::Complete("".into())).await;
}

/// What the gate has done so far, and the model's authority to ask.
#[derive(Clone, Debug)]
struct Scene(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    world: World,
    log: Vec<String>,
    outcomes: Vec<Outcome>,
    flow: Option<FlowId>,
}

impl Scene {
    fn log(&self, what: &str) {
        self.0.lock().unwrap().log.push(what.into());
    }

    fn flow(&self) -> Option<String> {
        self.0.lock().unwrap().flow.map(|flow| flow.to_string())
    }

    fn outcome(&self) -> Outcome {
        let mut seen = self.0.lock().unwrap();
        if seen.outcomes.is_empty() { Outcome::Answered } else { seen.outcomes.remove(0) }
    }
}

#[async_trait]
impl Authority for Scene {
    async fn capabilities(&self) -> Capabilities {
        let authority = &self.0.lock().unwrap().world.authority;
        let mut capabilities = Capabilities::V1;
        capabilities.txn = authority.names_logins;
        capabilities.idempotency = authority.is_idempotent;
        capabilities
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        self.log("start");
        let (flow, send) = request.idempotency_key.split_once('-').unwrap();
        let (flow, send) = (flow.parse().unwrap(), send.parse().unwrap());
        let start = Start { flow, login: flow, send };
        let outcome = self.outcome();
        let world = &mut self.0.lock().unwrap().world;
        match outcome {
            Refused => StartReply::NotStarted { retry_after: None },
            AnswerLost => {
                let _ = world.authority.start(&start, (flow, send, 0), world.now);
                StartReply::Unknown
            }
            _ => world.authority.start(&start, (flow, send, 0), world.now),
        }
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        self.log("check");
        let outcome = self.outcome();
        let world = &mut self.0.lock().unwrap().world;
        match outcome {
            Refused => no_answer(false),
            AnswerLost => {
                let _ = world.authority.check(request.txn, world.now);
                no_answer(true)
            }
            _ => world.authority.check(request.txn, world.now),
        }
    }
}

/// A store that tells what it is asked to change.
#[derive(Debug)]
struct Watched {
    store: MemoryStore,
    scene: Scene,
}

#[async_trait]
impl Store for Watched {
    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        self.store.elevations(session, auth_id).await
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        let opened = self.store.open(new, now).await?;
        if let Opened::New(record) | Opened::Joined(record) = &opened {
            self.scene.0.lock().unwrap().flow = Some(record.id);
        }
        Ok(opened)
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        self.store.flow(session, auth_id, id).await
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        self.scene.log("reload");
        self.store.reload(record).await
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        self.scene.log("swap");
        self.store.swap(next, grant, now).await
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.scene.log("consume");
        self.store.consume(session, auth_id, flow, now).await
    }

    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        self.scene.log("admit");
        self.store.admit_start(ticket, now).await
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.scene.log("release");
        self.store.release_start(ticket).await
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.store.revoke_session(session).await
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.store.revoke_user(auth_id).await
    }

    async fn revoke_before(
        &self,
        auth_id: Option<&str>,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.revoke_before(auth_id, before).await
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        self.store.rebind(from, to, auth_id).await
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.store.refusals(auth_id, since).await
    }
}

const SESSION: &str = "a session";
