//! The whole story with an authority that knows only v1, in every way that its documentation allows.

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{done, transfer};
use crate::client::Request;
use crate::inbox::wrong;
use crate::legacy::{Call, Legacy, Variant, Verb, Waiting};
use crate::subject::Launch;

/// By link, whatever the authority answers before the click.
pub async fn a_user_of_links_gets_through_in_every_variant(launch: &Launch) {
    let mut stories = JoinSet::new();
    for variant in variants() {
        stories.spawn(get_through_by_link(launch.clone(), variant));
    }
    stories.join_all().await;
}

/// By PIN, with not a single check that has none.
pub async fn a_user_of_pins_gets_through_in_every_variant(launch: &Launch) {
    let mut stories = JoinSet::new();
    for variant in variants() {
        stories.spawn(get_through_by_pin(launch.clone(), variant));
    }
    stories.join_all().await;
}

/// A request that is held while the authority knows of no click, and goes through after it (F40).
pub async fn a_held_request_goes_through_after_the_click(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let _flow = bob.send(transfer("alice", 250)).await.refused("missing");
    let held = {
        let (bob, request) = (bob.clone(), transfer("alice", 250).wait(60));
        tokio::spawn(async move { bob.peek(request).await })
    };
    // The second check is one for somebody who waits.
    legacy.called(Verb::Check, 2).await;
    assert_eq!(done(&bob).await, [""; 0]);
    legacy.approve("bank-transfers", "bob");
    let answer = held.await.expect("an answer").with(201);
    assert!(answer.header("preference-applied").is_some(), "RFC 7240, section 3: {answer:?}");
    assert_eq!(done(&bob).await, ["250.00"]);
}

/// The admin scope takes a PIN, so a PIN is what it asks for, whatever is usual.
pub async fn a_route_that_takes_only_pins_is_never_polled(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/admin/users").await.refused("missing");
    flow.status(&bob).await.assert_live();
    let _again = bob.get("/admin/users").await.refused("missing");
    assert_eq!(legacy.calls_to(Verb::Check).len(), 0);
    bob.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
    bob.get("/admin/users").await.assert_status(200);
    assert_documented(&legacy);
}

/// Nobody told that the user has a PIN after all.
pub async fn a_user_expected_to_have_a_link_may_have_a_pin(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let page = alice.send(Request::get(flow.url()).navigate()).await.with(200).text();
    assert!(page.contains("name=\"pin\""), "{page}");
    alice.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
    alice.get("/statements").await.assert_status(200);
    assert_documented(&legacy);
}

/// T21: five attempts here too.
pub async fn five_wrong_pins_end_the_flow(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy);
    let bank = bank.start().await;
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    for left in (0..5).rev() {
        let answer = alice.send(flow.submit(&wrong(Legacy::PIN))).await;
        answer.assert_problem(403, "pin-rejected");
        assert_eq!(answer.json()["attempts_left"], left);
    }
    let answer = alice.send(flow.submit(Legacy::PIN)).await;
    answer.assert_problem(409, "flow-over");
    answer.flow_within().assert_over("attempts");
    assert_eq!(legacy.calls_to(Verb::Check).len(), 5, "no sixth PIN reaches the authority");
}

/// T21: nor do more than five of many at once.
pub async fn wrong_pins_in_parallel_reach_the_authority_five_times(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy);
    let bank = bank.start().await;
    let alice = bank.login("alice").await;
    let flow = alice.peek(Request::get("/statements")).await.refused("missing");
    let answers = alice.volley(&flow.submit(&wrong(Legacy::PIN)), 40).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 403 | 409)), "{statuses:?}");
    alice.peek(flow.submit(Legacy::PIN)).await.assert_problem(409, "flow-over");
    assert!(legacy.calls_to(Verb::Check).len() <= 5);
}

async fn get_through_by_link(launch: Launch, variant: Variant) {
    let legacy = Legacy::start(variant).await;
    let bank = launch.with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    flow.assert_live();
    flow.status(&bob).await.assert_live();
    assert_eq!(bob.get("/statements").await.refused("missing").id(), flow.id());
    let (waiting, request) = (bob.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move { waiting.peek(request).await });
    legacy.called(Verb::Check, 2).await;
    legacy.approve("bank", "bob");
    waiting.await.expect("an answer").flow().assert_state("authenticated");
    for _ in 0..3 {
        assert_eq!(bob.get("/statements").await.status, 200, "{variant:?}");
    }
    assert_documented(&legacy);
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1, "{variant:?}");
}

async fn get_through_by_pin(launch: Launch, variant: Variant) {
    let legacy = Legacy::start(variant).await;
    let bank = launch.set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy).start().await;
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    for _ in 0..3 {
        flow.status(&alice).await.assert_live();
        assert_eq!(alice.send(transfer("bob", 250)).await.refused("missing").id(), flow.id());
    }
    alice.send(Request::get(flow.url()).wait(3)).await.flow().assert_live();
    assert_eq!(legacy.calls_to(Verb::Check).len(), 0, "a check might count as an attempt");
    let answer = alice.send(flow.submit(&wrong(Legacy::PIN))).await;
    answer.assert_problem(403, "pin-rejected");
    assert_eq!(answer.json()["attempts_left"], 4);
    alice.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(&alice).await, ["250.00"]);
    assert_documented(&legacy);
    assert!(legacy.calls_to(Verb::Check).iter().all(Call::has_pin));
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1, "{variant:?}");
}

/// Nothing but what the documentation of 2017 knows is sent, and nobody is asked but for that.
#[track_caller]
fn assert_documented(legacy: &Legacy) {
    for call in legacy.calls() {
        let Some(verb) = call.verb() else {
            assert_eq!((&call.method, &*call.path), (&Method::GET, "/v1/capabilities"));
            continue;
        };
        assert_eq!(call.method, Method::POST);
        assert_eq!(call.headers.get("apikey").expect("a key"), Legacy::KEY);
        assert_eq!(call.headers.get("content-type").expect("a type"), "application/json");
        for name in ["idempotency-key", "prefer", "authorization", "cookie"] {
            assert!(!call.headers.contains_key(name), "{name} in {call:?}");
        }
        let body = call.body.as_object().expect("an object");
        let allowed: &[&str] =
            if verb == Verb::Start { &["system", "authid"] } else { &["system", "authid", "pin"] };
        assert!(body.keys().all(|name| allowed.contains(&name.as_str())), "{call:?}");
        assert!(body["system"].is_string() && body["authid"].is_string(), "{call:?}");
        let pin = body.get("pin").unwrap_or(&json!(0)).clone();
        assert!(pin.is_u64(), "v1 carries PINs as numbers: {call:?}");
    }
}

fn variants() -> Vec<Variant> {
    let answers =
        [Waiting::Pending, Waiting::Success, Waiting::Waiting, Waiting::Empty, Waiting::NoContent];
    let mut variants = Vec::new();
    for waiting in answers {
        for once in [false, true] {
            variants.push(Variant { waiting, once });
        }
    }
    variants
}
