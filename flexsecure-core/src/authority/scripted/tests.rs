use std::time::Duration;

use super::*;
use crate::Pin;
use crate::authority::{Accepted, Origin, SecurityErrorReason, Txn};

async fn start(authority: &ScriptedAuthority, auth_id: &str, key: &str) -> StartReply {
    let origin = Origin::default();
    let request = StartRequest {
        system: "bank",
        auth_id,
        operation: None,
        origin: &origin,
        idempotency_key: key,
        binding: "session-1",
    };
    authority.start(request).await
}

async fn check(authority: &ScriptedAuthority, auth_id: &str, txn: Option<&Txn>) -> CheckReply {
    let hold = Duration::ZERO;
    authority.check(CheckRequest { system: "bank", auth_id, txn, pin: None, hold }).await
}

async fn check_pin(authority: &ScriptedAuthority, digits: &str) -> CheckReply {
    let pin = Pin::parse(digits).unwrap();
    let request = CheckRequest {
        system: "bank",
        auth_id: "alice",
        txn: None,
        pin: Some(&pin),
        hold: Duration::ZERO,
    };
    authority.check(request).await
}

fn accepted(reply: StartReply) -> Accepted {
    let StartReply::Accepted(accepted) = reply else { panic!("{reply:?}") };
    accepted
}

#[tokio::test]
async fn an_approval_is_of_one_users_logins() {
    let authority = ScriptedAuthority::passwordless();
    let alice = accepted(start(&authority, "alice", "1").await).txn;
    let bob = accepted(start(&authority, "bob", "2").await).txn;
    assert_ne!(alice, bob);
    assert_eq!(check(&authority, "alice", alice.as_ref()).await, CheckReply::Pending);
    authority.approve_user("alice");
    assert_eq!(check(&authority, "alice", alice.as_ref()).await, CheckReply::Authenticated);
    assert_eq!(check(&authority, "bob", bob.as_ref()).await, CheckReply::Pending);
    let stolen = check(&authority, "bob", alice.as_ref()).await;
    assert!(matches!(stolen, CheckReply::SecurityError { .. }));
}

#[tokio::test]
async fn an_approval_is_of_what_was_sent_before_it() {
    let authority = ScriptedAuthority::passwordless();
    authority.approve();
    let txn = accepted(start(&authority, "alice", "1").await).txn;
    assert_eq!(check(&authority, "alice", txn.as_ref()).await, CheckReply::Pending);
}

#[tokio::test]
async fn a_repeated_start_sends_nothing() {
    let authority = ScriptedAuthority::passwordless();
    authority.push_start(StartReply::Unknown);
    assert_eq!(start(&authority, "alice", "1").await, StartReply::Unknown);
    let first = accepted(start(&authority, "alice", "1").await);
    assert_eq!(accepted(start(&authority, "alice", "1").await), first);
    assert_eq!((authority.starts(), authority.messages()), (3, 1));
    start(&authority, "alice", "2").await;
    assert_eq!(authority.messages(), 2);

    let v1 = ScriptedAuthority::v1(None);
    start(&v1, "alice", "1").await;
    start(&v1, "alice", "1").await;
    assert_eq!(v1.messages(), 2);
}

#[tokio::test]
async fn pins_are_compared_five_times() {
    let authority = ScriptedAuthority::pin("12345678");
    start(&authority, "alice", "1").await;
    authority.approve();
    assert_eq!(check(&authority, "alice", None).await, CheckReply::Pending);
    for left in (0..5).rev() {
        let reply = check_pin(&authority, "00000000").await;
        let CheckReply::SecurityError { attempts_left, reason } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(attempts_left, Some(left));
        assert_eq!(reason == Some(SecurityErrorReason::Attempts), left == 0);
    }
    assert_ne!(check_pin(&authority, "12345678").await, CheckReply::Authenticated);
    let calls = authority.calls();
    assert!(calls.last().unwrap().pin_is("12345678") && !calls.last().unwrap().pin_is("00000000"));
    assert!(!format!("{calls:?} {authority:?}").contains("12345678"));
}

#[tokio::test]
async fn a_v1_authority_tells_nothing_and_counts_every_check() {
    let authority = ScriptedAuthority::v1(Some("12345678"));
    let told = accepted(start(&authority, "alice", "1").await);
    assert_eq!(told, Accepted::default());
    let refused = CheckReply::SecurityError { attempts_left: None, reason: None };
    for _ in 0..5 {
        assert_eq!(check(&authority, "alice", None).await, refused);
    }
    assert_eq!(check_pin(&authority, "12345678").await, refused);
}

#[tokio::test]
async fn answers_are_held_back_until_released() {
    let authority = ScriptedAuthority::passwordless();
    authority.hold();
    let calls: Vec<_> = (0..3)
        .map(|n| {
            let authority = authority.clone();
            tokio::spawn(async move { start(&authority, "alice", &n.to_string()).await })
        })
        .collect();
    authority.wait_for(|calls| calls.len() == 3).await;
    assert_eq!((authority.messages(), authority.most_in_flight()), (3, 3));
    assert!(calls.iter().all(|call| !call.is_finished()));
    authority.release_one();
    while !calls.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.iter().filter(|call| call.is_finished()).count(), 1);
    authority.release();
    for call in calls {
        accepted(call.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_is_held_until_something_changes() {
    let authority = ScriptedAuthority::passwordless();
    start(&authority, "alice", "1").await;
    let hold = Duration::from_secs(60);
    let request = CheckRequest { system: "bank", auth_id: "alice", txn: None, pin: None, hold };
    let began = Instant::now();
    assert_eq!(authority.check(request).await, CheckReply::Pending);
    assert_eq!(began.elapsed().as_secs(), 30);
    let (reply, ()) = tokio::join!(authority.check(request), async { authority.approve() });
    assert_eq!(reply, CheckReply::Authenticated);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn replies_are_scripted_one_by_one_or_by_rule() {
    let authority = ScriptedAuthority::passwordless();
    let down = CheckReply::Unavailable { retry_after: None, sent: true };
    authority.answer_checks(move |call| (call.auth_id() == "alice").then_some(down));
    authority.push_check(CheckReply::Expired);
    start(&authority, "bob", "1").await;
    assert_eq!(check(&authority, "alice", None).await, CheckReply::Expired);
    assert_eq!(check(&authority, "alice", None).await, down);
    assert_eq!(check(&authority, "bob", None).await, CheckReply::Pending);
    authority.answer_starts(|_| Some(StartReply::Refused));
    assert_eq!(start(&authority, "bob", "2").await, StartReply::Refused);
    assert_eq!((authority.starts(), authority.checks(), authority.messages()), (2, 3, 1));
}
