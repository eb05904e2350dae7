//! What flows and elevations take in Redis, and how often it is asked.

mod hits;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use flexsecure_core::{Clock, Gate, PlainRequest, Policy, Requirement, SystemClock};
use flexsecure_redis::{Builder, RedisStore};
use tokio::runtime;
use tokio::task::JoinSet;

use self::server::Server;
use crate::Scale;
use crate::crowd::Crowd;
use crate::population::{elevate, identity, start, user};
use crate::report::{Report, as_float, as_u64, each, grouped, per_second, time};
use crate::request::refused;

pub(crate) fn measure(scale: Scale, report: &mut Report) {
    report.part("Redis");
    let Some(server) = Server::start() else {
        report.note(
            "left out: there is no `redis-server` here (Debian: apt-get install redis-server)",
        );
        return;
    };
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let mut there = There { server, scale };
    runtime.block_on(async {
        report.row("version", there.server.version());
        there.pending_flows(report).await;
        there.elevations(report).await;
        for nodes in [1, 3] {
            there.finished_flows(nodes, report).await;
        }
        hits::measure(&mut there, report).await;
    });
}

struct There {
    server: Server,
    scale: Scale,
}

impl There {
    fn store(&self) -> RedisStore {
        self.builder().connect().unwrap()
    }

    /// A machine that is busy takes its time, and that is no outage here.
    fn builder(&self) -> Builder {
        RedisStore::builder(&self.server.url()).time_limits(PATIENCE, PATIENCE.saturating_mul(2))
    }

    async fn pending_flows(&mut self, report: &mut Report) {
        let flows = as_u64(self.scale.flows);
        let (store, before) = (self.store(), self.server.memory());
        let began = Instant::now();
        crowded(self.scale.flows, &store, |store, number| async move {
            start(&store, number, SystemClock.now()).await;
        })
        .await;
        let took = began.elapsed();
        let bytes = self.server.memory().saturating_sub(before);
        report.row(
            &format!("bytes of a pending flow, of {}", grouped(flows)),
            grouped(each(bytes, flows)),
        );
        report.row("keys of one", each(self.server.keys(), flows));
        report.row("opened and started, 32 at a time", per_second(flows, took));
        self.server.empty();
    }

    async fn elevations(&mut self, report: &mut Report) {
        // Fewer, because each takes a flow as well.
        let sessions = self.scale.flows.checked_div(5).unwrap_or_default();
        let store = self.store();
        let mut before = self.server.memory();
        for (system, what) in
            [("bank", "the first elevation of a session"), ("vault", "a further one")]
        {
            crowded(sessions, &store, |store, number| async move {
                elevate(&store, number, &Requirement::system(system), SystemClock.now()).await;
            })
            .await;
            // The flows that brought them are forgotten long before they are.
            self.server.drop_flows();
            let bytes = self.server.memory();
            let taken = bytes.saturating_sub(before);
            report.row(&format!("bytes of {what}"), grouped(each(taken, as_u64(sessions))));
            before = bytes;
        }
        self.server.empty();
    }

    /// Requests that are held on each of `nodes` until their user approves.
    async fn finished_flows(&mut self, nodes: usize, report: &mut Report) {
        let crowd = Crowd::new();
        let gates: Vec<Gate> = (0..nodes)
            .map(|_| Gate::builder(crowd.clone()).store(self.store()).build().unwrap())
            .collect();
        // The first takes the scripts there.
        hold_and_approve(&gates, &crowd, 0).await;
        let (trips, commands) = (self.server.round_trips(), self.server.commands());
        let mut late = Duration::ZERO;
        for number in 1..=FINISHED {
            late = late.saturating_add(hold_and_approve(&gates, &crowd, number).await);
        }
        let finished = as_float(as_u64(FINISHED));
        let trips = as_float(self.server.round_trips().saturating_sub(trips)) / finished;
        let commands = as_float(self.server.commands().saturating_sub(commands)) / finished;
        let held = if nodes == 1 { "held on one node" } else { "held on three nodes" };
        report.row(&format!("round trips for a finished flow, {held}"), format!("{trips:.1}"));
        report.row("commands in them", format!("{commands:.1}"));
        report.row("from the approval until all are let in", time(late.div_f64(finished)));
        self.server.empty();
    }
}

/// How long after the approval all are let in.
async fn hold_and_approve(gates: &[Gate], crowd: &Crowd, number: usize) -> Duration {
    let policy: Arc<dyn Policy> = Arc::new(Requirement::system("bank"));
    let mut held = JoinSet::new();
    for gate in gates {
        let (gate, policy) = (gate.clone(), Arc::clone(&policy));
        held.spawn(async move {
            let headers = &[("prefer", "wait=60")];
            let request = PlainRequest { method: "POST", path: "/transfers", headers };
            let answer = refused(&gate, &policy, &identity(number), &request).await;
            assert!(answer.is_none(), "it is approved: {answer:?}");
        });
    }
    crowd.waiting(1).await;
    let began = Instant::now();
    crowd.approve_one(user(number));
    held.join_all().await;
    began.elapsed()
}

/// Has `act` done for each of `many` users, 32 at a time.
async fn crowded<F>(many: usize, store: &RedisStore, act: impl Fn(RedisStore, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut acting = JoinSet::new();
    for number in 0..many {
        if acting.len() >= AT_A_TIME {
            acting.join_next().await.unwrap().unwrap();
        }
        acting.spawn(act(store.clone(), number));
    }
    acting.join_all().await;
}

/// How many are at work at a time, as the requests of an app are.
const AT_A_TIME: usize = 32;

/// How long one try of the store may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many flows are finished to tell what one takes.
const FINISHED: usize = 50;
