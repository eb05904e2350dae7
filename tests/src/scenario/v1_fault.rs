//! Answers that nobody has documented, while a flow is under way (F02, F04, F08 to F14).

use super::{done, transfer};
use crate::client::{Client, Request};
use crate::flow::Flow;
use crate::legacy::{Fault, Legacy, Variant, Verb};
use crate::subject::Launch;

/// F08 to F12: none of them is a proof, and none of them ends the flow.
pub async fn nothing_but_the_documented_success_authenticates(launch: &Launch) {
    for faults in all().chunks(6) {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().with_legacy(&legacy).start().await;
        let users = ["alice", "bob", "carol"];
        let actions = [Request::get("/statements"), transfer("somebody", 250)];
        let places = users.iter().flat_map(|user| actions.iter().map(move |action| (user, action)));
        for (fault, (user, action)) in faults.iter().zip(places) {
            let mut client = bank.login(user).await;
            legacy.break_down(Verb::Check, None);
            let flow = client.send(action.clone()).await.refused("missing");
            legacy.break_down(Verb::Check, Some(fault.clone()));
            assert_shrugs(&mut client, &flow, action, fault).await;
            assert_eq!(done(&client).await, [""; 0], "{fault:?}");
        }
    }
}

/// F08: nor does a PIN get through by them.
pub async fn nothing_but_the_documented_success_accepts_a_pin(launch: &Launch) {
    for faults in all().chunks(3) {
        let legacy = Legacy::start(Variant::default()).await;
        let bank = launch.clone().set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy);
        let bank = bank.start().await;
        let mut alice = bank.login("alice").await;
        let flow = alice.get("/statements").await.refused("missing");
        for fault in faults {
            legacy.break_down(Verb::Check, Some(fault.clone()));
            let answer = alice.send(flow.submit(Legacy::PIN)).await;
            assert!(matches!(answer.status, 403 | 503), "{fault:?}: {answer:?}");
            assert_ne!(alice.get("/statements").await.status, 200, "{fault:?}");
        }
        flow.status(&alice).await.assert_live();
        legacy.break_down(Verb::Check, None);
        alice.send(flow.submit(Legacy::PIN)).await.flow().assert_state("authenticated");
    }
}

/// F02: a click during the outage is not lost.
pub async fn an_approval_during_an_outage_is_not_lost(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.break_down(Verb::Check, Some(Fault::Says(500, "text/html", "oops".into())));
    let (waiting, request) = (bob.clone(), Request::get(flow.url()).wait(30));
    let waiting = tokio::spawn(async move { waiting.peek(request).await });
    legacy.called(Verb::Check, 1).await;
    legacy.approve("bank", "bob");
    legacy.called(Verb::Check, 2).await;
    legacy.break_down(Verb::Check, None);
    waiting.await.expect("an answer").flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
}

/// F03: a check that is never answered takes no request along.
pub async fn a_check_that_is_never_answered_holds_nobody_up(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.break_down(Verb::Check, Some(Fault::Silence));
    let again = bob.get("/statements").await.refused("missing");
    assert_eq!(again.id(), flow.id());
    flow.status(&bob).await.assert_live();
    legacy.break_down(Verb::Check, None);
    legacy.approve("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
}

/// F14: what comes after the end changes nothing.
pub async fn an_approval_after_the_end_is_ignored(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    bob.send(flow.cancel()).await.flow().assert_over("cancelled");
    legacy.approve("bank", "bob");
    flow.status(&bob).await.assert_over("cancelled");
    bob.send(flow.submit(Legacy::PIN)).await.assert_problem(409, "flow-over");
}

async fn assert_shrugs(client: &mut Client, flow: &Flow, action: &Request, fault: &Fault) {
    let stands = flow.status(client).await;
    assert!(matches!(stands.state(), "started" | "polling"), "{fault:?}: {stands:?}");
    let answer = client.send(action.clone()).await;
    assert_eq!(answer.refused("missing").id(), flow.id(), "{fault:?}: {answer:?}");
}

fn all() -> Vec<Fault> {
    let json = |status, body: &str| Fault::Says(status, "application/json", body.to_owned());
    let right = r#"{"result":"authenticated"}"#;
    let nested = format!("{}\"authenticated\"{}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!(r#"{{"result":"authenticated","padding":"{}"}}"#, "x".repeat(1 << 20));
    vec![
        json(201, right),
        json(202, right),
        json(203, right),
        json(206, right),
        json(400, right),
        json(401, right),
        json(403, right),
        json(404, right),
        json(429, right),
        json(500, right),
        json(503, right),
        json(200, r#"{"result":"Authenticated"}"#),
        json(200, r#"{"result":"authenticated "}"#),
        json(200, r#"{"result":true}"#),
        json(200, r#"{"result":["authenticated"]}"#),
        json(200, r#"{"result":{"authenticated":true}}"#),
        json(200, r#"{"authenticated":true}"#),
        json(200, r#"{"status":"authenticated"}"#),
        json(200, r#"{"result":"pending","result":"authenticated"}"#),
        json(200, r#"[{"result":"authenticated"}]"#),
        json(200, r#""authenticated""#),
        json(200, r#"{"result":"authenticated""#),
        json(200, r#"{"result":"expired"}"#),
        json(200, r#"{"result":"security error"}"#),
        json(403, r#"{"result":"unknown"}"#),
        json(403, "{}"),
        json(200, &nested),
        json(200, &huge),
        Fault::Says(200, "text/html", "<html>authenticated</html>".into()),
        Fault::Header(302, "location", "/v1/elsewhere".into()),
    ]
}
