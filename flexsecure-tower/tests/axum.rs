//! What axum developers may rely on.
#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Extension, Router};
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_tower::core::Operation;
use flexsecure_tower::{Ask, Elevated, Gate, Identity, Refused, Requirement, StepUp};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

const PIN: &str = "48151623";

fn step_up() -> StepUp {
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap())
}

fn logged_in(app: Router) -> Router {
    app.layer(Extension(Identity::new("alice", "session")))
}

async fn send(app: &Router, method: &str, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path);
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn json(response: Response<Body>) -> serde_json::Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn system(elevated: Elevated) -> String {
    elevated.system().to_owned()
}

#[tokio::test]
async fn without_the_layer_a_handler_that_needs_it_is_a_server_error() {
    async fn on_demand(_: Ask) {}
    let app = logged_in(Router::new().route("/a", get(system)).route("/b", get(on_demand)));
    for path in ["/a", "/b"] {
        let status = send(&app, "GET", path).await.status();
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[tokio::test]
async fn a_handler_can_take_an_elevation_if_there_is_one() {
    async fn adapts(elevated: Option<Elevated>) -> &'static str {
        if elevated.is_some() { "elevated" } else { "plain" }
    }
    let app = logged_in(Router::new().route("/", get(adapts)));
    assert_eq!(send(&app, "GET", "/").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_handler_asks_once_it_knows_for_what_and_an_approval_is_good_for_that_alone() {
    async fn transfer(ask: Ask, amount: String) -> Result<String, Refused> {
        let operation = Operation::new(&format!("Transfer {amount} to bob"));
        let proof = Requirement::system("bank").single_use().operation(operation);
        ask.require(proof).await?;
        Ok(amount)
    }
    let step_up = step_up();
    let route = post(transfer).layer(step_up.on_demand());
    let app = logged_in(Router::new().route("/transfer", route).merge(step_up.routes()));
    let send = async |amount: &str| {
        let request = Request::post("/transfer").body(Body::from(amount.to_owned())).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };

    let refused = json(send("250").await).await;
    assert_eq!(refused["operation"], "Transfer 250 to bob");
    let pin_url = format!("{}/pin", refused["flow"]["url"].as_str().unwrap());
    let typed = Request::post(&pin_url)
        .header("content-type", "application/json")
        .body(Body::from(format!("{{\"pin\":\"{PIN}\"}}")))
        .unwrap();
    assert_eq!(app.clone().oneshot(typed).await.unwrap().status(), StatusCode::OK);

    assert_eq!(json(send("2500").await).await["reason"], "operation");
    assert_eq!(send("250").await.status(), StatusCode::OK);
    assert_eq!(json(send("250").await).await["reason"], "spent");
}

/// The path that a nested router strips is kept, so that a browser comes back to where it was.
#[tokio::test]
async fn a_browser_comes_back_to_the_path_before_nesting() {
    let step_up = step_up();
    let inner = Router::new()
        .route("/users", get(system))
        .layer(step_up.require(Requirement::system("bank")));
    let app = logged_in(Router::new().nest("/admin", inner).merge(step_up.routes()));
    let navigate = |path: &str| {
        let request = Request::get(path).header("sec-fetch-mode", "navigate");
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };

    let led = navigate("/admin/users?page=2").await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    let flow = led.headers()["location"].to_str().unwrap().to_owned();
    let typed = Request::post(format!("{flow}/pin"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "text/html")
        .body(Body::from(format!("pin={PIN}")))
        .unwrap();
    let typed = app.clone().oneshot(typed).await.unwrap();
    assert_eq!(typed.status(), StatusCode::SEE_OTHER);
    assert_eq!(typed.headers()["location"], flow);
    let back = navigate(&flow).await.unwrap();
    assert_eq!(back.headers()["location"], "/admin/users?page=2");
    assert_eq!(navigate("/admin/users?page=2").await.unwrap().status(), StatusCode::OK);
}

/// T13: a fallback inside the layer is covered, and an unknown route outside it stays a 404.
#[tokio::test]
async fn unknown_routes_are_hidden_inside_the_layer_only() {
    let step_up = step_up();
    let admin = Router::new()
        .route("/users", get(system))
        .fallback(|| async { "secret" })
        .layer(step_up.require(Requirement::system("bank")));
    let app = logged_in(Router::new().nest("/admin", admin));
    for path in ["/admin/users", "/admin/nothing", "/admin"] {
        let status = send(&app, "GET", path).await.status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(send(&app, "GET", "/nothing").await.status(), StatusCode::NOT_FOUND);
}

/// T01: a flow does not exist for anybody but the session that opened it.
#[tokio::test]
async fn a_flow_answers_only_its_session() {
    let step_up = step_up();
    let gated = get(system).layer(step_up.require(Requirement::system("bank")));
    let app = Router::new().route("/", gated).merge(step_up.routes());
    let alice = app.clone().layer(Extension(Identity::new("alice", "hers")));
    let elsewhere = app.clone().layer(Extension(Identity::new("alice", "another")));
    let bob = app.clone().layer(Extension(Identity::new("bob", "hers")));

    let refused = json(send(&alice, "GET", "/").await).await;
    let url = refused["flow"]["url"].as_str().unwrap();
    let unknown = "/step-up/flows/00000000000000000000000000000000";
    for stranger in [&elsewhere, &bob, &app] {
        for (method, path) in [("GET", ""), ("POST", "/start"), ("POST", "/pin"), ("DELETE", "")] {
            let seen = send(stranger, method, &format!("{url}{path}")).await;
            let expected = send(&alice, method, &format!("{unknown}{path}")).await;
            assert_eq!(seen.status(), StatusCode::NOT_FOUND);
            assert_eq!(seen.headers(), expected.headers());
            assert_eq!(json(seen).await, json(expected).await);
        }
    }
    assert_eq!(send(&alice, "GET", url).await.status(), StatusCode::OK);
}
