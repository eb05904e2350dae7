use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::world::{Outcome, PIN, World, alice, bank};
use crate::authority::{Call, CheckReply, ScriptedAuthority, SecurityErrorReason};
use crate::policy::{
    Annotate, Decision, Facts, Rules, after_refusals, all_of, any_of, asynchronous,
};
use crate::refusal::{Problem, Reason};
use crate::{
    Check, Method, Operation, Pass, PlainRequest, Policy, Requirement, Timestamp, Verdict,
    WouldRefuse,
};

const GET: PlainRequest<'_> = PlainRequest { method: "GET", path: "/", headers: &[] };

fn audit() -> Requirement {
    Requirement::system("audit")
}

fn asks_for(reason: Reason) -> Problem {
    Problem::StepUpRequired(reason)
}

/// What a request comes to that `alice` makes with the PIN, after one without.
async fn with_pin(world: &World, policy: impl Policy + Clone) -> Outcome {
    world.request(&alice(), policy.clone()).await.refused();
    world.request_with(&alice(), policy, &[("flexsecure-pin", PIN)]).await
}

async fn passed(world: &World, policy: impl Policy) -> Pass {
    let policy: Arc<dyn Policy> = Arc::new(policy);
    let verdict = match world.gate.check(&policy, &GET, Some(&alice())) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    };
    let Verdict::Pass(pass) = verdict else { panic!("{verdict:?}") };
    pass
}

#[tokio::test]
async fn all_of_several_proofs_are_asked_for_one_after_the_other() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let both = all_of([bank(), audit()]);
    let (problem, said) = with_pin(&world, both.clone()).await.refused();
    assert_eq!((problem, &said.json()["system"]), (asks_for(Reason::Missing), &"audit".into()));
    let flow = said.json()["flow"]["url"].as_str().unwrap().to_owned();
    assert!(world.request(&alice(), bank()).await.has_passed());
    assert_eq!(world.request(&alice(), both.clone()).await.flow(), flow);
    let headers = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), both.clone(), &headers).await.has_passed());
    assert!(world.request(&alice(), both).await.has_passed());
}

/// What is good for one request is used up only by one that passes.
#[tokio::test]
async fn all_of_several_proofs_are_used_up_together() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let both = all_of([bank().single_use(), audit()]);
    with_pin(&world, both.clone()).await.refused();
    world.request(&alice(), both.clone()).await.refused();
    let headers = [("flexsecure-pin", PIN)];
    assert!(world.request_with(&alice(), both.clone(), &headers).await.has_passed());
    assert_eq!(world.request(&alice(), both).await.problem(), asks_for(Reason::Spent));
}

#[tokio::test]
async fn any_of_several_proofs_is_enough() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let hour = Duration::from_secs(3600);
    let either = any_of([bank().within(Duration::from_secs(60)), bank().pin().within(hour)]);
    assert!(with_pin(&world, either.clone()).await.has_passed());
    world.clock.advance(Duration::from_secs(600));
    assert!(world.request(&alice(), either.clone()).await.has_passed(), "a PIN lasts longer");
    assert!(
        world.request(&alice(), any_of([audit(), bank()])).await.problem()
            == asks_for(Reason::Missing)
    );
    world.clock.advance(hour);
    assert_eq!(world.request(&alice(), either).await.problem(), asks_for(Reason::Stale));
}

/// A user who is not assigned to one system may be to the other.
#[tokio::test]
async fn where_one_proof_is_refused_another_is_asked_for() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    world.authority.push_start(crate::authority::StartReply::Refused);
    let either = any_of([audit(), audit().pin(), bank()]);
    let (problem, said) = world.request(&alice(), either).await.refused();
    assert_eq!((problem, &said.json()["system"]), (asks_for(Reason::Missing), &"bank".into()));
    assert_eq!(said.json()["flow"]["state"], "started");
    world.authority.push_start(crate::authority::StartReply::Refused);
    let only = world.request(&alice(), any_of([audit().single_use()])).await.problem();
    assert_eq!(only, asks_for(Reason::Refused));
}

#[tokio::test]
async fn a_user_without_a_method_that_does_is_told_so() {
    let world = World::new(ScriptedAuthority::passwordless());
    let (problem, said) = world.request(&alice(), bank().pin()).await.refused();
    assert_eq!((problem, said.status()), (asks_for(Reason::NoMethod), 401));
    let held = [("prefer", "wait=60")];
    let (problem, _) = world.request_with(&alice(), bank().pin(), &held).await.refused();
    assert_eq!(problem, asks_for(Reason::NoMethod), "there is nothing to wait for");
    let either = any_of([bank().pin(), audit()]);
    let (problem, said) = world.request(&alice(), either).await.refused();
    assert_eq!((problem, &said.json()["system"]), (asks_for(Reason::Missing), &"audit".into()));
}

/// What is only expected of a user says nothing about what they have.
#[tokio::test]
async fn a_method_that_nobody_told_is_no_reason_to_give_up() {
    let world = World::new(ScriptedAuthority::v1(None));
    world.request(&alice(), bank()).await.refused();
    let joined = world.request(&alice(), bank().pin()).await;
    assert_eq!(joined.problem(), asks_for(Reason::Missing));
}

#[tokio::test]
async fn a_change_of_the_security_stamp_takes_a_new_proof() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    assert!(with_pin(&world, bank()).await.has_passed());
    let now = crate::Clock::now(&*world.clock);
    assert!(world.request(&alice(), bank().since(now)).await.has_passed());
    let later = now.after(Duration::from_millis(1));
    let stamped = world.request(&alice(), bank().since(later)).await;
    assert_eq!(stamped.problem(), asks_for(Reason::Stale));
}

/// A stamp from the future would be asked for without end.
#[tokio::test]
async fn a_fresh_proof_that_does_not_do_is_not_asked_for_again() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let tomorrow = crate::Clock::now(&*world.clock).after(Duration::from_secs(86_400));
    let (problem, said) = with_pin(&world, bank().since(tomorrow)).await.refused();
    assert_eq!(problem, asks_for(Reason::Loop));
    assert_eq!(said.json()["flow"]["state"], "authenticated");
    assert_eq!(world.authority.starts(), 1);
}

#[test]
fn no_age_is_too_small_to_repeat_a_request_in() {
    let asked = Requirement::system("bank").within(Duration::ZERO);
    assert_eq!(asked.max_age(), Requirement::SHORTEST_MAX_AGE);
}

/// T29: nor is one so large that a proof of an hour ago would do.
#[tokio::test]
async fn no_age_is_too_large_to_ask_again_after_an_hour() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let ever = || bank().within(Duration::MAX);
    assert_eq!(ever().max_age(), Duration::from_secs(3600));
    assert!(with_pin(&world, ever()).await.has_passed());
    world.clock.advance(Duration::from_millis(3_599_999));
    assert!(world.request(&alice(), ever()).await.has_passed());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.request(&alice(), ever()).await.problem(), asks_for(Reason::Stale));
}

#[tokio::test]
async fn rules_decide_per_request() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    assert!(with_pin(&world, bank()).await.has_passed());
    let asks_audit =
        asynchronous(|_| async { Ok::<_, std::io::Error>(Decision::require(audit())) });
    let rules = Rules::floor(bank()).raise("asked", asks_audit);
    let (problem, said) = world.request(&alice(), rules).await.refused();
    assert_eq!((problem, &said.json()["system"]), (asks_for(Reason::Missing), &"audit".into()));
    let relaxed = Rules::floor(audit()).relax_when("posts", |it| it.method() == "POST", bank());
    assert!(world.request(&alice(), relaxed).await.has_passed());
    let denied = Rules::floor(bank()).deny_when("posts", |it| it.method() == "POST");
    assert_eq!(world.request(&alice(), denied).await.problem(), Problem::Denied);
    let abstains = |_: &Facts<'_>| Decision::Abstain;
    assert_eq!(world.request(&alice(), abstains).await.problem(), Problem::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_hangs_is_unavailable() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let hangs = asynchronous(|_| pending::<std::io::Result<Decision<'static>>>());
    let (problem, said) = world.request(&alice(), hangs).await.refused();
    assert_eq!((problem, said.status()), (Problem::PolicyUnavailable, 503));
    assert_eq!(said.retry_after(), Some(5));
    assert_eq!(world.authority.starts(), 0);
}

#[tokio::test]
async fn nothing_that_the_handler_asks_for_can_be_impossible() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let Pass::OnDemand(ask) = passed(&world, crate::policy::OnDemand).await else { panic!() };
    let refusal = ask.require(all_of([bank().pin(), bank().passwordless()])).await.unwrap_err();
    assert_eq!(refusal.problem(), Problem::Denied);
    let impossible = all_of([bank().pin(), bank().passwordless()]);
    assert_eq!(world.request(&alice(), impossible).await.problem(), Problem::Denied);
}

/// A proof that was waited for is judged by what the policy says when it comes.
#[tokio::test(start_paused = true)]
async fn a_held_request_is_decided_about_again() {
    type Then = fn() -> Decision<'static>;
    let rows: [(Then, Option<Problem>); 4] = [
        (|| Decision::Deny, Some(Problem::Denied)),
        (|| Decision::require(audit()), Some(asks_for(Reason::Missing))),
        (|| Decision::require(bank()), None),
        (|| Decision::Allow, None),
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
        let problem = (!outcome.has_passed()).then(|| outcome.problem());
        assert_eq!(problem, expected);
    }
}

/// A check that is answered at once would put off the one that is answered when the user approves.
#[tokio::test(start_paused = true)]
async fn a_held_request_asks_in_a_way_that_is_answered_late_and_in_no_other() {
    let world = World::new(ScriptedAuthority::passwordless());
    world.request(&alice(), bank()).await.refused();
    let held = world.request_with(&alice(), bank(), &[("prefer", "wait=1")]).await;
    assert_eq!(held.problem(), asks_for(Reason::Missing));
    let calls = world.authority.calls();
    let is_held = |call: &Call| matches!(call, Call::Check { hold, .. } if !hold.is_zero());
    assert!(calls.len() > 1 && calls[1..].iter().all(is_held), "{calls:?}");
}

/// T07: whose messages are declined is asked for more.
#[tokio::test]
async fn refusals_of_a_user_are_remembered_for_a_while() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let ten_minutes = Duration::from_secs(600);
    let policy = || Rules::floor(bank()).raise("tried", after_refusals(2, ten_minutes, audit()));
    assert!(with_pin(&world, bank()).await.has_passed());
    for system in ["one", "two"] {
        assert!(world.request(&alice(), policy()).await.has_passed());
        let flow = world.request(&alice(), Requirement::system(system)).await.flow();
        world.authority.push_check(CheckReply::SecurityError {
            attempts_left: None,
            reason: Some(SecurityErrorReason::Declined),
        });
        let said = world.endpoint(&alice(), &format!("GET {flow}"), "").await;
        assert_eq!(said.json()["over"], "declined");
    }
    assert_eq!(world.request(&alice(), policy()).await.problem(), asks_for(Reason::Missing));
    let bobs = world.gate.refusals("bob", Timestamp::from_millis(0)).await;
    assert_eq!(bobs.unwrap(), 0);
    world.clock.advance(Duration::from_secs(599));
    assert_eq!(world.request(&alice(), policy()).await.problem(), asks_for(Reason::Missing));
    world.clock.advance(Duration::from_millis(1001));
    let explained = world.gate.explain(&policy(), &GET, Some(&alice())).await;
    assert!(explained.to_string().contains("raise \"tried\": no opinion"), "{explained}");
}

/// An elevation from another network does not do, and one from the same does.
#[tokio::test]
async fn who_has_moved_since_the_proof_is_asked_again() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let home: crate::policy::Network = "192.0.2.0/24".parse().unwrap();
    assert!(with_pin(&world, bank()).await.has_passed());
    let moved = world.request(&alice(), bank().from_network(home)).await;
    assert_eq!(moved.problem(), asks_for(Reason::Network), "where that was asked for is not known");
}

#[tokio::test]
async fn a_policy_that_is_watched_lets_everything_pass_and_says_what_it_thinks() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let annotated = |pass| {
        let Pass::Annotated(would_refuse) = pass else { panic!("{pass:?}") };
        WouldRefuse::problem(would_refuse)
    };
    let pass = passed(&world, Annotate::new(bank())).await;
    assert_eq!(annotated(pass), asks_for(Reason::Missing));
    let denies = |_: &Facts<'_>| Decision::Deny;
    assert_eq!(annotated(passed(&world, Annotate::new(denies)).await), Problem::Denied);
    assert_eq!(world.authority.calls().len(), 0, "nobody is asked for anything");

    let once = bank().single_use();
    with_pin(&world, bank()).await;
    world.request(&alice(), once.clone()).await.refused();
    let flow = world.request(&alice(), once.clone()).await.flow();
    let body = format!("{{\"pin\":\"{PIN}\"}}");
    assert_eq!(world.endpoint(&alice(), &format!("POST {flow}/pin"), &body).await.status(), 200);
    for _ in 0..3 {
        let pass = passed(&world, Annotate::new(once.clone())).await;
        assert!(matches!(pass, Pass::Elevated(_)), "nothing is used up");
    }
    assert!(world.request(&alice(), once.clone()).await.has_passed());
    assert_eq!(annotated(passed(&world, Annotate::new(once)).await), asks_for(Reason::Spent));

    let policy: Arc<dyn Policy> = Arc::new(Annotate::new(bank()));
    let Check::Done(Verdict::Pass(pass)) = world.gate.check(&policy, &GET, None) else { panic!() };
    assert_eq!(annotated(pass), Problem::IdentificationRequired);
}

#[tokio::test]
async fn a_decision_is_explained_without_sending_or_using_up_anything() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let operation = Operation::new("Close the account");
    let policy = Rules::floor(bank())
        .raise_when("reads", |facts| facts.method() == "GET", bank().pin())
        .raise("broken", asynchronous(|_| async { Err::<Decision<'static>, _>("down") }))
        .raise("closes", |_: &Facts<'_>| {
            Decision::require(bank().single_use().operation(Operation::new("Close the account")))
        });
    let explained = world.gate.explain(&policy, &GET, Some(&alice())).await;
    assert_eq!(explained.refused, Some(asks_for(Reason::Missing)));
    assert_eq!(
        explained.to_string(),
        "refused: step-up-required (missing)\n  \
         floor \"floor\": a proof for bank of the last 600 s\n  \
         raise \"reads\": a proof for bank by pin of the last 600 s\n  \
         raise \"broken\": no decision: it failed, or took too long\n  \
         raise \"closes\": a proof for bank of the last 600 s for one request for \"Close the account\"\n  \
         needs a proof for bank by pin of the last 600 s for one request for \"Close the account\": missing"
    );
    assert_eq!(world.authority.calls().len(), 0);

    let asked = bank().pin().single_use().operation(operation);
    let flow = world.request(&alice(), asked).await.flow();
    let body = format!("{{\"pin\":\"{PIN}\"}}");
    world.endpoint(&alice(), &format!("POST {flow}/pin"), &body).await;
    for _ in 0..2 {
        let explained = world.gate.explain(&policy, &GET, Some(&alice())).await;
        assert_eq!(explained.refused, None, "{explained}");
        let held = explained.proofs[0][0].elevation.as_ref().unwrap();
        assert_eq!((held.method(), held.is_spent()), (Method::Pin, false));
    }
    let stranger = world.gate.explain(&policy, &GET, None).await;
    assert_eq!(stranger.refused, Some(Problem::IdentificationRequired));
}
