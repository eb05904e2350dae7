//! What the trail of a gate has: every refusal, start, end and use, and no more.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::remote::RemoteStore;
use super::trail::Trail;
use super::world::{PIN, World, alice, bank};
use crate::audit::{Audit, End, Event, Kind, Revocation, SessionTag, StartOutcome};
use crate::authority::{CheckReply, ScriptedAuthority, SecurityErrorReason, StartReply};
use crate::flow::Over;
use crate::policy::{Annotate, Decision, Facts, OnDemand, asynchronous};
use crate::refusal::{Problem, Reason};
use crate::{
    Check, Clock, Gate, Identity, Method, Operation, Pass, PlainRequest, Policy, RequestView,
    SessionKey, Verdict,
};

#[tokio::test]
async fn a_whole_story_is_told_and_nothing_beside() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let once = || bank().single_use();
    world.request(&alice(), once()).await.flow();
    let wrong = [("flexsecure-pin", "11111111")];
    assert_eq!(world.request_with(&alice(), once(), &wrong).await.problem(), Problem::PinRejected);
    let right = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), once(), &right).await.has_passed());
    assert_eq!(
        trail.take_kinds(),
        [
            Kind::FlowOpened,
            accepted(1),
            refused(Reason::Missing),
            Kind::PinRejected { attempts_left: 4 },
            Kind::Refused(Problem::PinRejected),
            Kind::Ended { end: End::Authenticated(Method::Pin), polls: 0 },
            Kind::Consumed,
        ]
    );
}

/// The way that most requests take leaves no trace, and neither do a poll and a question.
#[tokio::test]
async fn neither_a_request_that_may_come_again_nor_a_poll_is_told() {
    let (world, trail) = Trail::of(ScriptedAuthority::passwordless());
    let flow = world.request(&alice(), bank()).await.flow();
    trail.take();
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(5));
        assert_eq!(world.endpoint(&alice(), &format!("GET {flow}"), "").await.status(), 200);
    }
    world.gate.probe(&alice(), bank()).await.unwrap();
    world.gate.explain(&bank(), &GET, Some(&alice())).await;
    assert_eq!(trail.take_kinds(), []);

    world.authority.approve();
    world.clock.advance(Duration::from_secs(5));
    assert!(world.request(&alice(), bank()).await.has_passed());
    let end = End::Authenticated(Method::Passwordless);
    assert_eq!(trail.take_kinds(), [Kind::Ended { end, polls: 6 }]);
    assert_eq!(world.authority.checks(), 6);
    for _ in 0..5 {
        assert!(world.request(&alice(), bank()).await.has_passed());
    }
    assert_eq!(trail.take_kinds(), []);
}

#[tokio::test]
async fn an_event_says_when_who_where_from_and_what_for() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let policy: Arc<dyn Policy> =
        Arc::new(bank().single_use().operation(Operation::new("Transfer 1 EUR")));
    ask(&world, &policy, "192.0.2.7", &[]).await;
    ask(&world, &policy, "192.0.2.8", &[("flexsecure-pin", "11111111")]).await;
    ask(&world, &policy, "192.0.2.9", &[("flexsecure-pin", PIN)]).await;
    let told = trail.take();
    let flow = told[0].json["flow"].clone();
    let tag = SessionTag::of(&SessionKey::of("the session of alice")).to_string();
    assert_eq!(tag.len(), 8);
    // A flow goes on in the name of who opened it; a PIN and a proof have their own senders.
    for (told, peer) in told.iter().zip([7, 7, 7, 8, 8, 7, 9]) {
        let told = &told.json;
        assert_eq!(told["at"], world.clock.now().as_millis());
        assert_eq!((&told["auth_id"], &told["session"]), (&json!("alice"), &json!(tag)));
        assert_eq!(told["address"], format!("192.0.2.{peer}"), "{told}");
        assert_eq!((&told["flow"], &told["system"]), (&flow, &json!("bank")), "{told}");
        assert_eq!(told["operation"], "Transfer 1 EUR");
    }
    assert_eq!(told[2].json["event"], "refused");
    assert_eq!(told[2].json["problem"], "step-up-required");
    assert_eq!(told[2].json["reason"], "missing");
    assert_eq!(told[3].json["attempts_left"], 4);
    assert_eq!(
        (&told[5].json["end"], &told[5].json["method"]),
        (&"authenticated".into(), &"pin".into())
    );
}

#[tokio::test]
async fn a_refusal_that_takes_no_flow_is_told() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let anybody: Arc<dyn Policy> = Arc::new(bank());
    let Check::Done(_) = world.gate.check(&anybody, &GET, None) else { panic!() };
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Refused(Problem::IdentificationRequired));
    assert_eq!((&told.json["system"], told.json.get("auth_id")), (&json!("bank"), None));

    let denies = |_: &Facts<'_>| Decision::Deny;
    assert_eq!(world.request(&alice(), denies).await.problem(), Problem::Denied);
    assert_eq!(trail.take_one().kind, Kind::Refused(Problem::Denied));

    let late = asynchronous(|_| async { Ok::<_, std::fmt::Error>(Decision::Deny) });
    assert_eq!(world.request(&alice(), late).await.problem(), Problem::Denied);
    assert_eq!(trail.take_one().kind, Kind::Refused(Problem::Denied));

    let fails = asynchronous(|_| async { Err::<Decision<'_>, _>(std::fmt::Error) });
    assert_eq!(world.request(&alice(), fails).await.problem(), Problem::PolicyUnavailable);
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Refused(Problem::PolicyUnavailable));
    assert_eq!(told.json["auth_id"], "alice");
}

#[tokio::test]
async fn what_a_handler_asks_for_is_told_as_for_a_route() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let policy: Arc<dyn Policy> = Arc::new(OnDemand);
    let pin = [("flexsecure-pin", PIN)];
    let request = PlainRequest { headers: &pin, ..GET };
    let ask = || match world.gate.check(&policy, &request, Some(&alice())) {
        Check::Done(Verdict::Pass(Pass::OnDemand(ask))) => ask,
        check @ (Check::Done(_) | Check::Pending(_)) => panic!("{check:?}"),
    };
    assert_eq!(ask().deny().problem(), Problem::Denied);
    assert_eq!(trail.take_one().kind, Kind::Refused(Problem::Denied));
    assert!(ask().require(bank().single_use()).await.is_err());
    assert_eq!(trail.take_kinds(), [Kind::FlowOpened, accepted(1), refused(Reason::Missing)]);
    assert!(ask().require(bank().single_use()).await.is_ok());
    let end = End::Authenticated(Method::Pin);
    assert_eq!(trail.take_kinds(), [Kind::Ended { end, polls: 0 }, Kind::Consumed]);
}

#[tokio::test]
async fn an_outage_and_a_limit_are_told() {
    let store = RemoteStore::default();
    let (is_down, trail) = (Arc::clone(&store.is_down), Trail::default());
    let authority = ScriptedAuthority::pin(PIN);
    let world = World::with(authority, |builder| builder.store(store).audit(trail.clone()));
    is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.request(&alice(), bank()).await.problem(), Problem::StoreUnavailable);
    assert_eq!(trail.take_one().kind, Kind::Refused(Problem::StoreUnavailable));
    is_down.store(false, Ordering::SeqCst);

    world.authority.push_start(StartReply::NotStarted { retry_after: None });
    assert_eq!(world.request(&alice(), bank()).await.problem(), Problem::AuthorityUnavailable);
    let started = Kind::Started { message: 1, outcome: StartOutcome::NotStarted };
    let down = Kind::Refused(Problem::AuthorityUnavailable);
    assert_eq!(trail.take_kinds(), [Kind::FlowOpened, started, down]);

    for session in ["2", "3", "4", "5"] {
        world.request(&Identity::new("alice", session), bank()).await.flow();
    }
    trail.take();
    let sixth = Identity::new("alice", "6");
    assert_eq!(world.request(&sixth, bank()).await.problem(), Problem::TooManyStarts);
    assert_eq!(
        trail.take_kinds(),
        [Kind::FlowOpened, Kind::Refused(Problem::TooManyStarts)],
        "nothing went out"
    );
}

#[tokio::test]
async fn what_a_watched_policy_would_refuse_is_told_as_such() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let watched: Arc<dyn Policy> = Arc::new(Annotate::new(bank()));
    let Check::Done(_) = world.gate.check(&watched, &GET, None) else { panic!() };
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::WouldRefuse(Problem::IdentificationRequired));

    let Check::Pending(pending) = world.gate.check(&watched, &GET, Some(&alice())) else {
        panic!()
    };
    assert!(matches!(pending.await, Verdict::Pass(Pass::Annotated(_))));
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::WouldRefuse(Problem::StepUpRequired(Reason::Missing)));
    assert_eq!(
        (&told.json["event"], &told.json["system"]),
        (&json!("would-refuse"), &json!("bank"))
    );

    let denies: Arc<dyn Policy> = Arc::new(Annotate::new(|_: &Facts<'_>| Decision::Deny));
    let Check::Done(_) = world.gate.check(&denies, &GET, Some(&alice())) else { panic!() };
    assert_eq!(trail.take_one().kind, Kind::WouldRefuse(Problem::Denied));
}

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

#[tokio::test]
async fn who_changes_a_flow_and_may_not_is_told() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let flow = world.request(&alice(), bank()).await.flow();
    let id = trail.take()[0].json["flow"].clone();
    let mallory = Identity::new("mallory", "another session");
    for request in ["DELETE {}", "POST {}/start", "POST {}/pin"] {
        world.endpoint(&mallory, &request.replace("{}", &flow), "").await;
        let told = trail.take_one();
        assert_eq!(told.kind, Kind::Refused(Problem::FlowNotFound));
        assert_eq!((&told.json["auth_id"], &told.json["flow"]), (&json!("mallory"), &id));
        let foreign = [("sec-fetch-site", "cross-site")];
        world.endpoint_with(&alice(), &request.replace("{}", &flow), "", &foreign).await;
        assert_eq!(trail.take_one().kind, Kind::Refused(Problem::CrossSite));
    }
    world.endpoint(&alice(), &format!("POST {flow}/start"), "").await;
    assert_eq!(trail.take_one().kind, Kind::Refused(Problem::TooSoon));
}

#[tokio::test]
async fn a_revocation_and_a_rebinding_are_told() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let (gate, before) = (&world.gate, world.clock.now());
    let tag = |session| SessionTag::of(&SessionKey::of(session));
    gate.revoke_session("one").await.unwrap();
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Revoked(Revocation::Session));
    assert_eq!(told.json["session"], tag("one").to_string());

    gate.revoke_user("alice").await.unwrap();
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Revoked(Revocation::User));
    assert_eq!((&told.json["auth_id"], &told.json["revoked"]), (&json!("alice"), &json!("user")));

    gate.revoke_user_before("alice", before).await.unwrap();
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Revoked(Revocation::UserBefore(before)));
    assert_eq!(told.json["before"], before.as_millis());

    gate.revoke_all_before(before).await.unwrap();
    assert_eq!(trail.take_one().kind, Kind::Revoked(Revocation::AllBefore(before)));

    gate.rebind("one", &Identity::new("alice", "two")).await.unwrap();
    let told = trail.take_one();
    assert_eq!(told.kind, Kind::Rebound { from: tag("one") });
    assert_eq!(told.json["session"], tag("two").to_string());
    assert_eq!(told.json["from"], tag("one").to_string());
}

/// A trail that cannot be kept lets nobody in and holds nobody up.
#[tokio::test(start_paused = true)]
async fn an_audit_that_panics_changes_nothing() {
    #[derive(Debug)]
    struct Panics;
    impl Audit for Panics {
        fn record(&self, event: &Event<'_>) {
            panic!("{:?} cannot be written", event.kind);
        }
    }
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.audit(Panics));
    let once = || bank().single_use();
    let missing = Problem::StepUpRequired(Reason::Missing);
    assert_eq!(world.request(&alice(), once()).await.problem(), missing);
    let wrong = [("flexsecure-pin", "11111111")];
    assert_eq!(world.request_with(&alice(), once(), &wrong).await.problem(), Problem::PinRejected);
    let alice = alice();
    let held = world.request_with(&alice, once(), &[("prefer", "wait=60")]);
    let right = [("flexsecure-pin", PIN)];
    let passed = world.request_with(&alice, once(), &right);
    let (held, passed) = tokio::join!(held, passed);
    assert_ne!(held.has_passed(), passed.has_passed(), "one approval, one request");
    assert!(!world.request(&alice, once()).await.has_passed());
    world.gate.revoke_user("alice").await.unwrap();
}

/// A request of alice that came from `peer`.
async fn ask(world: &World, policy: &Arc<dyn Policy>, peer: &str, headers: &[(&str, &str)]) {
    let request = From { peer: peer.parse().unwrap(), request: PlainRequest { headers, ..GET } };
    let check: Check = Gate::check(&world.gate, policy, &request, Some(&alice()));
    let Check::Pending(pending) = check else { panic!() };
    let _ = pending.await;
}

struct From<'a> {
    peer: IpAddr,
    request: PlainRequest<'a>,
}

impl RequestView for From<'_> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn path(&self) -> &str {
        self.request.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.request.headers(show);
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(self.peer)
    }
}

const fn refused(reason: Reason) -> Kind {
    Kind::Refused(Problem::StepUpRequired(reason))
}

const fn accepted(message: u32) -> Kind {
    Kind::Started { message, outcome: StartOutcome::Accepted }
}

const GET: PlainRequest<'_> = PlainRequest { method: "GET", path: "/", headers: &[] };
