//! What a policy decides, when it is asked and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::policy::{
    Annotate, Decision, Facts, Later, Rules, Undecided, after_refusals, asynchronous,
};
use crate::refusal::Problem;
use crate::{Check, Clock, Pass, PlainRequest, Policy, RequestView, Verdict};

/// Open to strangers, and closed to whoever is logged in.
struct StrangersOnly;

impl Policy for StrangersOnly {
    fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
        Decision::Deny
    }

    fn admits_anyone(&self, _: &dyn RequestView) -> bool {
        true
    }
}

/// T12: what is open to strangers says nothing of somebody who is known.
#[tokio::test]
async fn only_a_request_without_identity_passes_as_anyones() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let policy: Arc<dyn Policy> = Arc::new(StrangersOnly);
    let stranger = world.gate.check(&policy, &GET, None);
    assert!(matches!(stranger, Check::Done(Verdict::Pass(Pass::Open))));
    assert_eq!(world.request(&alice(), StrangersOnly).await.problem(), Problem::Denied);
    let explained = world.gate.explain(&StrangersOnly, &GET, Some(&alice())).await;
    assert_eq!(explained.refused, Some(Problem::Denied));
    assert_eq!(world.gate.explain(&StrangersOnly, &GET, None).await.refused, None);

    let policy: Arc<dyn Policy> = Arc::new(Annotate::new(StrangersOnly));
    let Check::Done(Verdict::Pass(Pass::Open)) = world.gate.check(&policy, &GET, None) else {
        panic!("it is open to strangers")
    };
    let Check::Done(Verdict::Pass(Pass::Annotated(would_refuse))) =
        world.gate.check(&policy, &GET, Some(&alice()))
    else {
        panic!("it is not open to alice")
    };
    assert_eq!(would_refuse.problem(), Problem::Denied);
}

/// A policy that stands alone and has nothing to say lets nobody through, late or at once.
#[tokio::test]
async fn whoever_decides_nothing_late_denies() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let rows: [(fn() -> Decision<'static>, Problem); 3] = [
        (|| Decision::Abstain, Problem::Denied),
        (|| Decision::Deny, Problem::Denied),
        (|| Decision::Later(Later::new(async { Ok(Decision::Allow) })), Problem::PolicyUnavailable),
    ];
    for (decision, expected) in rows {
        let late =
            move || asynchronous(move |_| async move { Ok::<_, std::io::Error>(decision()) });
        assert_eq!(world.request(&alice(), late()).await.problem(), expected);
        let explained = world.gate.explain(&late(), &GET, Some(&alice())).await;
        assert_eq!(explained.refused, Some(expected));
    }
    assert!(world.authority.calls().is_empty());
}

/// F20: what cannot be known of a user's refusals is not taken for none.
#[tokio::test]
async fn a_rule_about_refusals_fails_with_the_store() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    is_down.store(true, Ordering::SeqCst);
    let tried = || after_refusals(1, Duration::from_secs(600), bank());
    let rules = Rules::open().raise("tried", tried());
    assert_eq!(world.request(&alice(), rules).await.problem(), Problem::PolicyUnavailable);
    assert_eq!(world.request(&alice(), tried()).await.problem(), Problem::PolicyUnavailable);
}

/// The policy of the moment that comes to nothing lets nothing through.
#[tokio::test(start_paused = true)]
async fn a_held_request_does_not_pass_where_its_policy_then_decides_nothing() {
    let rows: [(fn() -> Decision<'static>, Problem); 2] = [
        (|| Decision::Abstain, Problem::Denied),
        (
            || Decision::Later(Later::new(async { Err(Undecided::because("it is down")) })),
            Problem::PolicyUnavailable,
        ),
    ];
    for (then, expected) in rows {
        let world = World::new(ScriptedAuthority::passwordless());
        world.request(&alice(), bank()).await.refused();
        world.authority.approve();
        let decisions = AtomicUsize::new(0);
        let policy = move |_: &Facts<'_>| match decisions.fetch_add(1, Ordering::SeqCst) {
            0 => Decision::require(bank()),
            _ => then(),
        };
        let outcome = world.request_with(&alice(), policy, &[("prefer", "wait=1")]).await;
        assert_eq!(outcome.problem(), expected);
    }
}

/// It is the moment after the wait that counts: the office may have closed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_held_request_is_decided_about_by_the_time_at_which_it_would_pass() {
    let world = World::new(ScriptedAuthority::passwordless());
    world.request(&alice(), bank()).await.refused();
    world.authority.approve();
    let (clock, closes) = (Arc::clone(&world.clock), world.clock.now());
    let policy = move |facts: &Facts<'_>| {
        clock.advance(Duration::from_millis(1));
        if facts.now() > closes { Decision::Deny } else { Decision::require(bank()) }
    };
    let outcome = world.request_with(&alice(), policy, &[("prefer", "wait=1")]).await;
    assert_eq!(outcome.problem(), Problem::Denied);
}

const GET: PlainRequest<'_> = PlainRequest { method: "GET", path: "/", headers: &[] };
