//! When the user gets a message, and when not.

use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::{Accepted, Call, Capabilities, ScriptedAuthority, StartReply};
use crate::refusal::{Problem, Reason};
use crate::{Identity, Method, Operation, Requirement};

/// F42: twenty tabs, one message.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_start_one_flow() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let alice = alice();
    let requests: Vec<_> = (0..20).map(|_| world.request(&alice, bank())).collect();
    let mut flows = Vec::new();
    for request in requests {
        flows.push(request.await.flow());
    }
    flows.dedup();
    assert_eq!((flows.len(), world.authority.messages()), (1, 1));
}

/// F42, with the requests really at once.
#[tokio::test(flavor = "multi_thread")]
async fn racing_requests_start_one_flow() {
    let world = std::sync::Arc::new(World::new(ScriptedAuthority::pin(PIN)));
    let tabs: Vec<_> = (0..64)
        .map(|_| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { world.request(&alice(), bank()).await.flow() })
        })
        .collect();
    let mut flows = Vec::new();
    for tab in tabs {
        flows.push(tab.await.unwrap());
    }
    flows.sort();
    flows.dedup();
    assert_eq!((flows.len(), world.authority.messages()), (1, 1));
}

/// The same where the proof is spent by then, and the next flow is there.
#[tokio::test]
async fn a_double_click_that_looked_before_the_proof_came_sends_nothing() {
    let world = World::with(ScriptedAuthority::passwordless(), |builder| {
        builder.store(RemoteStore::default())
    });
    let (alice, once) = (alice(), bank().single_use());
    let flow = world.request(&alice, once.clone()).await.flow();
    let late = world.request(&alice, once.clone());
    let mut late = std::pin::pin!(late);
    // It has found nothing, and the answer is on its way.
    tokio::select! {
        biased;
        _ = &mut late => panic!("the store is on another machine"),
        () = async {} => {}
    }
    world.authority.approve();
    world.clock.advance(Duration::from_secs(2));
    world.endpoint(&alice, &format!("GET {flow}"), "").await;
    assert!(world.request(&alice, once.clone()).await.has_passed());
    assert_eq!(late.await.problem(), Problem::StepUpRequired(Reason::Spent));
    assert_eq!(world.authority.messages(), 1);
}

/// However far a request has come when another one's flow brings the proof, it goes through.
#[tokio::test(start_paused = true)]
async fn a_proof_that_comes_at_any_moment_lets_the_request_through() {
    for moment in 0..12 {
        let world = World::with(ScriptedAuthority::passwordless(), |builder| {
            builder.store(RemoteStore::default())
        });
        let alice = alice();
        let prefetch = world.request_with(&alice, bank(), &[("sec-purpose", "prefetch")]);
        let flow = prefetch.await.flow();
        let late = world.request_with(&alice, bank(), &[("prefer", "wait=30")]);
        let mut late = std::pin::pin!(late);
        for _ in 0..moment {
            tokio::select! {
                biased;
                outcome = &mut late => panic!("it has no proof: {outcome:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        // Unless the late one has done so.
        world.endpoint(&alice, &format!("POST {flow}/start"), "").await;
        world.authority.approve();
        world.clock.advance(Duration::from_secs(2));
        let shown = world.endpoint(&alice, &format!("GET {flow}"), "").await;
        assert_eq!(shown.json()["state"], "authenticated", "{moment}");
        let outcome = late.await;
        assert!(outcome.has_passed(), "{moment}: {outcome:?}");
        assert_eq!(world.authority.messages(), 1, "{moment}");
    }
}

/// The same where it brings a PIN: a flow that is over has no use for it.
#[tokio::test(start_paused = true)]
async fn a_pin_that_comes_when_the_flow_is_over_is_ignored() {
    let typed = format!(r#"{{"pin":"{PIN}"}}"#);
    for moment in 0..12 {
        let world = World::with(ScriptedAuthority::pin(PIN), |builder| {
            builder.store(RemoteStore::default())
        });
        let alice = alice();
        let flow = world.request(&alice, bank()).await.flow();
        let late = world.request_with(&alice, bank(), &[("flexsecure-pin", PIN)]);
        let mut late = std::pin::pin!(late);
        let mut outcome = None;
        for _ in 0..moment {
            tokio::select! {
                biased;
                done = &mut late, if outcome.is_none() => outcome = Some(done),
                () = tokio::task::yield_now() => {}
            }
        }
        world.endpoint(&alice, &format!("POST {flow}/pin"), &typed).await;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => late.await,
        };
        assert!(outcome.has_passed(), "{moment}: {outcome:?}");
        assert_eq!(world.authority.messages(), 1, "{moment}");
    }
}

/// F40: a client that leaves while the start is under way changes nothing.
#[tokio::test(start_paused = true)]
async fn a_start_goes_on_without_its_client() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.hold();
    let alice = alice();
    {
        let request = world.request(&alice, bank());
        let started = world.authority.wait_for(|calls| !calls.is_empty());
        tokio::select! {
            _ = request => panic!("the start is held"),
            () = started => {}
        }
    }
    world.authority.release();
    let (problem, said) = world.request(&alice, bank()).await.refused();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
    assert_eq!(said.json()["flow"]["state"], "started");
    assert_eq!(world.authority.starts(), 1);
}

/// F03: a refusal does not wait for a slow authority.
#[tokio::test(start_paused = true)]
async fn a_refusal_waits_two_seconds_for_the_start() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.hold();
    let before = tokio::time::Instant::now();
    let (_, said) = world.request(&alice(), bank()).await.refused();
    assert_eq!(before.elapsed().as_secs(), 2);
    assert_eq!(said.json()["flow"]["state"], "idle");
    assert!(said.json()["flow"].get("method").is_none());
}

#[tokio::test]
async fn neither_another_site_nor_a_prefetch_starts_anything_but_the_button_does() {
    for header in [("sec-fetch-site", "cross-site"), ("sec-purpose", "prefetch")] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        let refused = world.request_with(&alice(), bank(), &[header]).await;
        let flow = refused.flow();
        assert_eq!(world.authority.starts(), 0, "{header:?}");
        let started = world.endpoint(&alice(), &format!("POST {flow}/start"), "").await;
        assert_eq!((started.status(), &started.json()["state"]), (200, &"started".into()));
        assert_eq!(world.authority.messages(), 1);
    }
}

/// There is no message yet whose PIN it could be.
#[tokio::test]
async fn a_pin_without_a_started_flow_is_tried_nowhere() {
    for silent in [None, Some(("sec-purpose", "prefetch"))] {
        let world = World::new(ScriptedAuthority::pin(PIN));
        if let Some(header) = silent {
            world.request_with(&alice(), bank(), &[header]).await.flow();
        }
        let pin = [("flexsecure-pin", PIN)];
        let (problem, said) = world.request_with(&alice(), bank(), &pin).await.refused();
        assert_eq!(problem, Problem::StepUpRequired(Reason::Missing));
        assert_eq!(said.json()["flow"]["attempts_left"], 5);
        assert_eq!((world.authority.starts(), world.authority.checks()), (1, 0));
    }
}

#[tokio::test]
async fn a_repeat_of_what_was_just_done_starts_nothing() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let once = || bank().single_use();
    world.request(&alice(), once()).await.flow();
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), once(), &pin).await.has_passed());

    let (problem, said) = world.request(&alice(), once()).await.refused();
    assert_eq!(problem, Problem::StepUpRequired(Reason::Spent));
    assert_eq!(said.json()["flow"]["state"], "idle");
    assert_eq!(world.authority.messages(), 1);
}

#[tokio::test]
async fn a_message_can_be_sent_again_after_the_cool_down() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let start = format!("POST {flow}/start");

    let refused = world.endpoint(&alice(), &start, "").await;
    assert_eq!((refused.status(), refused.retry_after()), (429, Some(30)));
    assert_eq!(refused.json()["type"], "urn:flexsecure:problem:too-soon");
    assert_eq!(world.authority.starts(), 1);

    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.endpoint(&alice(), &start, "").await.status(), 200);
    assert_eq!(world.authority.starts(), 2);
    let refused = world.endpoint(&alice(), &start, "").await;
    assert_eq!((refused.status(), refused.retry_after()), (429, Some(60)));
}

/// T08: a user gets no more than five messages in ten minutes, whatever asks for them.
#[tokio::test]
async fn a_user_has_five_starts_in_ten_minutes() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    for session in 0..5 {
        let identity = Identity::new("alice", &session.to_string());
        world.request(&identity, bank()).await.flow();
    }
    let (problem, said) = world.request(&alice(), bank()).await.refused();
    assert_eq!((problem, said.retry_after()), (Problem::TooManyStarts, Some(600)));
    assert_eq!(world.authority.messages(), 5);

    // T65: a flow that is open is not touched by that.
    let own = Identity::new("alice", "3");
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&own, bank(), &pin).await.has_passed());
    world.request(&Identity::new("bob", "b"), bank()).await.flow();
}

/// T01, T02: an authority that repeats a start is told what is another: the session, and whatever of
/// an operation is not in its text.
#[tokio::test]
async fn no_two_flows_are_the_same_login() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let transfer =
        |amount: &str| bank().operation(Operation::new("Transfer").field("amount", amount));
    let elsewhere = Identity::new("alice", "another session");
    world.request(&alice(), transfer("1")).await.flow();
    world.request(&alice(), transfer("1000")).await.flow();
    world.request(&alice(), transfer("1").single_use()).await.flow();
    world.request(&elsewhere, transfer("1")).await.flow();
    let mut bindings: Vec<_> = world
        .authority
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Start { binding, .. } => Some(binding),
            Call::Check { .. } => None,
        })
        .collect();
    bindings.sort();
    bindings.dedup();
    assert_eq!(bindings.len(), 4);
}

/// Where the authority names no logins, an approval of one session's message would unlock another's
/// flow, or a large transfer in the place of a small one.
#[tokio::test]
async fn a_v1_login_is_held_by_one_session_and_operation() {
    let world = World::new(ScriptedAuthority::v1(None));
    let small = || bank().operation(Operation::new("Transfer 1"));
    let large = || bank().operation(Operation::new("Transfer 1000"));
    world.request(&alice(), small()).await.flow();

    let elsewhere = Identity::new("alice", "another session");
    for (identity, requirement) in [(alice(), large()), (elsewhere.clone(), small())] {
        let (problem, said) = world.request(&identity, requirement).await.refused();
        assert_eq!(problem, Problem::FlowInProgress);
        assert!(said.retry_after().is_some_and(|wait| wait > 500), "{said:?}");
    }
    assert_eq!(world.authority.messages(), 1);

    // Another system is another login, and so is it once the first is approved.
    world.request(&elsewhere, Requirement::system("vault")).await.flow();
    world.authority.approve();
    world.clock.advance(Duration::from_secs(2));
    assert!(world.request(&alice(), small()).await.has_passed());
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(
        world.request(&alice(), large()).await.problem(),
        Problem::StepUpRequired(Reason::Operation)
    );
}

/// A login is free again if no message of it went out, and only then.
#[tokio::test]
async fn a_v1_login_is_held_for_as_long_as_a_message_may_be_out() {
    let elsewhere = Identity::new("alice", "another session");
    for sent_nothing in [StartReply::Refused, StartReply::NotStarted { retry_after: None }] {
        let world = World::new(ScriptedAuthority::v1(None));
        world.authority.push_start(sent_nothing.clone());
        world.request(&alice(), bank()).await.problem();
        world.request(&elsewhere, bank()).await.flow();

        let world = World::new(ScriptedAuthority::v1(None));
        let flow = world.request(&alice(), bank()).await.flow();
        world.clock.advance(Duration::from_secs(30));
        world.authority.push_start(sent_nothing);
        world.endpoint(&alice(), &format!("POST {flow}/start"), "").await;
        assert_eq!(world.authority.starts(), 2);
        let problem = world.request(&elsewhere, bank()).await.problem();
        assert_eq!(problem, Problem::FlowInProgress);
    }
}

/// A v1 authority cannot withdraw a link, so giving up frees the login for nobody.
#[tokio::test]
async fn cancelling_does_not_free_a_v1_login() {
    let world = World::new(ScriptedAuthority::v1(None));
    let flow = world.request(&alice(), bank()).await.flow();
    assert_eq!(world.endpoint(&alice(), &format!("DELETE {flow}"), "").await.status(), 200);
    let elsewhere = Identity::new("alice", "another session");
    assert_eq!(world.request(&elsewhere, bank()).await.problem(), Problem::FlowInProgress);
    world.clock.advance(Duration::from_secs(607));
    world.request(&elsewhere, bank()).await.flow();
}

/// A v1 authority might count a check without a PIN as a wrong one.
#[tokio::test]
async fn a_v1_pin_flow_is_never_checked_without_a_pin() {
    let world = World::with(ScriptedAuthority::v1(Some(PIN)), |it| it.default_method(Method::Pin));
    let flow = world.request(&alice(), bank()).await.flow();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(5));
        world.endpoint(&alice(), &format!("GET {flow}"), "").await;
        world.request(&alice(), bank()).await.flow();
    }
    assert_eq!(world.authority.checks(), 0);
    let pin = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), bank(), &pin).await.has_passed());
    assert_eq!(world.authority.checks(), 1);
}

/// The method of a user whose authority does not tell it: the requirement's, the identity's, the
/// default.
#[tokio::test]
async fn an_untold_method_is_what_is_known_of_it() {
    let told = alice().with_method(Method::Pin);
    for (identity, requirement, default, expected) in [
        (alice(), bank().pin(), Method::Passwordless, "pin"),
        (told.clone(), bank().passwordless(), Method::Pin, "passwordless"),
        (told, bank(), Method::Passwordless, "pin"),
        (alice(), bank(), Method::Pin, "pin"),
        (alice(), bank(), Method::Passwordless, "passwordless"),
    ] {
        let world = World::with(ScriptedAuthority::v1(None), |it| it.default_method(default));
        let (_, said) = world.request(&identity, requirement).await.refused();
        assert_eq!(said.json()["flow"]["method"], expected);
    }
}

/// F06: nobody but the operator can mend a wrong key, and users asking do not make it right.
#[tokio::test]
async fn an_authority_that_refuses_our_key_is_asked_once_a_minute() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.answer_starts(|_| Some(StartReply::Misconfigured));
    for session in 0..3 {
        let identity = Identity::new("alice", &session.to_string());
        let (problem, said) = world.request(&identity, bank()).await.refused();
        assert_eq!((problem, said.retry_after()), (Problem::AuthorityUnavailable, Some(60)));
    }
    assert_eq!(world.authority.starts(), 1);
    world.clock.advance(Duration::from_secs(60));
    world.request(&alice(), bank()).await.problem();
    assert_eq!(world.authority.starts(), 2);
}

/// Unknown, unassigned, disabled: told alike, in the shape of any other refusal.
#[tokio::test]
async fn a_user_that_the_authority_refuses_gets_a_flow_that_is_over() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.push_start(StartReply::Refused);
    let (problem, said) = world.request(&alice(), bank()).await.refused();
    assert_eq!((problem, said.status()), (Problem::StepUpRequired(Reason::Refused), 401));
    let flow = &said.json()["flow"];
    assert_eq!((&flow["state"], &flow["over"]), (&"expired".into(), &"refused".into()));
}

/// F04: a second message is worse than none.
#[tokio::test]
async fn a_start_of_unknown_outcome_is_repeated_only_under_the_same_key() {
    for (idempotency, starts) in [(false, 1), (true, 2)] {
        let world = World::new(ScriptedAuthority::passwordless());
        let capabilities = Capabilities { idempotency, ..Capabilities::FULL };
        world.authority.set_capabilities(capabilities);
        world.authority.answer_starts(|_| Some(StartReply::Unknown));
        let (_, said) = world.request(&alice(), bank()).await.refused();
        assert_eq!(said.json()["flow"]["state"], "started");
        world.request(&alice(), bank()).await.problem();
        assert_eq!(world.authority.starts(), starts);
    }
}

/// An authority that names logins is never asked about one whose name was not heard: the answer would be
/// that of the user's latest login, be it another session's or for another operation.
#[tokio::test]
async fn an_approval_is_not_taken_by_a_flow_that_has_no_name_for_its_login() {
    for authority in [ScriptedAuthority::passwordless(), ScriptedAuthority::pin(PIN)] {
        let world = World::new(authority);
        world.authority.push_start(StartReply::Unknown);
        world.authority.push_start(StartReply::Unknown);
        let elsewhere = Identity::new("alice", "another session of alice");
        let flow = world.request(&elsewhere, bank()).await.flow();
        world.request(&alice(), bank()).await.problem();
        world.authority.approve();
        world.clock.advance(Duration::from_secs(2));
        let shown = world.endpoint(&elsewhere, &format!("GET {flow}"), "").await;
        assert_eq!(shown.json()["state"], "started");
        let pin = format!(r#"{{"pin":"{PIN}"}}"#);
        let typed = world.endpoint(&elsewhere, &format!("POST {flow}/pin"), &pin).await;
        assert_eq!((typed.status(), typed.retry_after()), (503, Some(5)));
        world.request(&elsewhere, bank()).await.problem();
        assert_eq!(world.authority.checks(), 0);
    }
}

#[tokio::test]
async fn what_the_authority_tells_of_a_start_is_in_the_refusal() {
    let world = World::new(ScriptedAuthority::passwordless());
    let accepted = Accepted::default()
        .txn(crate::authority::Txn::new("t"))
        .method(Method::Passwordless)
        .match_number(crate::authority::MatchNumber::parse("07").unwrap())
        .expires_in(Duration::from_secs(120))
        .interval(Duration::from_secs(3));
    world.authority.push_start(StartReply::Accepted(accepted));
    let (_, said) = world.request(&alice(), bank()).await.refused();
    let flow = said.json()["flow"].clone();
    assert_eq!(flow["method"], "passwordless");
    assert_eq!(flow["match"], "07");
    assert_eq!((&flow["expires_in"], &flow["interval"]), (&120.into(), &3.into()));
    assert!(flow.get("attempts_left").is_none());
}
