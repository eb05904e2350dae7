//! Logins that each request carries as a token.

use actix_http::Request;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, init_service, read_body_json};
use actix_web::{App, Error, HttpMessage, web};
use flexsecure_actix::core::refusal::Problem;
use flexsecure_actix::{Head, Identity, StepUp};
use serde_json::Value;

use crate::support::{ASKED, NOBODY, PIN, Vault, bank, call, gate, problem, prove};

const LAPTOP: &str = "Bearer 1aPt0p";

const PHONE: &str = "Bearer ph0n3";

const BOB: &str = "Bearer b0b";

/// The token itself is the session: a user who has two has two sessions.
fn identify(head: Head<'_>) -> Option<Identity> {
    let (scheme, token) = head.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let user = match token {
        "1aPt0p" | "ph0n3" => "alice",
        "b0b" => "bob",
        _ => return None,
    };
    scheme.eq_ignore_ascii_case("bearer").then(|| Identity::new(user, token))
}

fn step_up() -> StepUp {
    StepUp::new(gate()).identify(identify)
}

/// Has no login middleware at all.
async fn app(
    step_up: &StepUp,
    vault: &Vault,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let guarded = web::scope("/vault").route("", web::to(vault.handler()));
    let guarded = guarded.wrap(step_up.require(bank()));
    init_service(App::new().service(step_up.scope()).service(guarded)).await
}

fn with(authorization: &str, request: TestRequest) -> TestRequest {
    request.insert_header((AUTHORIZATION, authorization))
}

async fn hindrance<S, B>(app: &S, authorization: &str) -> Option<Problem>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
{
    let response = call(app, with(authorization, TestRequest::with_uri("/vault"))).await;
    let hindrance = problem(&response);
    let expected = if hindrance.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    assert_eq!(response.status(), expected);
    hindrance
}

#[actix_web::test]
async fn two_tokens_of_one_user_are_two_sessions() {
    let vault = Vault::default();
    let app = app(&step_up(), &vault).await;
    prove(async |request| call(&app, with(LAPTOP, request)).await).await;
    for _ in 0..3 {
        assert_eq!(hindrance(&app, LAPTOP).await, None);
        assert_eq!(hindrance(&app, PHONE).await, ASKED);
        assert_eq!(hindrance(&app, BOB).await, ASKED);
    }
    assert_eq!(vault.opened(), 3);
    prove(async |request| call(&app, with(PHONE, request)).await).await;
    assert_eq!((hindrance(&app, PHONE).await, hindrance(&app, LAPTOP).await), (None, None));
    assert_eq!(vault.opened(), 5);
}

#[actix_web::test]
async fn a_flow_is_of_the_token_that_opened_it() {
    let vault = Vault::default();
    let app = app(&step_up(), &vault).await;
    let refused = call(&app, with(LAPTOP, TestRequest::with_uri("/vault"))).await;
    let refused: Value = read_body_json(refused).await;
    let url = refused["flow"]["url"].as_str().unwrap();
    let typed = |authorization| {
        let pin = TestRequest::post().uri(&format!("{url}/pin"));
        with(authorization, pin.set_json(serde_json::json!({ "pin": PIN })))
    };
    for other in [PHONE, BOB, "Bearer unknown"] {
        assert_eq!(call(&app, typed(other)).await.status(), StatusCode::NOT_FOUND, "{other}");
    }
    assert_eq!(call(&app, typed(LAPTOP)).await.status(), StatusCode::OK);
    assert_eq!((hindrance(&app, LAPTOP).await, hindrance(&app, PHONE).await), (None, ASKED));
    assert_eq!(vault.opened(), 1);
}

#[actix_web::test]
async fn a_revoked_token_is_asked_again() {
    let (step_up, vault) = (step_up(), Vault::default());
    let app = app(&step_up, &vault).await;
    for token in [LAPTOP, PHONE] {
        prove(async |request| call(&app, with(token, request)).await).await;
    }
    step_up.gate().revoke_session("1aPt0p").await.unwrap();
    assert_eq!((hindrance(&app, LAPTOP).await, hindrance(&app, PHONE).await), (ASKED, None));
    assert_eq!(vault.opened(), 1);
}

#[actix_web::test]
async fn what_is_no_token_is_nobodys() {
    let vault = Vault::default();
    let app = app(&step_up(), &vault).await;
    prove(async |request| call(&app, with(LAPTOP, request)).await).await;
    let none = call(&app, TestRequest::with_uri("/vault")).await;
    assert_eq!((none.status(), problem(&none)), (StatusCode::UNAUTHORIZED, NOBODY));
    for authorization in
        ["", "Bearer", "Bearer ", "Bearer  1aPt0p", "Bearer 1aPt0p2", "Basic 1aPt0p"]
    {
        assert_eq!(hindrance(&app, authorization).await, NOBODY, "{authorization:?}");
    }
    assert_eq!((vault.opened(), hindrance(&app, "bearer 1aPt0p").await), (0, None));
}

#[actix_web::test]
async fn an_identity_from_outside_does_not_stand_in_for_a_token() {
    let (step_up, vault) = (step_up(), Vault::default());
    let guarded = web::resource("/vault").wrap(step_up.require(bank())).to(vault.handler());
    let app = App::new().service(step_up.scope()).service(guarded).wrap_fn(|request, service| {
        request.extensions_mut().insert(Identity::new("alice", "1aPt0p"));
        service.call(request)
    });
    let app = init_service(app).await;
    prove(async |request| call(&app, with(LAPTOP, request)).await).await;
    assert_eq!((hindrance(&app, "").await, hindrance(&app, BOB).await), (NOBODY, ASKED));
    assert_eq!(vault.opened(), 0);
}
