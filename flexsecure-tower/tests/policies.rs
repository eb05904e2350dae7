//! Policies of each kind behind the layer, judged by what the handler did.
#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_tower::core::WouldRefuse;
use flexsecure_tower::core::policy::{Decision, OwnedFacts, Rules, all_of, any_of, asynchronous};
use flexsecure_tower::core::refusal::{Problem, Reason};
use flexsecure_tower::{Elevated, Gate, Identity, Requirement, StepUp, StepUpLayer};
use http::{Request, StatusCode};
use tower::ServiceExt;

const PIN: &str = "48151623";

fn bank() -> Requirement {
    Requirement::system("bank")
}

fn audit() -> Requirement {
    Requirement::system("audit")
}

/// An app with one route behind `layer`, and how often its handler ran.
fn app(layer: StepUpLayer) -> (Router, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let handler = move |elevated: Option<Elevated>,
                        would_refuse: Option<Extension<WouldRefuse>>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            match (elevated, would_refuse) {
                (Some(elevated), None) => elevated.system().to_owned(),
                (None, Some(Extension(would))) => would.problem().name().to_owned(),
                (elevated, would) => format!("{elevated:?} {would:?}"),
            }
        }
    };
    let app = Router::new().route("/", get(handler).post(async || {}).layer(layer));
    (app.layer(Extension(Identity::new("alice", "session"))), runs)
}

fn step_up() -> StepUp {
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap())
}

/// The status, and the problem it is because of or the text that the handler gave.
async fn send(app: &Router, with_pin: bool) -> (StatusCode, Option<Problem>, String) {
    let mut request = Request::get("/").body(String::new()).unwrap();
    if with_pin {
        request.headers_mut().insert("flexsecure-pin", PIN.parse().unwrap());
    }
    let response = app.clone().oneshot(request).await.unwrap();
    let problem = response.extensions().get().copied();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.unwrap();
    (status, problem, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn several_proofs_are_asked_for_before_the_handler_runs() {
    let (app, runs) = app(step_up().require(all_of([bank(), audit()])));
    send(&app, false).await;
    let (_, problem, text) = send(&app, true).await;
    assert_eq!(problem, Some(Problem::StepUpRequired(Reason::Missing)));
    assert!(text.contains("\"system\":\"audit\""), "{text}");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert_eq!(send(&app, true).await.0, StatusCode::OK);
    assert_eq!(send(&app, false).await.2, "bank");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_of_several_proofs_is_enough() {
    let (app, _) = app(step_up().require(any_of([audit().passwordless(), bank()])));
    send(&app, false).await;
    let (status, _, text) = send(&app, true).await;
    assert_eq!((status, &*text), (StatusCode::OK, "bank"), "alice has no link");
}

#[tokio::test]
async fn rules_that_await_raise_and_deny() {
    let risk = asynchronous(|facts: OwnedFacts| async move {
        assert_eq!(facts.facts().path(), "/");
        Ok::<_, std::io::Error>(Decision::require(audit()))
    });
    let (raised, runs) = app(step_up().require(Rules::open().raise("risk", risk)));
    let (_, problem, text) = send(&raised, false).await;
    assert_eq!(problem, Some(Problem::StepUpRequired(Reason::Missing)));
    assert!(text.contains("\"system\":\"audit\""), "{text}");
    let denied = step_up().require(Rules::open().deny_when("reads", |it| it.method() == "GET"));
    let (denied, more_runs) = app(denied);
    assert_eq!(send(&denied, true).await.1, Some(Problem::Denied));
    assert_eq!((runs.load(Ordering::SeqCst), more_runs.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_policy_that_hangs_or_fails_lets_nothing_through() {
    let hangs = asynchronous(|_| pending::<std::io::Result<Decision<'static>>>());
    let hangs = hangs.within(Duration::ZERO);
    let fails = asynchronous(|_| async { Err::<Decision<'static>, _>("the service is down") });
    for layer in [step_up().require(hangs), step_up().require(fails)] {
        let (app, runs) = app(layer);
        let (status, problem, _) = send(&app, false).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem, Some(Problem::PolicyUnavailable));
        assert_eq!(runs.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn what_is_watched_passes_and_the_handler_is_told() {
    let step_up = step_up();
    let (watched, _) = app(step_up.annotate(bank()));
    let (enforced, _) = app(step_up.require(bank()));
    let (status, _, text) = send(&watched, false).await;
    assert_eq!((status, &*text), (StatusCode::OK, "step-up-required"));
    send(&enforced, false).await;
    assert_eq!(send(&enforced, true).await.0, StatusCode::OK);
    assert_eq!(send(&watched, false).await.2, "bank");
}
