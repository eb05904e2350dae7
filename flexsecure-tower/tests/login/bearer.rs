//! Bearer tokens (RFC 6750): a token is a session.

use axum::Router;
use flexsecure_tower::{Identity, StepUp};
use http::{HeaderMap, header};

use crate::client::Client;
use crate::{ASKED, NOT_LOGGED_IN, PASSED, transfer};

/// Whose token it is, for an app that can tell by itself.
const TOKENS: &[(&str, &str)] = &[("laptop", "alice"), ("phone", "alice"), ("desk", "bob")];

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn step_up() -> StepUp {
    crate::step_up().identify(|head| {
        let token = bearer(head.headers)?;
        let (_, user) = TOKENS.iter().find(|(known, _)| *known == token)?;
        Some(Identity::new(user, token))
    })
}

fn app(step_up: &StepUp) -> Router {
    Router::new().route("/transfer", transfer(step_up)).merge(step_up.routes())
}

fn client(app: &Router, authorization: &str) -> Client {
    Client::of(app).with(header::AUTHORIZATION, authorization)
}

#[tokio::test]
async fn two_tokens_of_a_user_do_not_share_an_elevation() {
    let app = app(&step_up());
    let mut laptop = client(&app, "Bearer laptop");
    let mut phone = client(&app, "Bearer phone");

    laptop.prove("/transfer").await;
    assert_eq!(laptop.get("/transfer").await.told(), PASSED);
    assert_eq!(phone.get("/transfer").await.told(), ASKED);
    assert_eq!(client(&app, "Bearer desk").get("/transfer").await.told(), ASKED);

    phone.prove("/transfer").await;
    assert_eq!(phone.get("/transfer").await.told(), PASSED);
    assert_eq!(laptop.get("/transfer").await.told(), PASSED);
}

/// T01: the flow is the token's, not the user's.
#[tokio::test]
async fn a_token_cannot_finish_the_flow_of_another() {
    let app = app(&step_up());
    let mut laptop = client(&app, "Bearer laptop");
    let mut phone = client(&app, "Bearer phone");

    let flow = laptop.ask("/transfer").await;
    assert_eq!(phone.type_pin(&flow).await.told(), "404 flow-not-found");
    laptop.prove("/transfer").await;
    assert_eq!(laptop.get("/transfer").await.told(), PASSED);
}

#[tokio::test]
async fn a_revoked_token_takes_its_elevation_along() {
    let step_up = step_up();
    let app = app(&step_up);
    let (mut laptop, mut phone) = (client(&app, "Bearer laptop"), client(&app, "bearer phone"));
    laptop.prove("/transfer").await;
    phone.prove("/transfer").await;

    step_up.gate().revoke_session("laptop").await.unwrap();
    assert_eq!(laptop.get("/transfer").await.told(), ASKED);
    assert_eq!(phone.get("/transfer").await.told(), PASSED);
}

#[tokio::test]
async fn what_is_no_token_is_nobody() {
    let app = app(&step_up());
    client(&app, "Bearer laptop").prove("/transfer").await;
    assert_eq!(Client::of(&app).get("/transfer").await.told(), NOT_LOGGED_IN);
    for other in ["Bearer", "Bearer ", "Bearer  laptop", "Bearer unknown", "Basic laptop", "laptop"]
    {
        assert_eq!(client(&app, other).get("/transfer").await.told(), NOT_LOGGED_IN, "{other}");
    }
}
