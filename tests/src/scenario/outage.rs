//! Authorities that fail at the start (F01 to F06, F12, T63).

use super::{done, transfer};
use crate::client::Request;
use crate::legacy::{Fault, Legacy, Variant, Verb, nobody};
use crate::subject::Launch;

/// F01: nothing was sent, and nothing runs.
pub async fn an_authority_that_is_down_is_unavailable(launch: &Launch) {
    let bank = launch.clone().with_authority(nobody().await, Legacy::KEY).start().await;
    let mut alice = bank.login("alice").await;
    for request in [Request::get("/statements"), transfer("bob", 250), Request::get("/admin/users")]
    {
        let answer = alice.send(request).await;
        answer.assert_problem(503, "authority-unavailable");
        assert!(answer.retry_after() <= 60, "{answer:?}");
    }
    let page = alice.send(Request::get("/statements").navigate()).await;
    page.assert_status(503);
    alice.get("/balance").await.assert_status(200);
    alice.send(transfer("bob", 5)).await.assert_status(201);
    assert_eq!(done(&alice).await, ["5.00"]);
}

/// F04: nobody knows whether the message went out, so it is not asked for again.
pub async fn a_start_that_fails_in_an_unknown_way_is_never_repeated(launch: &Launch) {
    for (path, system, status) in
        [("/statements", "bank", 500), ("/admin/users", "bank-admin", 502)]
    {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(Fault::Says(status, "text/html", "oops".into())));
        legacy.send(system, "bob");
        let mut bob = bank.login("bob").await;
        let flow = bob.get(path).await.refused("missing");
        flow.assert_live();
        for _ in 0..3 {
            assert_eq!(bob.get(path).await.refused("missing").id(), flow.id());
            flow.status(&bob).await.assert_live();
        }
        assert_eq!(legacy.calls_to(Verb::Start).len(), 1, "{status}");
    }
}

/// F04: the message may have gone out all the same, and then its approval counts.
pub async fn a_flow_whose_start_failed_can_still_be_approved(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    legacy.break_down(Verb::Start, Some(Fault::Says(500, "text/html", "oops".into())));
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.break_down(Verb::Start, None);
    legacy.approve("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
}

/// F03, F15: nor is one repeated that is never answered.
pub async fn a_start_that_is_never_answered_is_never_repeated(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    legacy.break_down(Verb::Start, Some(Fault::Silence));
    legacy.send("bank", "bob");
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    flow.assert_state("idle");
    let again = bob.get("/statements").await.refused("missing");
    assert_eq!(again.id(), flow.id());
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_live();
    let again = bob.get("/statements").await.refused("missing");
    assert_eq!(again.id(), flow.id());
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
}

/// F06: a key that is refused is a matter for whoever runs this.
pub async fn a_refused_key_is_tried_once_a_minute(launch: &Launch) {
    for fault in [
        Fault::Says(401, "application/json", "{}".into()),
        Fault::Says(403, "text/html", "<h1>Forbidden</h1>".into()),
        Fault::Says(403, "application/json", r#"{"result":"go away"}"#.into()),
    ] {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(fault));
        for user in ["alice", "bob", "alice"] {
            let mut client = bank.login(user).await;
            for request in [Request::get("/statements"), transfer("carol", 250)] {
                let answer = client.send(request).await;
                answer.assert_problem(503, "authority-unavailable");
                assert!(answer.retry_after() <= 60, "{answer:?}");
            }
        }
        assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
    }
}

/// F05: who is told to wait waits, and sends nothing meanwhile.
pub async fn an_authority_that_asks_for_patience_gets_it(launch: &Launch) {
    for status in [429, 503] {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(Fault::Header(status, "retry-after", "50".into())));
        let mut bob = bank.login("bob").await;
        let answer = bob.get("/statements").await;
        answer.assert_problem(503, "authority-unavailable");
        assert!((40..=50).contains(&answer.retry_after()), "{answer:?}");
        bob.get("/statements").await.assert_problem(503, "authority-unavailable");
        assert_eq!(legacy.calls_to(Verb::Start).len(), 1, "{status}");
    }
}

/// F05: an unreadable patience is the usual one.
pub async fn an_unreadable_patience_is_the_usual_one(launch: &Launch) {
    for value in ["", "soon", "-5", "99999999999999999999", "1e9"] {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(Fault::Header(429, "retry-after", value.into())));
        let mut bob = bank.login("bob").await;
        let answer = bob.get("/statements").await;
        answer.assert_problem(503, "authority-unavailable");
        assert!(answer.retry_after() <= 60, "{value}: {answer:?}");
    }
}

/// F12, T50: the key goes to nobody else.
pub async fn a_redirect_is_never_followed(launch: &Launch) {
    for status in [301, 302, 307, 308] {
        let legacy = Legacy::start(Variant::default()).await;
        let elsewhere = Legacy::start(Variant::default()).await;
        let target = format!("http://{}/v1/start", elsewhere.address());
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(Fault::Header(status, "location", target)));
        let mut bob = bank.login("bob").await;
        let answer = bob.get("/statements").await;
        assert!(matches!(answer.status, 401 | 503), "{answer:?}");
        legacy.break_down(Verb::Start, None);
        let target = format!("http://{}/v1/check", elsewhere.address());
        legacy.break_down(Verb::Check, Some(Fault::Header(status, "location", target)));
        elsewhere.approve("bank", "bob");
        assert_ne!(bob.get("/statements").await.status, 200);
        assert_ne!(bob.get("/statements").await.status, 200);
        assert!(elsewhere.calls().is_empty(), "{:?}", elsewhere.calls());
    }
}

/// F08: only the documented success is one.
pub async fn an_undocumented_start_is_not_taken_for_a_proof(launch: &Launch) {
    for body in [
        r#"{"result":"authenticated"}"#,
        "",
        "<html>",
        r#"{"result":"success","state":"authenticated"}"#,
    ] {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        legacy.break_down(Verb::Start, Some(Fault::Says(200, "application/json", body.into())));
        let mut bob = bank.login("bob").await;
        let answer = bob.get("/statements").await;
        assert!(matches!(answer.status, 401 | 503), "{body}: {answer:?}");
        assert_ne!(bob.get("/statements").await.status, 200);
    }
}

/// T63: what is held goes on, what is not is refused.
pub async fn an_outage_neither_takes_nor_gives_a_proof(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.approve("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    drop(legacy);
    bob.get("/statements").await.assert_status(200);
    assert_ne!(bob.send(transfer("alice", 250)).await.status, 201);
    assert_eq!(done(&bob).await, [""; 0]);
}
