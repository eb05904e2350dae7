//! v1 binds nothing, so one user of one system has one flow at a time (T01, T02).

use super::{done, transfer};
use crate::client::Request;
use crate::legacy::{Legacy, Variant, Verb};
use crate::subject::Launch;

/// T01: a second session has to wait, or it could take the first one's approval.
pub async fn another_session_has_to_wait(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let (mut bob, mut other) = (bank.login("bob").await, bank.login("bob").await);
    let flow = bob.get("/statements").await.refused("missing");
    for _ in 0..3 {
        let answer = other.get("/statements").await;
        answer.assert_problem(409, "flow-in-progress");
        assert!(answer.retry_after() <= A_LINK_AND_A_BIT, "{answer:?}");
    }
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
    legacy.approve("bank", "bob");
    assert_ne!(other.get("/statements").await.status, 200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.get("/statements").await.assert_status(200);
    assert_ne!(other.get("/statements").await.status, 200);
}

/// T02: so has another operation, or a small transfer could approve a large one.
pub async fn another_operation_has_to_wait(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.send(transfer("alice", 100)).await.refused("missing");
    let answer = bob.send(transfer("alice", 9_999)).await;
    answer.assert_problem(409, "flow-in-progress");
    assert!(answer.retry_after() <= A_LINK_AND_A_BIT, "{answer:?}");
    legacy.approve("bank-transfers", "bob");
    assert_ne!(bob.send(transfer("alice", 9_999)).await.status, 201);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.send(transfer("alice", 100)).await.assert_status(201);
    assert_ne!(bob.send(transfer("alice", 9_999)).await.status, 201);
    assert_eq!(done(&bob).await, ["100.00"]);
}

/// Other systems and other users are other logins.
pub async fn another_system_or_user_need_not_wait(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let (mut bob, mut alice) = (bank.login("bob").await, bank.login("alice").await);
    let statements = bob.get("/statements").await.refused("missing");
    let transfers = bob.send(transfer("alice", 100)).await.refused("missing");
    let others = alice.get("/statements").await.refused("missing");
    legacy.approve("bank-transfers", "bob");
    bob.send(Request::get(transfers.url()).wait(30)).await.flow().assert_state("authenticated");
    statements.status(&bob).await.assert_live();
    others.status(&alice).await.assert_live();
}

/// A login that has been used makes room for the next.
pub async fn who_waits_is_served_when_the_first_is_through(launch: &Launch) {
    let legacy = Legacy::start(Variant { once: true, ..Variant::default() }).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let (mut bob, mut other) = (bank.login("bob").await, bank.login("bob").await);
    let flow = bob.get("/statements").await.refused("missing");
    other.get("/statements").await.assert_problem(409, "flow-in-progress");
    legacy.approve("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    let next = other.get("/statements").await.refused("missing");
    next.assert_live();
    assert_eq!(legacy.calls_to(Verb::Start).len(), 2);
    legacy.approve("bank", "bob");
    other.send(Request::get(next.url()).wait(30)).await.flow().assert_state("authenticated");
}

/// v1 cannot withdraw a link, so cancelling makes no room for others.
pub async fn a_cancelled_flow_makes_no_room_for_others(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let (mut bob, mut other) = (bank.login("bob").await, bank.login("bob").await);
    let flow = bob.get("/statements").await.refused("missing");
    bob.send(flow.cancel()).await.flow().assert_over("cancelled");
    other.get("/statements").await.assert_problem(409, "flow-in-progress");
    legacy.approve("bank", "bob");
    assert_ne!(other.get("/statements").await.status, 200);
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
}

/// A flow that nobody has started holds nothing.
pub async fn an_idle_flow_keeps_nobody_waiting(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let (mut bob, mut other) = (bank.login("bob").await, bank.login("bob").await);
    let request = Request::get("/statements").header("sec-fetch-site", "cross-site");
    bob.send(request).await.refused("missing").assert_state("idle");
    assert_eq!(legacy.calls_to(Verb::Start).len(), 0);
    other.get("/statements").await.refused("missing").assert_live();
    assert_eq!(legacy.calls_to(Verb::Start).len(), 1);
}

/// The authority says that the time is over.
pub async fn a_login_that_expires_ends_the_flow(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.expire("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_over("timeout");
    legacy.approve("bank", "bob");
    flow.status(&bob).await.assert_over("timeout");
}

/// The same by PIN.
pub async fn a_pin_that_comes_too_late_ends_the_flow(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().set("STEP_UP_DEFAULT_METHOD", "pin").with_legacy(&legacy);
    let bank = bank.start().await;
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    legacy.expire("bank", "alice");
    let answer = alice.send(flow.submit(Legacy::PIN)).await;
    answer.assert_problem(409, "flow-over");
    answer.flow_within().assert_over("timeout");
}

/// `security error` on a check without a PIN is a refusal.
pub async fn a_security_error_on_a_link_ends_the_flow(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    legacy.refuse("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_over("refused");
}

/// T31: `security error` on a start is a refusal of the user, told as our own authority's.
pub async fn a_security_error_on_a_start_refuses_the_user(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    legacy.refuse("bank", "carol");
    let mut carol = bank.login("carol").await;
    carol.get("/statements").await.refused("refused").assert_over("refused");
    let mut bob = bank.login("bob").await;
    bob.get("/statements").await.refused("missing").assert_live();
}

/// The lifetime of a link, counted from the latest that it can have been sent.
const A_LINK_AND_A_BIT: u64 = 610;
