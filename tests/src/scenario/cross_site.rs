//! What another site makes a browser send (T40).

use super::{done, transfer};
use crate::client::Request;
use crate::subject::Subject;

/// T40: it opens a flow at most, and the user finds a button.
pub async fn a_request_from_another_site_sends_no_message(bank: &Subject) {
    for (name, value) in FOREIGN {
        let mut alice = bank.login("alice").await;
        let request = Request::get("/statements").header(name, value);
        let flow = alice.send(request.clone()).await.refused("missing");
        flow.assert_state("idle");
        assert_eq!(flow.field("expires_in"), None, "nothing runs out yet");
        let again = alice.send(request).await.refused("missing");
        again.assert_state("idle");
        assert_eq!(again.id(), flow.id());
        let answer = alice.send(transfer("bob", 250).header(name, value)).await;
        answer.refused("missing").assert_state("idle");
        assert_eq!(done(&alice).await, [""; 0]);
    }
    assert_eq!(bank.message_count().await, 0);
}

/// T40: nor can it press the buttons.
pub async fn a_change_from_another_site_is_refused(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let form = Request::post(&flow.path("/pin")).form(&[("pin", &pin)]);
    for (name, value) in FOREIGN {
        for request in [flow.start(), flow.submit(&pin), form.clone(), flow.cancel()] {
            alice.send(request.header(name, value)).await.assert_problem(403, "cross-site");
        }
    }
    let stands = flow.status(&alice).await;
    stands.assert_live();
    assert_eq!(stands.attempts_left(), Some(5));
    assert_eq!(bank.message_count().await, 1);
}

/// T40: nor the one that sends the first message.
pub async fn an_idle_flow_is_not_started_from_another_site(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let request = Request::get("/statements").header("sec-fetch-site", "cross-site");
    let flow = alice.send(request).await.refused("missing");
    for (name, value) in FOREIGN {
        alice.send(flow.start().header(name, value)).await.assert_problem(403, "cross-site");
    }
    assert_eq!(bank.message_count().await, 0);
    flow.status(&alice).await.assert_state("idle");
    alice.send(flow.start()).await.flow().assert_live();
    assert_eq!(bank.message_count().await, 1);
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.get("/statements").await.assert_status(200);
}

/// The site itself may, and so may a user who types an address.
pub async fn a_request_from_the_site_itself_is_served(bank: &Subject) {
    let own = format!("http://{}", bank.address());
    for (name, value) in
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", &own)]
    {
        let mut alice = bank.login("alice").await;
        let before = bank.message_count().await;
        let asked = transfer("bob", 250 + before).header(name, value);
        let flow = alice.send(asked.clone()).await.refused("missing");
        flow.assert_live();
        assert_eq!(bank.message_count().await, before + 1);
        let pin = bank.newest_pin().await;
        let pin = flow.submit(&pin).header(name, value);
        alice.send(pin).await.flow().assert_state("authenticated");
        alice.send(asked).await.assert_status(201);
    }
}

/// T25: a browser that reads ahead sends no message either.
pub async fn a_prefetch_sends_no_message(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let request = Request::get("/statements").header(name, value);
        alice.send(request).await.refused("missing").assert_state("idle");
        // The flow is there already, and not for a page: this one is shown in place.
        let navigation = Request::get("/statements").navigate().header(name, value);
        alice.send(navigation).await.assert_status(401);
    }
    assert_eq!(bank.message_count().await, 0);
}

/// PIN and all: an idle flow has no PIN to be compared with.
pub async fn a_pin_for_an_idle_flow_is_rejected(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let request = Request::get("/statements").header("sec-fetch-site", "cross-site");
    let flow = alice.send(request).await.refused("missing");
    let answer = alice.send(flow.submit("48151623")).await;
    answer.assert_problem(403, "pin-rejected");
    flow.status(&alice).await.assert_state("idle");
    assert_eq!(bank.message_count().await, 0);
}

/// Nor has a flow by link.
pub async fn a_pin_for_a_flow_by_link_is_rejected(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    for _ in 0..6 {
        bob.send(flow.submit("48151623")).await.assert_problem(403, "pin-rejected");
    }
    flow.status(&bob).await.assert_live();
    bank.newest_link().await.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
}

const FOREIGN: [(&str, &str); 6] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-site", "something-new"),
    ("origin", "http://evil.example"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1:1"),
];
