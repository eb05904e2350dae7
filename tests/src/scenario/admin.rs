//! A whole scope behind one requirement (T13).

use serde_json::json;

use crate::client::{Client, Request};
use crate::subject::Subject;

/// T13: nothing in the scope answers without a PIN, not even what is not there.
pub async fn the_whole_scope_takes_a_pin(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let mut flow = None;
    for request in inside() {
        let answer = alice.send(request).await;
        let opened = answer.refused("missing");
        assert_eq!(answer.json()["system"], "bank-admin");
        assert_eq!(answer.json()["max_age"], 60);
        let id = flow.get_or_insert_with(|| opened.clone()).id().to_owned();
        assert_eq!(id, opened.id(), "one flow for the whole scope");
    }
    assert_eq!(bank.message_count().await, 1);
    let pin = bank.newest_pin().await;
    let flow = flow.expect("a flow");
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    assert_eq!(statuses(&mut alice).await, [200, 200, 200, 404, 404, 404, 404]);
}

/// T09: who usually has a link has a PIN here.
pub async fn a_user_of_links_has_a_pin_here(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/admin/users").await.refused("missing");
    assert_eq!(flow.field("method"), Some(&json!("pin")));
    let pin = bank.newest_pin().await;
    bob.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    bob.get("/admin/users").await.assert_status(200);
}

/// T09: a link to the statements opens no other door.
pub async fn a_proof_by_link_elsewhere_does_not_do_here(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    bank.newest_link().await.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
    assert_eq!(statuses(&mut bob).await, [401; 7]);
}

/// A user whom the authority does not know here is refused here.
pub async fn a_user_without_the_system_stays_outside(bank: &Subject) {
    let mut carol = bank.login("carol").await;
    carol.get("/admin/users").await.refused("refused").assert_over("refused");
    assert_eq!(bank.message_count().await, 0);
}

async fn statuses(client: &mut Client) -> Vec<u16> {
    let mut statuses = Vec::new();
    for request in inside() {
        statuses.push(client.send(request).await.status);
    }
    statuses
}

fn inside() -> [Request; 7] {
    [
        Request::get("/admin/users"),
        Request::post("/admin/freeze").json(&json!({"user": "bob"})),
        Request::new("DELETE", "/admin/users/bob"),
        Request::get("/admin"),
        Request::get("/admin/"),
        Request::get("/admin/zzz"),
        Request::post("/admin/zzz/y").json(&json!({})),
    ]
}
