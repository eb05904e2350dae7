//! Policies of each kind behind the middleware, judged by what the handler did.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, HttpMessage, HttpRequest, web};
use flexsecure_actix::core::WouldRefuse;
use flexsecure_actix::core::policy::{Decision, OwnedFacts, Rules, all_of, any_of, asynchronous};
use flexsecure_actix::core::refusal::{Problem, Reason};
use flexsecure_actix::{Elevated, Requirement, StepUpMiddleware};

use crate::support::{PIN, alice, bank, call, step_up};

fn audit() -> Requirement {
    Requirement::system("audit")
}

/// How often the handler ran; what it says is why it could.
async fn handler(
    runs: web::Data<AtomicUsize>,
    elevated: Option<Elevated>,
    request: HttpRequest,
) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    let would_refuse = request.extensions().get::<WouldRefuse>().copied();
    match (elevated, would_refuse) {
        (Some(elevated), None) => elevated.system().to_owned(),
        (None, Some(would_refuse)) => would_refuse.problem().name().to_owned(),
        (elevated, would_refuse) => format!("{elevated:?} {would_refuse:?}"),
    }
}

type Sent = (StatusCode, Option<Problem>, String);

/// What requests to a route behind `middleware` come to, with and without a PIN, and how often its
/// handler ran.
async fn sent(middleware: StepUpMiddleware, with_pins: &[bool]) -> (Vec<Sent>, usize) {
    let runs = web::Data::new(AtomicUsize::new(0));
    let app =
        App::new().app_data(runs.clone()).service(web::resource("/").wrap(middleware).to(handler));
    let app = init_service(app).await;
    let mut all = Vec::new();
    for with_pin in with_pins {
        let request: TestRequest = alice("/");
        let request = match with_pin {
            true => request.insert_header(("flexsecure-pin", PIN)),
            false => request,
        };
        let response = call(&app, request).await;
        let problem = response.response().extensions().get().copied();
        let status = response.status();
        let body = read_body(response).await;
        all.push((status, problem, String::from_utf8(body.to_vec()).unwrap()));
    }
    (all, runs.load(Ordering::SeqCst))
}

const MISSING: Option<Problem> = Some(Problem::StepUpRequired(Reason::Missing));

#[actix_web::test]
async fn several_proofs_are_asked_for_before_the_handler_runs() {
    let both = step_up().require(all_of([bank(), audit()]));
    let (sent, runs) = sent(both, &[false, true, true, false]).await;
    assert_eq!(sent[1].1, MISSING);
    assert!(sent[1].2.contains("\"system\":\"audit\""), "{sent:?}");
    assert_eq!((sent[2].0, &*sent[3].2), (StatusCode::OK, "bank"));
    assert_eq!(runs, 2);
}

#[actix_web::test]
async fn one_of_several_proofs_is_enough() {
    let either = step_up().require(any_of([audit().passwordless(), bank()]));
    let (sent, _) = sent(either, &[false, true]).await;
    assert_eq!((sent[1].0, &*sent[1].2), (StatusCode::OK, "bank"), "alice has no link");
}

#[actix_web::test]
async fn rules_that_await_raise_and_deny() {
    let risk = asynchronous(|facts: OwnedFacts| async move {
        assert_eq!(facts.facts().path(), "/");
        Ok::<_, std::io::Error>(Decision::require(audit()))
    });
    let (raised, runs) = sent(step_up().require(Rules::open().raise("risk", risk)), &[false]).await;
    assert_eq!((raised[0].1, runs), (MISSING, 0));
    assert!(raised[0].2.contains("\"system\":\"audit\""), "{raised:?}");
    let denies = Rules::open().deny_when("reads", |it| it.method() == "GET");
    let (denied, runs) = sent(step_up().require(denies), &[true]).await;
    assert_eq!((denied[0].1, runs), (Some(Problem::Denied), 0));
}

#[actix_web::test]
async fn a_policy_that_hangs_or_fails_lets_nothing_through() {
    let hangs = asynchronous(|_| pending::<std::io::Result<Decision<'static>>>());
    let hangs = hangs.within(Duration::ZERO);
    let fails = asynchronous(|_| async { Err::<Decision<'static>, _>("the service is down") });
    for middleware in [step_up().require(hangs), step_up().require(fails)] {
        let (sent, runs) = sent(middleware, &[false]).await;
        assert_eq!(sent[0].0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((sent[0].1, runs), (Some(Problem::PolicyUnavailable), 0));
    }
}

#[actix_web::test]
async fn what_is_watched_passes_and_the_handler_is_told() {
    let step_up = step_up();
    let (watched, _) = sent(step_up.annotate(bank()), &[false]).await;
    assert_eq!((watched[0].0, &*watched[0].2), (StatusCode::OK, "step-up-required"));
    let (enforced, _) = sent(step_up.require(bank()), &[false, true]).await;
    assert_eq!(enforced[1].0, StatusCode::OK);
    let (watched, _) = sent(step_up.annotate(bank()), &[false]).await;
    assert_eq!(watched[0].2, "bank");
}
