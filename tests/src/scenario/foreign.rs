//! A flow answers only the session that opened it (T01).

use serde_json::json;

use super::{done, transfer};
use crate::client::{Client, Request};
use crate::flow::Flow;
use crate::subject::Subject;

/// T01: to any other session it does not exist, to the byte.
pub async fn a_flow_does_not_exist_for_another_session(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let others = [
        bank.login("alice").await,
        bank.login("bob").await,
        bank.login("carol").await,
        bank.stranger(),
    ];
    for (other, accept) in others.iter().flat_map(|other| ACCEPTS.map(|accept| (other, accept))) {
        for (id, rest) in endpoints(&flow, &pin) {
            let found = other.peek(rest.clone().at(&id).header("accept", accept)).await;
            let random = other.peek(rest.at(&reversed(&id)).header("accept", accept)).await;
            assert_eq!(found.status, random.status);
            assert_eq!(found.comparable_headers(), random.comparable_headers());
            assert_eq!(found.text(), random.text());
            assert!(matches!(found.status, 404 | 405), "{found:?}");
            assert!(!found.text().contains(flow.id()), "{found:?}");
        }
    }
    let stands = flow.status(&alice).await;
    stands.assert_live();
    assert_eq!(stands.attempts_left(), Some(5));
    assert_eq!(bank.message_count().await, 1);
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    assert_eq!(done(&alice).await, ["250.00"]);
}

/// T01: not even once it has authenticated.
pub async fn an_authenticated_flow_does_not_exist_for_another_session(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let mut elsewhere = bank.login("alice").await;
    elsewhere.get(flow.url()).await.assert_problem(404, "flow-not-found");
    let navigation = Request::get(flow.url()).navigate();
    elsewhere.send(navigation).await.assert_status(404);
    let _flow = elsewhere.send(transfer("bob", 250)).await.refused("missing");
}

/// T01: a malformed name is an unknown one.
pub async fn a_malformed_flow_is_an_unknown_one(bank: &Subject) {
    let alice = bank.login("alice").await;
    let unknown = alice.peek(Request::get("/step-up/flows/0123456789abcdef0123456789abcdef")).await;
    unknown.assert_problem(404, "flow-not-found");
    for malformed in ["0", "zzzz", "%00", "0123456789ABCDEF0123456789ABCDEF", "..%2f", "'--", "%F0"]
    {
        let answer = alice.peek(Request::get(&format!("/step-up/flows/{malformed}"))).await;
        assert_eq!(answer.status, 404, "{malformed}: {answer:?}");
        assert_eq!(answer.text(), unknown.text(), "{malformed}");
    }
}

/// T01, T07: two sessions of a user are two flows, and a PIN lets one of them in, however soon after
/// each other they have asked.
pub async fn each_session_has_a_flow_of_its_own(bank: &Subject) {
    let (mut here, mut there) = (bank.login("alice").await, bank.login("alice").await);
    let flow = here.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let other = there.get("/statements").await.refused("missing");
    assert_ne!(flow.id(), other.id());
    cross_submit(&mut here, &other, &pin).await;
    cross_submit(&mut there, &flow, &pin).await;
    here.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    here.get("/statements").await.assert_status(200);
    other.status(&there).await.assert_live();
    let still = there.get("/statements").await.refused("missing");
    assert_eq!(still.id(), other.id());
}

/// T01, T07: nor does a link let in more than the session whose number was typed.
pub async fn each_session_has_a_link_of_its_own(bank: &Subject) {
    let (mut here, mut there) = (bank.login("bob").await, bank.login("bob").await);
    let other = there.get("/statements").await.refused("missing");
    let flow = here.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    link.approve(flow.match_number()).await.assert_status(200);
    here.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    here.get("/statements").await.assert_status(200);
    other.status(&there).await.assert_live();
    let still = there.get("/statements").await.refused("missing");
    assert_eq!(still.id(), other.id());
}

async fn cross_submit(client: &mut Client, flow: &Flow, pin: &str) {
    client.send(flow.submit(pin)).await.assert_problem(404, "flow-not-found");
}

/// A request to whatever flow it is put at.
#[derive(Clone)]
struct Elsewhere(fn(&str, &str) -> Request, String);

impl Elsewhere {
    fn at(self, id: &str) -> Request {
        (self.0)(&format!("/step-up/flows/{id}"), &self.1)
    }
}

fn endpoints(flow: &Flow, pin: &str) -> Vec<(String, Elsewhere)> {
    let requests: [fn(&str, &str) -> Request; 12] = [
        |flow, _| Request::get(flow),
        |flow, _| Request::new("HEAD", flow),
        |flow, _| Request::get(flow).wait(1),
        |flow, _| Request::get(flow).navigate(),
        |flow, _| Request::post(&format!("{flow}/start")),
        |flow, _| Request::post(&format!("{flow}/start")).form(&[]).navigate(),
        |flow, pin| Request::post(&format!("{flow}/pin")).json(&json!({"pin": pin})),
        |flow, pin| Request::post(&format!("{flow}/pin")).form(&[("pin", pin)]).navigate(),
        |flow, _| Request::post(&format!("{flow}/pin")).json(&json!({"pin": "1"})),
        |flow, pin| Request::post(&format!("{flow}/pin")).body("text/plain", pin),
        |flow, _| Request::new("DELETE", flow),
        |flow, _| Request::new("PUT", flow),
    ];
    requests.map(|request| (flow.id().to_owned(), Elsewhere(request, pin.to_owned()))).to_vec()
}

/// As good as random.
fn reversed(id: &str) -> String {
    id.chars().rev().collect()
}

/// Each form that an answer has.
const ACCEPTS: [&str; 3] = ["application/json", "text/html", "*/*"];
