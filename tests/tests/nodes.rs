//! Nodes that share a store: one bank to its users, whichever of them is asked.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails should fail loudly, at the line that says why"
)]
#![expect(clippy::print_stdout, reason = "with --nocapture a test says what it has measured")]

use std::time::{Duration, Instant};

use flexsecure_conformance::client::{Answer, Client, Request};
use flexsecure_conformance::cluster::authority::Authority;
use flexsecure_conformance::cluster::redis::Redis;
use flexsecure_conformance::cluster::{Node, is_check};
use flexsecure_conformance::legacy::{Legacy, Variant, Verb};
use flexsecure_conformance::scenario::{done, transfer};
use flexsecure_conformance::subject::{Launch, login};
use flexsecure_core::Method;
use tokio::task::{JoinHandle, JoinSet};

/// Runs each with the frameworks in both orders.
macro_rules! on_pairs {
    ($($test:ident)*) => {
        mod axum_first {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&["axum", "actix"]).await;
            })*
        }

        mod actix_first {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(&["actix", "axum"]).await;
            })*
        }
    };
}

on_pairs! {
    each_step_of_a_flow_can_be_taken_on_another_node
    who_waits_on_another_node_learns_of_the_click
    all_nodes_together_poll_once_an_interval
    a_logout_ends_what_another_node_holds
    a_change_of_password_ends_the_waiting_on_another_node
    an_approved_transfer_runs_once_of_sixty_four_on_two_nodes
}

/// The start on one, the PIN on a second, the waiting on a third, and the request on a fourth.
async fn each_step_of_a_flow_can_be_taken_on_another_node(frameworks: &[&str; 2]) {
    let bank = Nodes::of(banks(frameworks, 4), &[("alice", Method::Pin)]).await;
    let alice = bank.login("alice").await;
    let flow = alice[0].peek(transfer("bob", 250)).await.refused("missing");
    flow.assert_live();
    let wait = alice[2].clone();
    let waited = flow.clone();
    let calls = bank.nodes[2].calls();
    let waiting =
        tokio::spawn(async move { wait.peek(Request::get(waited.url()).wait(30)).await.flow() });
    bank.nodes[2].has_settled(calls).await;
    let pin = bank.authority.newest_to("alice").await.pin();
    alice[1].peek(flow.submit(&pin)).await.flow().assert_state("authenticated");
    waiting.await.expect("an answer").assert_state("authenticated");
    alice[3].peek(transfer("bob", 250)).await.assert_status(201);
    let mut all = Vec::new();
    for node in &alice {
        all.extend(done(node).await);
    }
    assert_eq!(all, ["250.00"]);
    assert_eq!(bank.authority.messages().await.len(), 1);
}

/// A held request and one for news, on the node that asks the authority and on one that does not.
async fn who_waits_on_another_node_learns_of_the_click(frameworks: &[&str; 2]) {
    let users: Vec<_> = (0..RUNS).map(|number| format!("user-{number}")).collect();
    let users: Vec<_> = users.iter().map(|user| (&**user, Method::Passwordless)).collect();
    let doors = Nodes::of(counters(frameworks), &users).await;
    let [first, second] = &doors.nodes[..] else { panic!("two nodes") };
    let (mut held, mut told) = (Vec::new(), Vec::new());
    for (user, _) in &users {
        let bearer = format!("{user}.of-{user}");
        let (here, there) = (first.subject.bearer(&bearer), second.subject.bearer(&bearer));
        let flow = here.get(DOOR).await.refused("missing");
        let checks = first.checks().len();
        let on_first = tokio::spawn(async move { here.send(Request::get(DOOR).wait(60)).await });
        first.authority.has_seen(checks + 1, is_check).await;
        let calls = second.calls();
        let (holding, asking) = (there.clone(), there);
        let on_second = tokio::spawn(async move {
            let answer = holding.send(Request::get(DOOR).wait(60)).await;
            (Instant::now(), answer)
        });
        let news = Request::get(flow.url()).wait(30);
        let news = tokio::spawn(async move { (asking.send(news).await, Instant::now()) });
        second.has_settled(calls).await;
        let link = doors.authority.newest_to(user).await.link();
        link.approve(flow.match_number()).await.assert_status(200);
        let clicked = Instant::now();
        on_first.await.expect("an answer").assert_status(200);
        let (at, answer) = on_second.await.expect("an answer");
        answer.assert_status(200);
        held.push(at.saturating_duration_since(clicked));
        let (answer, at) = news.await.expect("an answer");
        answer.flow().assert_state("authenticated");
        told.push(at.saturating_duration_since(clicked));
    }
    print_times("a held request on another node, after the click", &mut held);
    print_times("a request for news on another node, after the click", &mut told);
    // By its own asking it would have learned of it after half a minute.
    assert!(held[RUNS / 2] < Duration::from_secs(1) && told[RUNS / 2] < Duration::from_secs(1));
    assert!(held[RUNS - 1] < Duration::from_secs(10) && told[RUNS - 1] < Duration::from_secs(10));
    assert_eq!(second.checks().len(), 0, "one node asks, and the other is told");
}

/// T62: an authority that has to be asked again and again is asked once an interval, by whoever comes
/// first, and never twice at a time.
async fn all_nodes_together_poll_once_an_interval(frameworks: &[&str; 2]) {
    let legacy = Legacy::start(Variant::default()).await;
    let redis = Redis::start().await;
    let mut nodes = Vec::new();
    for launch in counters(frameworks).iter().cycle().take(4) {
        nodes.push(Node::start(launch, (legacy.address(), Legacy::KEY), redis.address()).await);
    }
    let _flow = nodes[0].subject.bearer("bob.1").get(DOOR).await.refused("missing");
    let mut waiting = JoinSet::new();
    for node in &nodes {
        let bob = node.subject.bearer("bob.1");
        waiting.spawn(async move { bob.send(Request::get(DOOR).wait(60)).await });
    }
    legacy.called(Verb::Check, 5).await;
    legacy.approve("bank", "bob");
    for answer in waiting.join_all().await {
        answer.assert_status(200);
    }
    let mut checks: Vec<_> = nodes.iter().flat_map(Node::checks).collect();
    checks.sort_by_key(|check| check.asked);
    for pair in checks.windows(2) {
        let (answered, _) = pair[0].answered.clone().expect("an answer");
        assert!(pair[1].asked >= answered, "two at a time: {checks:#?}");
        let between = pair[1].asked.duration_since(pair[0].asked);
        // Each may have been on its way for a while.
        assert!(between > Duration::from_secs(1), "{between:?} from one to the next");
    }
    let period = checks[checks.len() - 1].asked.duration_since(checks[0].asked);
    println!("{} checks by four nodes in {period:?}", checks.len());
    assert!(checks.len() as u64 <= period.as_secs() / 2 + 2, "{} in {period:?}", checks.len());
}

/// T04: what was proved is gone on every node, and so is what somebody waits for.
async fn a_logout_ends_what_another_node_holds(frameworks: &[&str; 2]) {
    let users = [("alice", Method::Pin), ("bob", Method::Passwordless)];
    let bank = Nodes::of(banks(frameworks, 2), &users).await;
    let alice = bank.login("alice").await;
    let flow = alice[0].peek(Request::get("/statements")).await.refused("missing");
    let pin = bank.authority.newest_to("alice").await.pin();
    alice[1].peek(flow.submit(&pin)).await.flow().assert_state("authenticated");
    for node in &alice {
        node.peek(Request::get("/statements")).await.assert_status(200);
    }
    alice[0].peek(Request::post("/logout")).await.assert_status(204);
    let begun = Instant::now();
    let mut late = 0;
    loop {
        let answer = alice[1].peek(Request::get("/statements")).await;
        if answer.status == 401 {
            break;
        }
        answer.assert_status(200);
        late += 1;
        assert!(begun.elapsed() < Duration::from_secs(2), "{late} requests after the logout");
    }
    println!("{late} requests let through on another node after the answer to the logout");

    let bob = bank.login("bob").await;
    let flow = bob[0].peek(Request::get("/statements")).await.refused("missing");
    let held = bank.wait_on_second(&bob, Request::get("/statements").wait(60)).await;
    let news = bank.wait_on_second(&bob, Request::get(flow.url()).wait(30)).await;
    let begun = Instant::now();
    bob[0].peek(Request::post("/logout")).await.assert_status(204);
    held.await.expect("an answer").assert_problem(401, "step-up-required");
    news.await.expect("an answer").assert_problem(404, "flow-not-found");
    println!("who waited was told {:?} after the logout", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// T04: so it is in all sessions of a user whose password is changed.
async fn a_change_of_password_ends_the_waiting_on_another_node(frameworks: &[&str; 2]) {
    let bank = Nodes::of(banks(frameworks, 2), &[("bob", Method::Passwordless)]).await;
    let (bob, other) = (bank.login("bob").await, bank.login("bob").await);
    let flow = bob[0].peek(Request::get("/statements")).await.refused("missing");
    let held = bank.wait_on_second(&bob, Request::get("/statements").wait(60)).await;
    other[0].peek(Request::post("/password")).await.assert_status(204);
    held.await.expect("an answer").assert_problem(401, "step-up-required");
    bob[1].peek(Request::get(flow.url())).await.assert_problem(404, "flow-not-found");
    // An approval of what was sent before comes to nothing.
    let link = bank.authority.newest_to("bob").await.link();
    link.approve(flow.match_number()).await.assert_status(200);
    for node in &bob {
        let refused = node.peek(Request::get("/statements")).await.refused("missing");
        assert_ne!(refused.id(), flow.id());
    }
}

/// T20: half of them on each node, all at once.
async fn an_approved_transfer_runs_once_of_sixty_four_on_two_nodes(frameworks: &[&str; 2]) {
    let bank = Nodes::of(banks(frameworks, 2), &[("alice", Method::Pin)]).await;
    let alice = bank.login("alice").await;
    let flow = alice[0].peek(transfer("bob", 250)).await.refused("missing");
    let pin = bank.authority.newest_to("alice").await.pin();
    alice[0].peek(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let order = transfer("bob", 250);
    let (here, there) = tokio::join!(alice[0].volley(&order, 32), alice[1].volley(&order, 32));
    let made = here.iter().chain(&there).filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    let (here, there) = (done(&alice[0]).await, done(&alice[1]).await);
    assert_eq!([here, there].concat(), ["250.00"]);
    assert_eq!(bank.authority.messages().await.len(), 1, "a double click sends no message");
}

/// Nodes with a store and an authority of their own.
struct Nodes {
    nodes: Vec<Node>,
    authority: Authority,
    _redis: Redis,
}

impl Nodes {
    async fn of(launches: Vec<Launch>, users: &[(&str, Method)]) -> Self {
        let (authority, redis) = tokio::join!(Authority::start(users), Redis::start());
        let mut nodes = Vec::new();
        for launch in &launches {
            let to = (authority.address(), authority.key());
            nodes.push(Node::start(launch, to, redis.address()).await);
        }
        Self { nodes, authority, _redis: redis }
    }

    /// The same session of `user` at each node.
    async fn login(&self, user: &str) -> Vec<Client> {
        let mut client = self.nodes[0].subject.stranger();
        login(&mut client, user).await;
        self.nodes.iter().map(|node| client.at(node.subject.address())).collect()
    }

    /// Sends `request` to the second node, and comes back when it waits there.
    async fn wait_on_second(&self, user: &[Client], request: Request) -> JoinHandle<Answer> {
        let (user, calls) = (user[1].clone(), self.nodes[1].calls());
        let waiting = tokio::spawn(async move { user.peek(request).await });
        self.nodes[1].has_settled(calls).await;
        waiting
    }
}

fn banks(frameworks: &[&str; 2], count: usize) -> Vec<Launch> {
    let launch = |framework: &&str| match *framework {
        "axum" => Launch::new(env!("CARGO_BIN_EXE_subject-axum")),
        _ => Launch::new(env!("CARGO_BIN_EXE_subject-actix")),
    };
    frameworks.iter().cycle().take(count).map(launch).collect()
}

fn counters(frameworks: &[&str; 2]) -> Vec<Launch> {
    let counter = || Launch::new(env!("CARGO_BIN_EXE_counter"));
    frameworks.iter().map(|framework| counter().set("ADAPTER", framework)).collect()
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort();
    let (least, most) = (times[0], times[times.len() - 1]);
    println!("{what}: {least:?} at least, {:?} in the middle, {most:?} at most", times[RUNS / 2]);
}

const DOOR: &str = "/doors/bank";

const RUNS: usize = 20;
