//! One flow on several nodes, which have nothing in common but the store.

use std::time::Duration;

use tokio::time::Instant;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;

/// Started on one, answered on a second, waited for on a third, repeated on a fourth. An authority
/// that knows only v1 is not polled for a PIN, so nobody but the store has news.
#[tokio::test(start_paused = true)]
async fn who_waits_on_another_node_learns_of_the_end_at_once() {
    let [first, second, third, fourth] = nodes();
    let (alice, needs) = (alice(), bank().pin());
    let flow = first.request(&alice, needs.clone()).await.flow();
    let (show, submit) = (format!("GET {flow}"), format!("POST {flow}/pin"));
    let pin = format!(r#"{{"pin":"{PIN}"}}"#);
    let begun = Instant::now();
    let waiting = third.endpoint_with(&alice, &show, "", &[("prefer", "wait=30")]);
    let (shown, submitted) = tokio::join!(waiting, async {
        tokio::time::sleep(A_WHILE).await;
        second.endpoint(&alice, &submit, &pin).await
    });
    assert_eq!(submitted.json()["state"], "authenticated");
    assert_eq!(shown.json()["state"], "authenticated");
    assert_eq!(begun.elapsed().as_secs(), A_WHILE.as_secs());
    assert!(fourth.request(&alice, needs).await.has_passed());
    assert_eq!((first.authority.messages(), first.authority.checks()), (1, 1));
}

/// A logout on one node ends the waiting on another.
#[tokio::test(start_paused = true)]
async fn who_waits_on_another_node_learns_of_a_revocation_at_once() {
    let [first, second, ..] = nodes();
    let alice = alice();
    let flow = first.request(&alice, bank().pin()).await.flow();
    let show = format!("GET {flow}");
    let begun = Instant::now();
    let waiting = second.endpoint_with(&alice, &show, "", &[("prefer", "wait=30")]);
    let (shown, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(A_WHILE).await;
        first.gate.revoke_session("the session of alice").await.unwrap();
    });
    assert_eq!(shown.status(), 404);
    assert_eq!(begun.elapsed().as_secs(), A_WHILE.as_secs());
}

fn nodes() -> [World; 4] {
    let (authority, store) = (ScriptedAuthority::v1(Some(PIN)), RemoteStore::default());
    [(); 4].map(|()| World::with(authority.clone(), |builder| builder.store(store.clone())))
}

/// Time stands still unless everybody waits for it, so who is to wait does by then.
const A_WHILE: Duration = Duration::from_secs(1);
