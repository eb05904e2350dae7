//! T64, F50: a node whose clock is wrong beside one that is right.

use std::time::{Duration, Instant};

use flexsecure_conformance::client::Request;
use flexsecure_conformance::cluster::clock::Clock;
use flexsecure_conformance::cluster::redis::Redis;
use tokio::time::sleep;

use super::{Pair, counter, on_both, users};

on_both! {
    a_clock_set_back_an_hour_or_forward_a_day_prolongs_nothing
}

/// T64: ten seconds are ten seconds by the time that has really passed, whoever granted the proof, and
/// whatever the clock of the node that is asked shows then. Nobody comes in early, and nothing panics.
async fn a_clock_set_back_an_hour_or_forward_a_day_prolongs_nothing(first: &str, second: &str) {
    let clock = Clock::right();
    let wrong = clock.of(counter(first));
    let mut pair = Pair::of(&wrong, &counter(second), Redis::start().await, &users()).await;
    for session in ["bob.1", "bob.2"] {
        let (wrong, right) =
            (pair.first.subject.bearer(session), pair.second.subject.bearer(session));
        let granted_by = if session == "bob.1" { &right } else { &wrong };
        let flow = granted_by.get(DOOR).await.refused("missing");
        pair.approve("bob", &flow).await;
        granted_by.send(Request::get(DOOR).wait(60)).await.assert_status(200);
        let granted = Instant::now();
        for (name, set) in SETTINGS {
            set(&clock);
            let answer = wrong.send(quietly()).await;
            assert_eq!(answer.status, 401, "{name} with a fresh proof: {answer:?}");
        }
        clock.set_right();
        sleep((MAX_AGE + SKEW).saturating_sub(granted.elapsed())).await;
        for (name, set) in SETTINGS {
            set(&clock);
            let answer = wrong.send(quietly()).await;
            assert_eq!(answer.status, 401, "{name} with an old proof: {answer:?}");
        }
        clock.set_right();
        assert_eq!(right.send(quietly()).await.status, 401);
    }
    let node = &mut pair.first.subject;
    assert!(node.runs());
    assert!(node.output().iter().all(|line| !line.contains("panicked")));
}

/// Another site's request is let through with a proof like any other, and sends no message without.
fn quietly() -> Request {
    Request::get(DOOR).header("sec-fetch-site", "cross-site")
}

type Setting = (&'static str, fn(&Clock));

const SETTINGS: [Setting; 3] = [
    ("an hour back", |clock| clock.set_back(Duration::from_secs(3600))),
    ("a minute back", |clock| clock.set_back(Duration::from_secs(60))),
    ("a day forward", |clock| clock.set_forward(Duration::from_secs(86_400))),
];

const DOOR: &str = "/doors/brief";

const MAX_AGE: Duration = Duration::from_secs(10);

const SKEW: Duration = Duration::from_secs(2);
