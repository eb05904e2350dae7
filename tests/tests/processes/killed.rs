//! A node that is killed, at each point of a flow, while another serves on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flexsecure_conformance::client::Request;
use flexsecure_conformance::cluster::framing::Protocol;
use flexsecure_conformance::cluster::relay::{Moment, Relay};
use flexsecure_conformance::cluster::{consumes, is_check, is_start, stores};
use flexsecure_conformance::counts::Bearer;
use flexsecure_conformance::flow::Flow;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Pair, on_both, until_there};

on_both! {
    a_node_that_is_killed_costs_no_message_and_no_approval
}

/// F30: whoever was being served repeats their request on the other node. There is one message each time, no
/// approval is lost, and nobody comes in without one.
///
/// An approval that is good for one request is used up before that request is served: where the node is
/// killed in between, or before its answer is sent, nobody can tell whether it was. It is never served
/// again for the same approval.
async fn a_node_that_is_killed_costs_no_message_and_no_approval(first: &str, second: &str) {
    let at_a_time = Arc::new(Semaphore::new(4));
    let mut points = JoinSet::new();
    for point in POINTS {
        let (at_a_time, names) = (Arc::clone(&at_a_time), (first.to_owned(), second.to_owned()));
        points.spawn(async move {
            let starting = at_a_time.acquire_owned().await.expect("open");
            let pair = Pair::start(&names.0, &names.1).await;
            drop(starting);
            (point.name, point.run(pair, &names.0).await)
        });
    }
    let (mut messages, mut runs, mut twice) = (0, 0, 0);
    while let Some(ended) = points.join_next().await {
        let (name, counted) = ended.expect("a point");
        let Counted { messages: sent, on_first, on_second, took } = counted;
        println!("{name}: {sent} sent, served {on_first} + {on_second}, over after {took:?}");
        messages += sent;
        runs += on_first + on_second;
        twice += usize::from(on_first + on_second > 1);
    }
    println!(
        "{} points: {messages} messages, {runs} requests served, {twice} of them twice",
        POINTS.len()
    );
}

/// Where the first node is killed.
#[derive(Clone, Copy)]
struct Point {
    name: &'static str,
    /// Who asks; `alice` has PINs and `bob` links.
    user: &'static str,
    door: &'static str,
    reach: Reach,
    then: Then,
}

/// Leads there: what was begun on the node goes on in the tasks.
type Reach = for<'p> fn(
    &'p Pair,
    &'p Bearer,
    &'p mut JoinSet<()>,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'p>>;

/// What is left to do on the other node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The user has approved nothing yet.
    Approve,
    /// They have.
    Enter,
    /// They have, and it is used up; whether the request was served.
    Spent(bool),
}

struct Counted {
    messages: usize,
    on_first: usize,
    on_second: usize,
    took: Duration,
}

const POINTS: [Point; 13] = [
    Point {
        name: "before the flow is open",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Asked, 1, stores("idle"));
            ask(user, Request::get(BANK), tasks);
            Box::pin(stop.reached())
        },
        then: Then::Approve,
    },
    Point {
        name: "open, and nothing begun",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Answered, 1, stores("idle"));
            ask(user, Request::get(BANK), tasks);
            Box::pin(stop.reached())
        },
        then: Then::Approve,
    },
    Point {
        name: "begun, and the start not sent",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.authority.stop(Moment::Asked, 1, is_start);
            ask(user, Request::get(BANK), tasks);
            Box::pin(stop.reached())
        },
        then: Then::Approve,
    },
    Point {
        name: "the message sent, and the authority's answer not read",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.authority.stop(Moment::Answered, 1, is_start);
            ask(user, Request::get(BANK), tasks);
            Box::pin(stop.reached())
        },
        then: Then::Approve,
    },
    Point {
        name: "the authority's answer read, and not stored",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Asked, 1, stores("started"));
            ask(user, Request::get(BANK), tasks);
            Box::pin(stop.reached())
        },
        then: Then::Approve,
    },
    Point {
        name: "started, and the client told",
        user: "bob",
        door: BANK,
        reach: |_, user, _| {
            Box::pin(async { drop(until_there(user, Request::get(BANK)).await.refused("missing")) })
        },
        then: Then::Approve,
    },
    Point {
        name: "the authority being asked whether the user has approved",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            Box::pin(async {
                drop(held(user, tasks).await);
                pair.first.authority.has_seen(1, is_check).await;
            })
        },
        then: Then::Approve,
    },
    Point {
        name: "approved, and the authority's answer not read",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.authority.stop(Moment::Answered, 1, is_check);
            Box::pin(async {
                let flow = held(user, tasks).await;
                pair.first.authority.has_seen(1, is_check).await;
                pair.approve("bob", &flow).await;
                stop.reached().await;
            })
        },
        then: Then::Enter,
    },
    Point {
        name: "approved, and the authority's answer not stored",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Asked, 1, stores("authenticated"));
            Box::pin(async {
                let flow = held(user, tasks).await;
                pair.approve("bob", &flow).await;
                stop.reached().await;
            })
        },
        then: Then::Enter,
    },
    Point {
        name: "the approval stored, and nobody told",
        user: "bob",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Answered, 1, stores("authenticated"));
            Box::pin(async {
                let flow = held(user, tasks).await;
                pair.approve("bob", &flow).await;
                stop.reached().await;
            })
        },
        then: Then::Enter,
    },
    Point {
        name: "the PIN found right, and that not stored",
        user: "alice",
        door: BANK,
        reach: |pair, user, tasks| {
            let stop = pair.first.store.stop(Moment::Asked, 1, stores("authenticated"));
            Box::pin(async {
                let flow = until_there(user, Request::get(BANK)).await.refused("missing");
                let pin = pair.authority.newest_to("alice").await.pin();
                ask(user, flow.submit(&pin), tasks);
                stop.reached().await;
            })
        },
        then: Then::Enter,
    },
    Point {
        name: "the approval used up, and the request not served",
        user: "bob",
        door: ONCE,
        reach: |pair, user, tasks| {
            Box::pin(async {
                approved(pair, user).await;
                let stop = pair.first.store.stop(Moment::Answered, 1, consumes);
                ask(user, Request::get(ONCE), tasks);
                stop.reached().await;
            })
        },
        then: Then::Spent(false),
    },
    Point {
        name: "the request served, and the answer not sent",
        user: "bob",
        door: ONCE,
        reach: |pair, user, tasks| {
            Box::pin(async {
                approved(pair, user).await;
                let front = Relay::to(pair.first.subject.address(), Protocol::Http).await;
                let stop = front.stop(Moment::Answered, 1, |_| true);
                let asking = user.at(front.address());
                tasks.spawn(async move {
                    let _front = front;
                    drop(asking.get(ONCE).await);
                });
                stop.reached().await;
            })
        },
        then: Then::Spent(true),
    },
];

impl Point {
    async fn run(self, pair: Pair, killed: &str) -> Counted {
        let bearer = format!("{}.1", self.user);
        let mut tasks = JoinSet::new();
        (self.reach)(&pair, &pair.first.subject.bearer(&bearer), &mut tasks).await;
        let name = self.door.rsplit('/').next().unwrap_or_default();
        let on_first = pair.first.subject.came_through(name).await;
        let Pair { first, second, authority, redis } = pair;
        // They would only complain.
        tasks.abort_all();
        assert!(!first.kill().await.success());
        let begun = Instant::now();
        let what = || format!("{} on {killed}", self.name);

        let user = second.subject.bearer(&bearer);
        let answer = until_there(&user, Request::get(self.door)).await;
        match self.then {
            Then::Spent(_) => {
                let flow = answer.refused("spent");
                flow.assert_state("idle");
            }
            Then::Enter if answer.status == 200 => {}
            Then::Enter => {
                let _flow = answer.refused("missing");
                let request = Request::get(self.door).wait(60);
                until_there(&user, request).await.assert_status(200);
            }
            Then::Approve => {
                let flow = started(&user, answer.refused("missing")).await;
                assert_eq!(second.subject.came_through(name).await, 0, "{}", what());
                let link = authority.newest_to(self.user).await.link();
                link.approve(flow.match_number()).await.assert_status(200);
                let answer = until_there(&user, Request::get(self.door).wait(60)).await;
                let asked = || second.authority.exchanges(|_| true);
                assert_eq!(answer.status, 200, "{}: {answer:?} {:#?}", what(), asked());
            }
        }
        let took = begun.elapsed();
        let on_second = second.subject.came_through(name).await;
        let messages = authority.messages().await.len();
        drop(redis);
        let expected = match self.then {
            Then::Approve | Then::Enter => (1, 0, 1),
            Then::Spent(is_served) => (1, usize::from(is_served), 0),
        };
        assert_eq!((messages, on_first, on_second), expected, "{}", what());
        Counted { messages, on_first, on_second, took }
    }
}

/// Sends a request whose answer is of no interest.
fn ask(user: &Bearer, request: Request, tasks: &mut JoinSet<()>) {
    let user = user.clone();
    tasks.spawn(async move { drop(until_there(&user, request).await) });
}

/// A request that is held on the first node, for the flow that is given back.
async fn held(user: &Bearer, tasks: &mut JoinSet<()>) -> Flow {
    let flow = until_there(user, Request::get(BANK)).await.refused("missing");
    ask(user, Request::get(BANK).wait(60), tasks);
    flow
}

/// The user has a proof for one request.
async fn approved(pair: &Pair, user: &Bearer) {
    let flow = until_there(user, Request::get(ONCE)).await.refused("missing");
    pair.approve("bob", &flow).await;
    user.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
}

/// The flow, once it has started.
async fn started(user: &Bearer, mut flow: Flow) -> Flow {
    let begun = Instant::now();
    while flow.state() == "idle" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never starts: {flow:?}");
        flow = user.send(Request::get(flow.url()).wait(30)).await.flow();
    }
    flow.assert_live();
    flow
}

const BANK: &str = "/doors/bank";

const ONCE: &str = "/doors/once";
