//! A page of another origin, and the middleware that lets it in: outside of the gate, which sees
//! nothing of what that answers and whose refusals it completes.

use actix_cors::Cors;
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Condition;
use actix_web::test::{TestRequest, init_service, read_body_json};
use actix_web::{App, web};
use flexsecure_actix::core::test_util::ScriptedAuthority;
use flexsecure_actix::{Gate, StepUp};
use serde_json::Value;

use crate::support::{PIN, Vault, bank, call, served_to_alice};

const PAGE: &str = "https://app.example";

/// What reaches the gate is counted, and what gets through it.
struct Counted {
    authority: ScriptedAuthority,
    asked: Vault,
    vault: Vault,
}

impl Counted {
    fn new() -> (Self, StepUp) {
        let (authority, asked) = (ScriptedAuthority::pin(PIN), Vault::default());
        let gate = Gate::builder(authority.clone()).build().unwrap();
        let seen = asked.clone();
        let step_up = StepUp::new(gate).identify(move |head| {
            seen.open();
            served_to_alice(head)
        });
        (Self { authority, asked, vault: Vault::default() }, step_up)
    }

    /// What reached the gate, the authority and the handler.
    fn reached(&self) -> (usize, usize, usize) {
        (self.asked.opened(), self.authority.starts(), self.vault.opened())
    }
}

/// Each test has an app of its own, as its type cannot be written down.
macro_rules! app {
    ($step_up:expr, $vault:expr, has_cors: $has_cors:expr) => {
        init_service(
            App::new()
                .service(
                    web::resource("/vault").wrap($step_up.require(bank())).to($vault.handler()),
                )
                .wrap(Condition::new($has_cors, cors())),
        )
        .await
    };
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin(PAGE)
        .supports_credentials()
        .allowed_methods([Method::GET, Method::POST])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .expose_headers(["preference-applied"])
}

fn preflight() -> TestRequest {
    options()
        .insert_header(("origin", PAGE))
        .insert_header(("access-control-request-method", "POST"))
        .insert_header(("sec-fetch-mode", "cors"))
}

fn options() -> TestRequest {
    TestRequest::with_uri("/vault").method(Method::OPTIONS)
}

#[actix_web::test]
async fn a_preflight_is_answered_outside_and_the_gate_sees_nothing() {
    let (counted, step_up) = Counted::new();
    let app = app!(step_up, counted.vault, has_cors: true);
    let answer = call(&app, preflight()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), PAGE);
    assert!(!answer.headers().contains_key("www-authenticate"));
    assert_eq!(counted.reached(), (0, 0, 0));
}

#[actix_web::test]
async fn a_page_may_read_a_refusal() {
    let (counted, step_up) = Counted::new();
    let app = app!(step_up, counted.vault, has_cors: true);
    let request = TestRequest::post().uri("/vault").insert_header(("origin", PAGE));
    let refused = call(&app, request).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let header = |name: &str| refused.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(header("access-control-allow-origin"), PAGE);
    let exposed = header("access-control-expose-headers");
    for name in ["www-authenticate", "retry-after", "preference-applied"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let vary: Vec<_> = refused.headers().get_all("vary").collect();
    let names = |name: &str| vary.iter().any(|value| value.to_str().unwrap().contains(name));
    assert!(names("Cookie") && names("Access-Control-Request-Method"), "{vary:?}");
    let problem: Value = read_body_json(refused).await;
    assert_eq!(
        (&problem["reason"], &problem["flow"]["state"]),
        (&"missing".into(), &"idle".into())
    );
    assert_eq!(counted.reached(), (1, 0, 0));
}

/// T12: with no such middleware outside, a preflight is a request like any other.
#[actix_web::test]
async fn a_preflight_alone_leads_around_no_gate() {
    let (counted, step_up) = Counted::new();
    let app = app!(step_up, counted.vault, has_cors: false);
    for request in [preflight(), options()] {
        assert_eq!(call(&app, request).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!((counted.asked.opened(), counted.vault.opened()), (2, 0));
}
