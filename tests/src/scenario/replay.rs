//! A proof that is brought to another door, by another caller or in another way than it was given for
//! (T01, T02, T03, T09), read from what the doors have counted.

use std::collections::BTreeMap;

use crate::client::Request;
use crate::counts::Bearer;
use crate::flow::Flow;
use crate::legacy::{Legacy, Variant};
use crate::subject::{Launch, Subject};

/// T02: of eight doors the proof for each opens that one and none of the others: 56 denials.
pub async fn each_proof_opens_its_own_door_alone(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let launch = launch.clone().set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy);
    let counter = launch.start().await;
    let mut denials = 0;
    for (number, door) in DOORS.iter().enumerate() {
        // A user each, because a user has so many starts, and a session so many flows.
        let user = counter.bearer(&format!("user-{number}.{number}"));
        let flow = user.get(&at(door)).await.refused("missing");
        for other in DOORS.iter().filter(|other| *other != door) {
            user.send(silently(&at(other))).await.assert_problem(401, "step-up-required");
        }
        user.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
        for other in DOORS.iter().filter(|other| *other != door) {
            user.send(silently(&at(other))).await.assert_problem(401, "step-up-required");
            denials += 1;
        }
        user.get(&at(door)).await.assert_status(200);
    }
    assert_eq!(denials, 56);
    let expected: BTreeMap<_, _> = DOORS.iter().map(|door| ((*door).to_owned(), 1)).collect();
    assert_eq!(counter.counts().await, expected);
}

/// T03: of what a proof was given for, nothing can be another: neither system, user, session,
/// operation, method nor how often it is good.
pub async fn one_field_changed_and_the_proof_does_not_do(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    for (door, others) in [
        ("bank", ["account", "pay-1", "once", "link"]),
        ("pay-1", ["account", "pay-2", "pay-once", "link"]),
    ] {
        prove(counter, &alice, door).await;
        for other in others {
            alice.send(silently(&at(other))).await.assert_problem(401, "step-up-required");
        }
        // Another session; another user of the same one; and another user of another.
        for bearer in ["alice.2", "bob.1", "bob.2", "alice.11", "alice.", "ALICE.1"] {
            let other = counter.bearer(bearer);
            other.send(silently(&at(door))).await.assert_problem(401, "step-up-required");
        }
        alice.get(&at(door)).await.assert_status(200);
    }
    let expected = [("bank".to_owned(), 1), ("pay-1".to_owned(), 1)].into();
    assert_eq!(counter.counts().await, expected);
}

/// T09: two rules match, and the stronger one is what it takes: a link does not do where one of them
/// wants a PIN.
pub async fn of_two_rules_the_stronger_one_counts(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let counter = launch.clone().with_legacy(&legacy).start().await;
    let dave = counter.bearer("dave.1");
    let flow = dave.get(&at("bank")).await.refused("missing");
    legacy.approve("bank", "dave");
    dave.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    dave.get(&at("bank")).await.assert_status(200);
    for door in ["rules", "pin"] {
        dave.send(silently(&at(door))).await.assert_problem(401, "step-up-required");
    }
    let flow = dave.get(&at("rules")).await.refused("method");
    assert_eq!(counter.came_through("rules").await, 0);
    dave.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
    for door in ["rules", "pin", "bank"] {
        dave.get(&at(door)).await.assert_status(200);
    }
    let expected = [("bank", 2), ("pin", 1), ("rules", 1)];
    let expected = expected.map(|(door, count)| (door.to_owned(), count)).into();
    assert_eq!(counter.counts().await, expected);
}

/// T09: of two systems that are both asked for, one alone does not do, whichever it is.
pub async fn one_proof_of_two_does_not_do(counter: &Subject) {
    for (session, first, second) in [("1", "bank", "account"), ("2", "account", "bank")] {
        let alice = counter.bearer(&format!("alice.{session}"));
        prove(counter, &alice, first).await;
        let answer = alice.get(&at("both")).await;
        let flow = answer.refused("missing");
        assert_eq!(answer.json()["system"], second, "{answer:?}");
        assert_eq!(counter.came_through("both").await, session.parse::<usize>().expect("1") - 1);
        let pin = counter.newest_pin().await;
        alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
        alice.get(&at("both")).await.assert_status(200);
    }
    assert_eq!(counter.came_through("both").await, 2);
}

/// T01: to any other caller a flow is one that never was, to the byte, whatever form they want to be
/// answered in, and be it another user of a session with the same name.
pub async fn a_flow_does_not_exist_for_another_caller(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let door = Request::post("/upload");
    // Where there is no such door, it is the one of gRPC.
    let is_grpc = alice.send(silently("/doors/bank")).await.status != 401;
    let door = if is_grpc { Request::post(crate::rpc::OPEN) } else { door };
    let flow = alice.send(door.clone()).await.refused("missing");
    let pin = counter.newest_pin().await;
    let unknown = Flow::unknown(&flow.id().chars().rev().collect::<String>());
    let mut compared = 0;
    for bearer in ["alice.2", "bob.1", "bob.2", "carol.1", "nobody"] {
        let other = counter.bearer(bearer);
        for accept in ACCEPTS {
            for (here, there) in requests(&flow, &pin).into_iter().zip(requests(&unknown, &pin)) {
                let one = other.send(here.header("accept", accept)).await;
                let another = other.send(there.header("accept", accept)).await;
                assert_eq!(one.status, another.status, "{bearer} {accept}: {one:?} {another:?}");
                assert_eq!(one.comparable_headers(), another.comparable_headers());
                assert_eq!(one.body, another.body, "{one:?}");
                assert_eq!(one.status, 404, "{one:?}");
                compared += 1;
            }
        }
    }
    println!("{compared} answers are the same for a flow of somebody else as for none");
    let stands = alice.get(flow.url()).await.flow();
    stands.assert_live();
    assert_eq!(stands.attempts_left(), Some(5));
    assert_eq!(counter.message_count().await, 1);
    assert!(counter.counts().await.is_empty(), "{:?}", counter.counts().await);
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let through = alice.send(door).await;
    assert!(through.status < 300, "{through:?}");
}

/// One that can be opened with no door but its own.
const DOORS: [&str; 8] =
    ["bank", "admin", "account", "vault", "pay-1", "pay-2", "once", "pay-once"];

const ACCEPTS: [&str; 5] = [
    "*/*",
    "application/json",
    "application/problem+json",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "application/grpc",
];

fn at(door: &str) -> String {
    format!("/doors/{door}")
}

/// As from another site: refused like any other, and no message is sent for it.
fn silently(path: &str) -> Request {
    Request::get(path).header("sec-fetch-site", "cross-site")
}

async fn prove(counter: &Subject, bearer: &Bearer, door: &str) {
    let flow = bearer.get(&at(door)).await.flow_within();
    let pin = counter.newest_pin().await;
    bearer.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
}

/// Every endpoint of `flow`.
fn requests(flow: &Flow, pin: &str) -> Vec<Request> {
    vec![
        Request::get(flow.url()),
        Request::new("HEAD", flow.url()),
        Request::get(flow.url()).wait(1),
        Request::get(flow.url()).header("sec-fetch-mode", "navigate"),
        flow.start(),
        flow.start().form(&[]),
        flow.submit(pin),
        flow.submit("1"),
        Request::post(&flow.path("/pin")).form(&[("pin", pin)]),
        flow.cancel(),
        flow.cancel().header("content-type", "application/grpc"),
    ]
}
