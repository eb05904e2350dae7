//! What both banks let through without a proof is what they mean to.

#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

use actix_web::http::header::COOKIE;
use actix_web::middleware::from_fn;
use actix_web::test::init_service;
use flexsecure_actix::StepUp;
use flexsecure_core::Gate;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_examples::bank::Bank;
use flexsecure_examples::session::{Sessions, User};
use flexsecure_examples::{actix_bank, axum_bank};

/// Everything that they serve.
const ROUTES: &[&str] = &[
    "GET /",
    "POST /login",
    "POST /logout",
    "GET /healthz",
    "GET /bank.css",
    "GET /bank.js",
    "GET /bank.svg",
    "POST /rotate",
    "POST /password",
    "GET /balance",
    "GET /statements",
    "GET /transfers",
    "POST /transfers",
    "GET /probe?method=GET&path=/statements",
    "GET /admin/users",
    "POST /admin/freeze",
    "DELETE /admin/users/bob",
];

/// What takes no proof: all of it by intent.
const OPEN: &[&str] = &[
    "GET /",
    "HEAD /",
    "POST /login",
    "POST /logout",
    "GET /healthz",
    "HEAD /healthz",
    "GET /bank.css",
    "HEAD /bank.css",
    "GET /bank.js",
    "HEAD /bank.js",
    "GET /bank.svg",
    "HEAD /bank.svg",
    // Only a login.
    "POST /rotate",
    "POST /password",
    "GET /balance",
    "HEAD /balance",
    "GET /transfers",
    "HEAD /transfers",
    "GET /probe?method=GET&path=/statements",
    "HEAD /probe?method=GET&path=/statements",
];

/// A bank, and the cookie of somebody who is logged in.
fn bank() -> (Bank, String) {
    let gate = Gate::builder(ScriptedAuthority::pin("48151623")).build().unwrap();
    let sessions = Sessions::new(None);
    let cookie = sessions.open(&User::in_new_session("alice").unwrap());
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (Bank::new(gate, sessions, None), cookie)
}

/// Not small enough to go without.
const TRANSFER: &str = r#"{"to":"bob","amount":"250.00"}"#;

#[tokio::test]
async fn of_the_axum_bank() {
    let (bank, cookie) = bank();
    let report = flexsecure_tower::coverage(axum_bank::app(&bank), ROUTES, |request| {
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        *request.body_mut() = TRANSFER.into();
    });
    report.await.assert_gated_except(OPEN);
}

#[actix_web::test]
async fn of_the_actix_bank() {
    let (bank, cookie) = bank();
    let step_up = StepUp::new(bank.gate().clone());
    let app = actix_web::App::new()
        .wrap(from_fn(actix_bank::identify))
        .configure(|config| actix_bank::app(config, &bank, &step_up));
    let app = init_service(app).await;
    let report = flexsecure_actix::coverage(&app, ROUTES, |request| {
        let request = request.insert_header((COOKIE, cookie.clone()));
        request.insert_header(("content-type", "application/json")).set_payload(TRANSFER)
    });
    report.await.assert_gated_except(OPEN);
}
