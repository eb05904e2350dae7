//! How a flow starts and ends in the trail: each end once, whoever notices and whoever leaves.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::remote::RemoteStore;
use super::trail::{Trail, accepted, refused};
use super::world::{PIN, World, alice, bank};
use crate::Method;
use crate::audit::{End, Kind, StartOutcome};
use crate::authority::{CheckReply, ScriptedAuthority, SecurityErrorReason, StartReply};
use crate::flow::Over;
use crate::refusal::{Problem, Reason};

#[tokio::test]
async fn every_answer_to_a_start_is_told_with_the_number_of_its_message() {
    for (reply, outcome) in [
        (StartReply::Refused, StartOutcome::Refused),
        (StartReply::NotStarted { retry_after: None }, StartOutcome::NotStarted),
        (StartReply::Unknown, StartOutcome::Unknown),
    ] {
        let (world, trail) = Trail::of(ScriptedAuthority::v1(Some(PIN)));
        world.authority.push_start(reply);
        world.request(&alice(), bank()).await.problem();
        assert_eq!(trail.take_kinds()[1], Kind::Started { message: 1, outcome });
    }

    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    world.authority.push_start(StartReply::Unknown);
    let flow = world.request(&alice(), bank()).await.flow();
    world.clock.advance(Duration::from_secs(30));
    world.endpoint(&alice(), &format!("POST {flow}/start"), "").await;
    let unknown = Kind::Started { message: 1, outcome: StartOutcome::Unknown };
    let missing = refused(Reason::Missing);
    assert_eq!(
        trail.take_kinds(),
        [Kind::FlowOpened, unknown, accepted(1), missing, accepted(2)],
        "a start that is repeated is the same message"
    );
}

#[tokio::test]
async fn an_authority_that_refuses_us_is_told_once_a_minute() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    world.authority.push_start(StartReply::Misconfigured);
    world.request(&alice(), bank()).await.problem();
    world.request(&alice(), bank()).await.problem();
    let outcome = StartOutcome::Misconfigured;
    let unavailable = Kind::Refused(Problem::AuthorityUnavailable);
    assert_eq!(
        trail.take_kinds(),
        [
            Kind::FlowOpened,
            Kind::Started { message: 1, outcome },
            Kind::Ended { end: End::Over(Over::Refused), polls: 0 },
            Kind::Misconfigured,
            unavailable,
            unavailable,
        ]
    );
}

#[tokio::test]
async fn every_end_of_a_flow_is_told() {
    for over in [Over::Timeout, Over::Attempts, Over::Refused, Over::Declined, Over::Cancelled] {
        let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
        let flow = world.request(&alice(), bank()).await.flow();
        trail.take();
        let (show, cancel) = (format!("GET {flow}"), format!("DELETE {flow}"));
        let reason = match over {
            Over::Attempts => Some(SecurityErrorReason::Attempts),
            Over::Declined => Some(SecurityErrorReason::Declined),
            Over::Timeout | Over::Refused | Over::Cancelled => None,
        };
        if over == Over::Timeout {
            world.clock.advance(Duration::from_secs(400));
        } else {
            world.authority.push_check(CheckReply::SecurityError { attempts_left: None, reason });
        }
        let request = if over == Over::Cancelled { &cancel } else { &show };
        assert_eq!(world.endpoint(&alice(), request, "").await.json()["over"], over.as_str());
        let polls = u32::from(!matches!(over, Over::Timeout | Over::Cancelled));
        assert_eq!(trail.take_kinds(), [Kind::Ended { end: End::Over(over), polls }]);

        // And only once, whoever looks after.
        for request in [&show, &cancel, &format!("POST {flow}/start")] {
            world.endpoint(&alice(), request, "").await;
        }
        let over = Kind::Refused(Problem::FlowOver);
        assert_eq!(trail.take_kinds(), [over, over]);
    }
}

#[tokio::test]
async fn the_last_wrong_pin_is_told_before_the_end_it_makes() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    for _ in 0..5 {
        trail.take();
        world.endpoint(&alice(), &format!("POST {flow}/pin"), r#"{"pin":"11111111"}"#).await;
    }
    assert_eq!(
        trail.take_kinds(),
        [
            Kind::PinRejected { attempts_left: 0 },
            Kind::Ended { end: End::Over(Over::Attempts), polls: 0 },
            Kind::Refused(Problem::PinRejected),
        ]
    );
}

/// Two nodes, eight tasks that wait and ask, one end, and all checks of both in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_many_poll_ends_once_with_the_count_of_all_polls() {
    for is_approved in [true, false] {
        let (store, trail) = (RemoteStore::default(), Trail::default());
        let authority = ScriptedAuthority::passwordless();
        let node = || {
            let (store, trail) = (store.clone(), trail.clone());
            World::with(authority.clone(), |builder| builder.store(store).audit(trail))
        };
        let nodes = [Arc::new(node()), Arc::new(node())];
        let flow = nodes[0].request(&alice(), bank()).await.flow();
        for second in 1..60 {
            let polls = (0..8).map(|task| {
                let (world, flow) = (Arc::clone(&nodes[task % 2]), flow.clone());
                tokio::spawn(async move {
                    world.endpoint(&alice(), &format!("GET {flow}"), "").await.status()
                })
            });
            for poll in polls.collect::<Vec<_>>() {
                assert_eq!(poll.await.unwrap(), 200);
            }
            let pause = if second == 59 { 600 } else { 1 };
            if is_approved && second == 30 {
                authority.approve();
            }
            nodes.iter().for_each(|world| world.clock.advance(Duration::from_secs(pause)));
        }
        for world in nodes.iter().cycle().take(8) {
            world.endpoint(&alice(), &format!("GET {flow}"), "").await;
        }
        let is_end = |kind: &Kind| matches!(kind, Kind::Ended { .. });
        let ends: Vec<_> = trail.take_kinds().into_iter().filter(is_end).collect();
        let end = match is_approved {
            true => End::Authenticated(Method::Passwordless),
            false => End::Over(Over::Timeout),
        };
        let polls = u32::try_from(authority.checks()).unwrap();
        assert!(polls > 5);
        assert_eq!(ends, [Kind::Ended { end, polls }]);
    }
}

/// A time-out is noticed by who waits for it, and by an answer that comes too late.
#[tokio::test(start_paused = true)]
async fn a_late_answer_brings_the_end_it_is_too_late_for_to_notice() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    trail.take();
    world.authority.hold();
    let (alice, submit) = (alice(), format!("POST {flow}/pin"));
    let typed = format!(r#"{{"pin":"{PIN}"}}"#);
    let submitted = world.endpoint(&alice, &submit, &typed);
    let meanwhile = async {
        world.authority.wait_for(|calls| calls.len() == 2).await;
        world.clock.advance(Duration::from_secs(400));
        world.authority.release();
    };
    let (said, ()) = tokio::join!(submitted, meanwhile);
    assert_eq!(said.json()["type"], "urn:flexsecure:problem:flow-over");
    let ended = Kind::Ended { end: End::Over(Over::Timeout), polls: 0 };
    assert_eq!(trail.take_kinds(), [ended, Kind::Refused(Problem::FlowOver)]);
}

/// F40: what a flow does is told even if its client has left.
#[tokio::test(start_paused = true)]
async fn a_start_is_told_without_its_client() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    world.authority.hold();
    let alice = alice();
    tokio::select! {
        _ = world.request(&alice, bank()) => panic!("the start is held"),
        () = world.authority.wait_for(|calls| !calls.is_empty()) => {}
    }
    assert_eq!(trail.take_kinds(), [Kind::FlowOpened]);
    world.authority.release();
    world.request(&alice, bank()).await.flow();
    assert_eq!(trail.take_kinds(), [accepted(1), refused(Reason::Missing)]);
}

/// All of them find the flow before the first of them stores its end.
#[tokio::test]
async fn a_time_out_that_many_notice_at_once_is_told_once() {
    let (store, trail) = (RemoteStore::default(), Trail::default());
    let authority = ScriptedAuthority::pin(PIN);
    let world = World::with(authority, |it| it.store(store).audit(trail.clone()));
    let flow = world.request(&alice(), bank()).await.flow();
    world.clock.advance(Duration::from_secs(400));
    trail.take();
    let (alice, request) = (alice(), format!("GET {flow}"));
    let show = || world.endpoint(&alice, &request, "");
    let (a, b, c, d) = tokio::join!(show(), show(), show(), show());
    assert!([a, b, c, d].iter().all(|said| said.json()["over"] == "timeout"));
    assert_eq!(trail.take_kinds(), [Kind::Ended { end: End::Over(Over::Timeout), polls: 0 }]);
}

/// However far a request has come when its client leaves: what it ended is told.
#[tokio::test]
async fn an_end_is_told_without_the_client_that_made_it() {
    for (over, request) in [(Over::Cancelled, "DELETE"), (Over::Timeout, "GET")] {
        for polls in 1..12 {
            let (store, trail) = (RemoteStore::default(), Trail::default());
            let authority = ScriptedAuthority::pin(PIN);
            let audit = trail.clone();
            let world = World::with(authority, |builder| builder.store(store).audit(audit));
            let flow = world.request(&alice(), bank()).await.flow();
            if over == Over::Timeout {
                world.clock.advance(Duration::from_secs(400));
            }
            trail.take();
            let alice = alice();
            leave_after(polls, world.endpoint(&alice, &format!("{request} {flow}"), "")).await;
            let told = trail.take_kinds();
            // Nobody else ends it, if that has not begun.
            world.endpoint(&alice, &format!("DELETE {flow}"), "").await;
            let is_end = |kind: &Kind| matches!(kind, Kind::Ended { .. });
            let ends: Vec<_> = told.into_iter().chain(trail.take_kinds()).filter(is_end).collect();
            let end = End::Over(over);
            assert_eq!(ends, [Kind::Ended { end, polls: 0 }], "{request}, {polls} times");
        }
    }
}

/// Looks `polls` times after `request`, and gives all that it has begun time to finish.
async fn leave_after(polls: usize, request: impl Future) {
    {
        let mut request = pin!(request);
        for _ in 0..polls {
            let once = std::future::poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx)));
            if once.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
