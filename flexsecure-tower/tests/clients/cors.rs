//! A page of another origin, and the layer that lets it in: outside of the gate, which sees nothing
//! of what that answers and whose refusals it completes.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use flexsecure_core::authority::ScriptedAuthority;
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_http::cors::CorsLayer;

use crate::{PIN, Vault, alice, bank, step_up};

const PAGE: &str = "https://app.example";

/// An app that counts what reaches the gate, and what gets through it.
fn app(authority: &ScriptedAuthority, asked: &Vault, vault: &Vault) -> Router {
    let (asked, vault) = (asked.clone(), vault.clone());
    let step_up = step_up(authority).identify(move |head| {
        asked.open();
        head.extensions.get().cloned()
    });
    let open = any(async move || vault.open());
    Router::new().route("/vault", open.layer(step_up.require(bank()))).layer(alice())
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin([PAGE.parse().unwrap()])
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .expose_headers([
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
            HeaderName::from_static("preference-applied"),
        ])
}

async fn send(app: &Router, method: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri("/vault");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

const PREFLIGHT: [(&str, &str); 3] =
    [("origin", PAGE), ("access-control-request-method", "POST"), ("sec-fetch-mode", "cors")];

#[tokio::test]
async fn a_preflight_is_answered_outside_and_the_gate_sees_nothing() {
    let (authority, asked, vault) =
        (ScriptedAuthority::pin(PIN), Vault::default(), Vault::default());
    let app = app(&authority, &asked, &vault).layer(cors());
    let answer = send(&app, "OPTIONS", &PREFLIGHT).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
    assert_eq!(answer.headers()["access-control-allow-methods"], "GET,POST");
    assert!(!answer.headers().contains_key("www-authenticate"));
    assert_eq!((asked.opened(), authority.starts(), vault.opened()), (0, 0, 0));
}

#[tokio::test]
async fn a_page_may_read_a_refusal() {
    let (authority, asked, vault) =
        (ScriptedAuthority::pin(PIN), Vault::default(), Vault::default());
    let app = app(&authority, &asked, &vault).layer(cors());
    let refused = send(&app, "POST", &[("origin", PAGE)]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], PAGE);
    let exposed = "www-authenticate,retry-after,preference-applied";
    assert_eq!(refused.headers()["access-control-expose-headers"], exposed);
    let vary: Vec<_> = refused.headers().get_all("vary").iter().collect();
    let names = |name: &str| vary.iter().any(|value| value.to_str().unwrap().contains(name));
    assert!(names("Cookie") && names("access-control-request-method"), "{vary:?}");
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&problem["reason"], &problem["flow"]["state"]),
        (&"missing".into(), &"idle".into())
    );
    assert_eq!((asked.opened(), authority.starts(), vault.opened()), (1, 0, 0));
}

/// T12: with no such layer outside, a preflight is a request like any other.
#[tokio::test]
async fn a_preflight_alone_leads_around_no_gate() {
    let (authority, asked, vault) =
        (ScriptedAuthority::pin(PIN), Vault::default(), Vault::default());
    let app = app(&authority, &asked, &vault);
    for headers in [&PREFLIGHT[..], &[]] {
        let answer = send(&app, "OPTIONS", headers).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!((asked.opened(), vault.opened()), (2, 0));
}
