//! The flow endpoints: everything under the prefix is the gate's to answer.

use actix_web::App;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body, read_body_json};
use actix_web::web;
use flexsecure_actix::{Gate, StepUp};
use serde_json::{Value, json};

use crate::support::{PIN, alice, bank, call, flow_url, step_up, text};

macro_rules! app {
    ($step_up:expr) => {{
        let step_up = $step_up;
        let guarded = web::resource("/vault").wrap(step_up.require(bank())).to(async || "gold");
        init_service(App::new().service(step_up.scope()).service(guarded)).await
    }};
}

#[actix_web::test]
async fn a_flow_from_refusal_to_pass() {
    let app = app!(step_up());
    let url = flow_url(&app, "/vault").await;
    let flow: Value = read_body_json(call(&app, alice(&url)).await).await;
    assert_eq!((&flow["url"], &flow["method"]), (&json!(url), &json!("pin")));

    let pin =
        |pin: &str| alice(&format!("{url}/pin")).method(Method::POST).set_form([("pin", pin)]);
    let wrong = call(&app, pin("00000000")).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert_eq!(wrong.headers().get(CACHE_CONTROL).unwrap(), "no-store");
    assert_eq!(call(&app, pin("1234")).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(call(&app, pin(PIN)).await.status(), StatusCode::OK);
    assert_eq!(text(call(&app, alice("/vault")).await).await, "gold");
}

#[actix_web::test]
async fn a_flow_can_be_cancelled() {
    let app = app!(step_up());
    let url = flow_url(&app, "/vault").await;
    let cancelled = call(&app, alice(&url).method(Method::DELETE)).await;
    assert_eq!(cancelled.status(), StatusCode::OK);
    let flow: Value = read_body_json(cancelled).await;
    assert_eq!(flow["over"], "cancelled");
    let again = call(&app, alice(&format!("{url}/start")).method(Method::POST)).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
}

#[actix_web::test]
async fn a_browser_is_led_to_the_page_and_back() {
    let app = app!(step_up());
    let navigation = |path: &str| alice(path).insert_header(("sec-fetch-mode", "navigate"));
    let led = call(&app, navigation("/vault?door=2")).await;
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    let url = led.headers().get(LOCATION).unwrap().to_str().unwrap().to_owned();
    let page = call(&app, navigation(&url)).await;
    assert_eq!(page.headers().get(CONTENT_TYPE).unwrap(), "text/html; charset=utf-8");
    assert!(text(page).await.contains("8-digit PIN"));
    let typed = navigation(&format!("{url}/pin")).method(Method::POST).set_form([("pin", PIN)]);
    let typed = call(&app, typed).await;
    assert_eq!(typed.status(), StatusCode::SEE_OTHER);
    assert!(read_body(typed).await.is_empty());
    let back = call(&app, navigation(&url)).await;
    assert_eq!(back.headers().get(LOCATION).unwrap(), "/vault?door=2");
}

#[actix_web::test]
async fn the_gate_answers_whatever_is_asked_under_the_prefix() {
    let app = app!(step_up());
    let url = flow_url(&app, "/vault").await;
    let random = "/step-up/flows/AAAAAAAAAAAAAAAAAAAAAA";
    let not_found = [
        ("GET", "/step-up"),
        ("GET", "/step-up/"),
        ("POST", "/step-up/nothing"),
        ("GET", random),
        ("GET", "/step-up/flows/"),
        ("PURGE", "/step-up/a/b/c/d"),
    ];
    for (method, path) in not_found {
        let answer =
            call(&app, alice(path).method(Method::from_bytes(method.as_bytes()).unwrap())).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
        let problem: Value = read_body_json(answer).await;
        assert_eq!(problem["type"], "urn:flexsecure:problem:flow-not-found", "{method} {path}");
    }
    for (method, path, allow) in [
        (Method::PUT, url.clone(), "GET, HEAD, POST, DELETE"),
        (Method::OPTIONS, url.clone(), "GET, HEAD, POST, DELETE"),
        (Method::GET, format!("{url}/pin"), "POST"),
        (Method::DELETE, "/step-up/step-up.css".to_owned(), "GET, HEAD"),
    ] {
        let answer = call(&app, alice(&path).method(method)).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers().get(ALLOW).unwrap(), allow);
    }
    // Beside the prefix, not under it.
    let beside = call(&app, alice("/step-upper")).await;
    assert!(read_body(beside).await.is_empty());
}

#[actix_web::test]
async fn a_flow_exists_for_its_own_session_only() {
    let app = app!(step_up());
    let url = flow_url(&app, "/vault").await;
    let nobody = call(&app, TestRequest::with_uri(&url)).await;
    let bob = call(&app, TestRequest::with_uri(&url).insert_header(("x-user", "bob"))).await;
    let random = call(&app, alice("/step-up/flows/AAAAAAAAAAAAAAAAAAAAAA")).await;
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    assert_eq!(nobody.headers().len(), random.headers().len());
    let (nobody, bob, random) = (text(nobody).await, text(bob).await, text(random).await);
    assert_eq!((&nobody, &bob), (&random, &random));
}

#[actix_web::test]
async fn a_body_is_read_up_to_a_limit() {
    let app = app!(step_up());
    let url = flow_url(&app, "/vault").await;
    for (length, status) in [
        (Gate::MAX_BODY, StatusCode::BAD_REQUEST),
        (Gate::MAX_BODY + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let typed = alice(&format!("{url}/pin")).method(Method::POST);
        let typed = typed.insert_header((CONTENT_TYPE, "application/json"));
        assert_eq!(call(&app, typed.set_payload(vec![b' '; length])).await.status(), status);
    }
}

#[actix_web::test]
async fn a_prefix_can_be_chosen() {
    let authority = flexsecure_actix::core::test_util::ScriptedAuthority::pin(PIN);
    let gate = Gate::builder(authority).prefix("/auth/v1.0/step_up").build().unwrap();
    let step_up = StepUp::new(gate).identify(|_| Some(flexsecure_actix::Identity::new("a", "s")));
    let app = app!(step_up);
    let url = flow_url(&app, "/vault").await;
    assert!(url.starts_with("/auth/v1.0/step_up/flows/"));
    assert_eq!(call(&app, alice(&url)).await.status(), StatusCode::OK);
}
