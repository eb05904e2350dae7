//! A store and an authority that go away, and come back (F02, F20, F21, F26).

use std::time::{Duration, Instant};

use flexsecure_conformance::client::{Answer, Request};
use flexsecure_conformance::cluster::is_check;
use flexsecure_conformance::cluster::redis::Redis;
use flexsecure_conformance::counts::Bearer;
use flexsecure_conformance::flow::Flow;

use super::{Pair, counter, on_both, users};

on_both! {
    a_store_that_is_gone_lets_nobody_in_and_goes_on_with_what_it_kept
    a_store_that_has_forgotten_all_has_everybody_asked_anew
    a_store_that_hangs_holds_nobody_up
    an_authority_that_was_away_loses_no_approval
}

/// F20: no protected request is served, none waits for long, and what takes no proof does not notice.
async fn a_store_that_is_gone_lets_nobody_in_and_goes_on_with_what_it_kept(
    first: &str,
    second: &str,
) {
    let redis = Redis::start_keeping().await;
    let mut pair = Pair::of(&counter(first), &counter(second), redis, &users()).await;
    let (bob, flow) = pair.half_way().await;
    pair.redis.stop().await;
    outage(&pair, &bob, &flow).await;
    pair.redis.restart().await;
    let there = pair.second.subject.bearer("bob.1");
    for user in [&bob, &there] {
        until_served(user, BANK).await.assert_status(200);
        assert_eq!(until_served(user, ACCOUNT).await.refused("missing").id(), flow.id());
    }
    pair.approve("bob", &flow).await;
    for user in [&bob, &there] {
        user.send(Request::get(ACCOUNT).wait(60)).await.assert_status(200);
    }
    assert_eq!(pair.authority.messages().await.len(), 2);
}

/// F26: an approval of what it has forgotten opens nothing.
async fn a_store_that_has_forgotten_all_has_everybody_asked_anew(first: &str, second: &str) {
    let mut pair = Pair::start(first, second).await;
    let (bob, flow) = pair.half_way().await;
    pair.redis.stop().await;
    outage(&pair, &bob, &flow).await;
    pair.redis.restart().await;
    let there = pair.second.subject.bearer("bob.1");
    let before = pair.came_through().await;
    for user in [&there, &bob] {
        let _asked = until_served(user, BANK).await.refused("missing");
        user.get(flow.url()).await.assert_problem(404, "flow-not-found");
    }
    let first_of_them = pair.authority.messages_to("bob").await;
    assert_eq!(first_of_them.len(), 3, "one more, for what is asked now");
    first_of_them[1].link().approve(flow.match_number()).await.assert_status(200);
    let again = bob.get(ACCOUNT).await.refused("missing");
    assert_ne!(again.id(), flow.id());
    assert_eq!(pair.came_through().await, before);
    pair.approve("bob", &again).await;
    there.send(Request::get(ACCOUNT).wait(60)).await.assert_status(200);
}

/// F21: what hangs is as good as gone, and is back when it goes on.
async fn a_store_that_hangs_holds_nobody_up(first: &str, second: &str) {
    let pair = Pair::start(first, second).await;
    let (bob, flow) = pair.half_way().await;
    pair.redis.freeze().await;
    outage(&pair, &bob, &flow).await;
    pair.redis.thaw().await;
    let there = pair.second.subject.bearer("bob.1");
    for user in [&bob, &there] {
        until_served(user, BANK).await.assert_status(200);
        assert_eq!(until_served(user, ACCOUNT).await.refused("missing").id(), flow.id());
    }
    pair.approve("bob", &flow).await;
    there.send(Request::get(ACCOUNT).wait(60)).await.assert_status(200);
    assert_eq!(pair.authority.messages().await.len(), 2);
}

/// F02: who waits through the outage, on either node, is let in by what was approved after it.
async fn an_authority_that_was_away_loses_no_approval(first: &str, second: &str) {
    let mut pair = Pair::start(first, second).await;
    let bob = pair.first.subject.bearer("bob.1");
    let flow = bob.get(BANK).await.refused("missing");
    let link = pair.authority.newest_to("bob").await.link();
    let mut waiting = Vec::new();
    for node in [&pair.first, &pair.second] {
        let (bob, calls) = (node.subject.bearer("bob.1"), node.calls());
        waiting.push(tokio::spawn(async move { bob.send(Request::get(BANK).wait(60)).await }));
        node.has_settled(calls).await;
    }
    pair.first.authority.has_seen(1, is_check).await;
    pair.authority.stop().await;
    tokio::select! {
        () = pair.first.authority.was_in_vain() => {}
        () = pair.second.authority.was_in_vain() => {}
    }
    let alice = pair.second.subject.bearer("alice.1");
    assert_ne!(alice.get(BANK).await.status, 200);
    alice.get("/open").await.assert_status(200);
    assert_eq!(pair.came_through().await, 0);
    pair.authority.restart().await;
    link.approve(flow.match_number()).await.assert_status(200);
    for answer in waiting {
        answer.await.expect("an answer").assert_status(200);
    }
    assert_eq!(pair.came_through().await, 2);
    assert_eq!(pair.authority.messages().await.len(), 0, "none since it is back");
}

impl Pair {
    /// Bob, who has a proof for the bank, and a flow that waits for his click.
    async fn half_way(&self) -> (Bearer, Flow) {
        let bob = self.first.subject.bearer("bob.1");
        let flow = bob.get(BANK).await.refused("missing");
        self.approve("bob", &flow).await;
        bob.send(Request::get(BANK).wait(60)).await.assert_status(200);
        let flow = bob.get(ACCOUNT).await.refused("missing");
        flow.assert_live();
        (bob, flow)
    }

    /// How many have come through the doors of both nodes.
    async fn came_through(&self) -> usize {
        let mut all = 0;
        for node in [&self.first, &self.second] {
            let counts = node.subject.counts().await;
            all += counts
                .iter()
                .filter(|(door, _)| *door != "open")
                .map(|(_, count)| count)
                .sum::<usize>();
        }
        all
    }
}

/// The store is out of reach: what is asked of the first node is refused, and in time.
async fn outage(pair: &Pair, bob: &Bearer, flow: &Flow) {
    let before = pair.came_through().await;
    let begun = Instant::now();
    let mut served = 0;
    // What is known here may be believed for a moment.
    while bob.get(BANK).await.status == 200 {
        served += 1;
        assert!(begun.elapsed() < Duration::from_secs(10), "{served} requests served");
    }
    let mut times = Vec::new();
    for round in 0..12 {
        let request = match round % 4 {
            0 => Request::get(BANK),
            1 => Request::get(BANK).wait(60),
            2 => Request::get(ACCOUNT),
            _ => Request::get(flow.url()).wait(30),
        };
        let begun = Instant::now();
        let answer = bob.send(request).await;
        times.push(begun.elapsed());
        answer.assert_problem(503, "store-unavailable");
        assert!(answer.retry_after() <= 60, "{answer:?}");
        let begun = Instant::now();
        bob.get("/open").await.assert_status(200);
        let open = begun.elapsed();
        assert!(open < Duration::from_secs(1), "{open:?} for what takes no proof");
    }
    assert_eq!(pair.came_through().await, before + served);
    let (most, all) = (times.iter().max().expect("times"), times.iter().sum::<Duration>());
    println!("{served} served by what was known; then refused in {most:?} at most, 12 in {all:?}");
    assert!(*most < Duration::from_secs(5), "{times:?}");
}

/// What is answered once the store is there again.
async fn until_served(user: &Bearer, door: &str) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = user.get(door).await;
        if answer.status != 503 {
            println!("served again after {:?}", begun.elapsed());
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "still refused: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const BANK: &str = "/doors/bank";

const ACCOUNT: &str = "/doors/account";
