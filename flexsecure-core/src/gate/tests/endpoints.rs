//! What a client does about a refusal, and what its session then holds.

use std::sync::Arc;
use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::refusal::{Problem, Reason};
use crate::{Identity, Operation, Requirement};

fn pin(pin: &str) -> String {
    format!("{{\"pin\":\"{pin}\"}}")
}

/// T21: five attempts, and the right PIN is of no use after them.
#[tokio::test]
async fn wrong_pins_run_out() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let submit = format!("POST {flow}/pin");
    for left in (1..5).rev() {
        let rejected = world.endpoint(&alice(), &submit, &pin("11111111")).await;
        assert_eq!(rejected.status(), 403);
        assert_eq!(rejected.json()["attempts_left"], left);
        assert_eq!(rejected.json()["flow"]["attempts_left"], left);
    }
    let last = world.endpoint(&alice(), &submit, &pin("11111111")).await.json();
    assert_eq!(last["type"], "urn:flexsecure:problem:pin-rejected");
    assert_eq!((&last["attempts_left"], &last["flow"]["over"]), (&0.into(), &"attempts".into()));
    let late = world.endpoint(&alice(), &submit, &pin(PIN)).await;
    assert_eq!(
        (late.status(), &late.json()["type"]),
        (409, &"urn:flexsecure:problem:flow-over".into())
    );
}

/// T21: in parallel, no more are compared than one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn racing_wrong_pins_run_out() {
    let world = Arc::new(World::new(ScriptedAuthority::pin(PIN)));
    let flow = world.request(&alice(), bank()).await.flow();
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let (world, submit) = (Arc::clone(&world), format!("POST {flow}/pin"));
            tokio::spawn(async move {
                world.endpoint(&alice(), &submit, &pin("11111111")).await.status()
            })
        })
        .collect();
    for answer in tries {
        assert!(matches!(answer.await.unwrap(), 403 | 409));
    }
    assert_eq!(world.authority.checks(), 5);
}

#[tokio::test]
async fn what_is_not_a_pin_costs_nothing() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let submit = format!("POST {flow}/pin");
    for (body, problem) in [
        ("{\"pin\":\"1234567\"}", "pin-malformed"),
        ("{\"pin\":\"123456789\"}", "pin-malformed"),
        ("{\"pin\":\"１２３４５６７８\"}", "pin-malformed"),
        ("{\"pin\":\"1234567\\u0000\"}", "pin-malformed"),
        ("{\"pin\":\"1234567a\"}", "pin-malformed"),
        ("{\"pin\":\"\"}", "pin-malformed"),
        ("{\"pin\":1234567}", "pin-malformed"),
        ("{\"pin\":null}", "body-malformed"),
        ("{\"pin\":12345678.0}", "body-malformed"),
        ("{\"pin\":[\"12345678\"]}", "body-malformed"),
        ("{\"pin\":\"12345678\",\"pin\":\"12345678\"}", "body-malformed"),
        ("{}", "body-malformed"),
        ("{\"pin\":", "body-malformed"),
        ("", "body-malformed"),
    ] {
        let answer = world.endpoint(&alice(), &submit, body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.json()["type"], format!("urn:flexsecure:problem:{problem}"), "{body}");
    }
    let shown = world.endpoint(&alice(), &format!("GET {flow}"), "").await;
    assert_eq!(shown.json()["attempts_left"], 5);
    assert_eq!(world.endpoint(&alice(), &submit, &pin("4815 1623")).await.status(), 200);
}

/// T20: one approval, one request, however many come at once and have all seen that it is unspent.
#[tokio::test]
async fn a_single_use_approval_lets_one_of_many_through() {
    for _ in 0..20 {
        let store = RemoteStore::default();
        let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
        let world = Arc::new(world);
        let once = || bank().single_use().operation(Operation::new("Transfer"));
        let flow = world.request(&alice(), once()).await.flow();
        world.endpoint(&alice(), &format!("POST {flow}/pin"), &pin(PIN)).await;
        let repeats: Vec<_> = (0..64)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { world.request(&alice(), once()).await.has_passed() })
            })
            .collect();
        let mut passed = 0;
        for repeat in repeats {
            passed += u32::from(repeat.await.unwrap());
        }
        assert_eq!((passed, world.authority.messages()), (1, 1));
    }
}

/// T03: an elevation is good for exactly what it was given for.
#[tokio::test]
async fn an_elevation_is_of_no_use_for_anything_else() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let transfer =
        |amount: &str| bank().operation(Operation::new("Transfer").field("amount", amount));
    let flow = world.request(&alice(), transfer("1")).await.flow();
    world.endpoint(&alice(), &format!("POST {flow}/pin"), &pin(PIN)).await;
    assert!(world.request(&alice(), transfer("1")).await.has_passed());

    for (identity, requirement) in [
        (alice(), transfer("10")),
        (alice(), bank()),
        (alice(), transfer("1").single_use()),
        (alice(), transfer("1").passwordless()),
        (alice(), Requirement::system("vault")),
        (Identity::new("alice", "another session"), transfer("1")),
        (Identity::new("mallory", "the session of alice"), transfer("1")),
    ] {
        let probed = world.gate.probe(&identity, requirement.clone()).await.unwrap();
        assert!(probed.is_some(), "{requirement:?}");
    }
    world.clock.advance(Requirement::DEFAULT_MAX_AGE);
    let stale = world.gate.probe(&alice(), transfer("1")).await.unwrap();
    assert_eq!(stale, Some(Reason::Stale));
}

/// T04: what a session holds goes with it, and with its user's credentials.
#[tokio::test]
async fn a_revocation_leaves_nothing() {
    for by_user in [false, true] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        let flow = world.request(&alice(), bank()).await.flow();
        world.endpoint(&alice(), &format!("POST {flow}/pin"), &pin(PIN)).await;
        assert!(world.request(&alice(), bank()).await.has_passed());
        if by_user {
            world.gate.revoke_user("alice").await.unwrap();
        } else {
            world.gate.revoke_session("the session of alice").await.unwrap();
        }
        let problem = world.request(&alice(), bank()).await.problem();
        assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
        assert_eq!(world.endpoint(&alice(), &format!("GET {flow}"), "").await.status(), 404);
    }
}

/// An approval that comes after the logout is nobody's.
#[tokio::test]
async fn a_flow_that_was_revoked_elevates_nobody() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    world.authority.hold();
    let alice = alice();
    let (submit, typed) = (format!("POST {flow}/pin"), pin(PIN));
    let submit = world.endpoint(&alice, &submit, &typed);
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.gate.revoke_session("the session of alice").await.unwrap();
        world.authority.release();
    };
    let (answer, ()) = tokio::join!(submit, meanwhile);
    assert_eq!(answer.status(), 404);
    assert!(world.gate.probe(&alice, bank()).await.unwrap().is_some());
}

/// T01, T04: neither another session's flow nor another user's exists.
#[tokio::test]
async fn a_flow_is_there_for_who_opened_it() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    for stranger in [
        Identity::new("alice", "another session"),
        Identity::new("mallory", "the session of alice"),
    ] {
        for request in ["GET {}", "DELETE {}", "POST {}/start", "POST {}/pin"] {
            let request = request.replace("{}", &flow);
            assert_eq!(world.endpoint(&stranger, &request, &pin(PIN)).await.status(), 404);
        }
    }
    assert_eq!(world.endpoint(&alice(), &format!("GET {flow}"), "").await.status(), 200);
}

#[tokio::test]
async fn a_flow_can_be_given_up() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let cancelled = world.endpoint(&alice(), &format!("DELETE {flow}"), "").await;
    assert_eq!((cancelled.status(), &cancelled.json()["over"]), (200, &"cancelled".into()));
    for (request, body) in [("POST {}/pin", &*pin(PIN)), ("POST {}/start", ""), ("DELETE {}", "")] {
        let answer = world.endpoint(&alice(), &request.replace("{}", &flow), body).await;
        assert_eq!(answer.status(), 409, "{request}");
    }
    assert_ne!(world.request(&alice(), bank()).await.flow(), flow);
}

/// One long poll for many who wait, and all are told at once.
#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_approval() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    let alice = alice();
    let show = format!("GET {flow}");
    let wait = || world.endpoint_with(&alice, &show, "", &[("prefer", "wait=30")]);
    let approval = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.authority.approve();
    };
    let (one, another, ()) = tokio::join!(wait(), wait(), approval);
    assert_eq!(one.json()["state"], "authenticated");
    assert_eq!(another.json()["state"], "authenticated");
    assert_eq!(world.authority.checks(), 1);
    assert!(world.request(&alice, bank()).await.has_passed());
}

/// An attempt is counted before it is made, but that is not what the client waits for.
#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_answer_to_a_pin() {
    for (typed, expected) in [(PIN, "authenticated"), ("11111111", "started")] {
        let world = World::new(ScriptedAuthority::v1(Some(PIN)));
        let flow = world.request(&alice(), bank().pin()).await.flow();
        let alice = alice();
        let (show, submit, typed) = (format!("GET {flow}"), format!("POST {flow}/pin"), pin(typed));
        world.authority.hold();
        let wait = world.endpoint_with(&alice, &show, "", &[("prefer", "wait=30")]);
        let submit = world.endpoint(&alice, &submit, &typed);
        let release = async {
            world.authority.wait_for(|calls| calls.len() == 2).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.authority.release();
        };
        let (shown, _, ()) = tokio::join!(wait, submit, release);
        assert_eq!(shown.json()["state"], expected);
        if expected == "started" {
            assert_eq!(shown.json()["attempts_left"], 4);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_time() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    let before = tokio::time::Instant::now();
    let headers = [("prefer", "wait=3")];
    let shown = world.endpoint_with(&alice(), &format!("GET {flow}"), "", &headers).await;
    assert_eq!((shown.status(), before.elapsed()), (200, Duration::from_secs(3)));
}

/// F60: what waits is let go, so that a server can drain.
#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_gate_closes() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    let before = tokio::time::Instant::now();
    let alice = alice();
    let show = format!("GET {flow}");
    let waiting = world.endpoint_with(&alice, &show, "", &[("prefer", "wait=30")]);
    let (shown, ()) = tokio::join!(waiting, async { world.gate.close() });
    assert_eq!((shown.status(), before.elapsed()), (200, Duration::ZERO));
}

/// A request that is held goes through by itself.
#[tokio::test(start_paused = true)]
async fn holding_ends_with_the_approval() {
    let world = World::new(ScriptedAuthority::passwordless());
    let alice = alice();
    let held = world.request_with(&alice, bank(), &[("prefer", "wait=60")]);
    let approval = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.authority.approve();
    };
    let (outcome, ()) = tokio::join!(held, approval);
    assert!(outcome.has_passed(), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn holding_ends_with_the_time_and_with_the_gate() {
    for (prefer, seconds) in [("wait=3", 3), ("wait=3600", 60)] {
        let world = World::new(ScriptedAuthority::passwordless());
        let before = tokio::time::Instant::now();
        let outcome = world.request_with(&alice(), bank(), &[("prefer", prefer)]).await;
        assert_eq!(outcome.problem(), Problem::StepUpRequired(Reason::Missing));
        assert_eq!(before.elapsed(), Duration::from_secs(seconds));
    }
    let world = World::new(ScriptedAuthority::passwordless());
    world.gate.close();
    let before = tokio::time::Instant::now();
    world.request_with(&alice(), bank(), &[("prefer", "wait=60")]).await.problem();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

/// Another site can neither start a flow nor have its request kept for one.
#[tokio::test(start_paused = true)]
async fn an_idle_flow_holds_nothing() {
    let world = World::new(ScriptedAuthority::passwordless());
    let headers = [("prefer", "wait=60"), ("sec-fetch-site", "cross-site")];
    let before = tokio::time::Instant::now();
    world.request_with(&alice(), bank(), &headers).await.problem();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

/// Nobody waits, nobody polls.
#[tokio::test(start_paused = true)]
async fn a_flow_that_nobody_asks_about_is_not_polled() {
    let world = World::new(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.authority.checks(), 0);
    let headers = [("prefer", "wait=1")];
    world.endpoint_with(&alice(), &format!("GET {flow}"), "", &headers).await;
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(world.authority.checks(), 1);
}

/// T40: a page of another site changes nothing.
#[tokio::test]
async fn another_site_cannot_touch_a_flow() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let headers = [("sec-fetch-site", "cross-site")];
    for (request, body) in
        [("POST {}/pin", &*pin("11111111")), ("POST {}/start", ""), ("DELETE {}", "")]
    {
        let request = request.replace("{}", &flow);
        let answer = world.endpoint_with(&alice(), &request, body, &headers).await;
        assert_eq!(
            (answer.status(), &answer.json()["type"]),
            (403, &"urn:flexsecure:problem:cross-site".into())
        );
    }
    let shown = world.endpoint(&alice(), &format!("GET {flow}"), "").await.json();
    assert_eq!((&shown["state"], &shown["attempts_left"]), (&"polling".into(), &5.into()));
}
