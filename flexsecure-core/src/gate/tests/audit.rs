//! What the trail of a gate has: every refusal, start, end and use, and no more.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::remote::RemoteStore;
use super::trail::{Trail, accepted, refused};
use super::world::{PIN, World, alice, bank};
use crate::audit::{Audit, End, Event, Kind, Revocation, SessionTag, StartOutcome};
use crate::authority::{ScriptedAuthority, StartReply};
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

/// Of many repeats that race for one proof, one uses it up.
#[tokio::test]
async fn a_proof_is_told_to_be_spent_once() {
    let trail = Trail::default();
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| {
        builder.store(RemoteStore::default()).audit(trail.clone())
    });
    let (alice, once) = (alice(), || bank().single_use());
    let flow = world.request(&alice, once()).await.flow();
    let typed = format!(r#"{{"pin":"{PIN}"}}"#);
    world.endpoint(&alice, &format!("POST {flow}/pin"), &typed).await;
    trail.take();
    let repeat = || world.request(&alice, once());
    let (a, b, c, d) = tokio::join!(repeat(), repeat(), repeat(), repeat());
    assert_eq!([a, b, c, d].iter().filter(|outcome| outcome.has_passed()).count(), 1);
    let told = trail.take_kinds();
    assert_eq!(told.iter().filter(|kind| **kind == Kind::Consumed).count(), 1);
    let spent = refused(Reason::Spent);
    assert_eq!(told.iter().filter(|kind| **kind == spent).count(), 3);
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

const GET: PlainRequest<'_> = PlainRequest { method: "GET", path: "/", headers: &[] };
