//! One outer layer with a table, which is the other safe form.

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::{any, get, post};
use flexsecure_tower::RouteTable;
use flexsecure_tower::core::TableError;
use flexsecure_tower::core::coverage::{Finding, probes};
use flexsecure_tower::core::policy::{Decision, Facts};
use flexsecure_tower::core::refusal::Problem;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::outer::{Vault, ask, assert_safe, bank, send, step_up};

fn logged_in(_: &Facts<'_>) -> Decision<'static> {
    Decision::Allow
}

/// Routes, a nested router, a merged one, a service and a fallback.
fn routes(vault: &Vault) -> Router {
    let admin = Router::new()
        .route("/users/{id}", get(vault.secret()).delete(vault.secret()))
        .fallback(vault.secret());
    let merged = Router::new().route("/merged", post(vault.secret()));
    Router::new()
        .route("/healthz", get("fine"))
        .route("/balance", get("much"))
        .route("/statements", any(vault.secret()))
        .nest("/admin", admin)
        .nest_service("/files", Router::new().fallback(vault.secret()))
        .merge(merged)
        .fallback(vault.secret())
}

fn table() -> RouteTable {
    RouteTable::new()
        .open("GET", "/healthz")
        .get("/balance", logged_in)
        .get("/statements", bank())
        .any("/admin/users/{id}", bank())
        .post("/merged", bank())
}

const ROUTES: &[&str] = &[
    "GET /healthz",
    "GET /balance",
    "GET /statements",
    "GET /admin/users/7",
    "DELETE /admin/users/7",
    "POST /merged",
];

#[tokio::test]
async fn what_it_does_not_list_is_denied_whatever_there_is() {
    let vault = Vault::default();
    let app = routes(&vault).layer(step_up().table(table()).unwrap());
    let report = ask(&app, ROUTES).await;
    report.assert_gated_except(&["GET /healthz", "GET /balance"]);
    for (method, path) in [
        ("POST", "/statements"),
        ("OPTIONS", "/statements"),
        ("POST", "/healthz"),
        ("GET", "/merged"),
        ("GET", "/admin/nothing"),
        ("GET", "/admin"),
        ("GET", "/files"),
        ("GET", "/files/"),
        ("GET", "/files/secret"),
        ("GET", "/nothing"),
        ("GET", "//statements"),
        ("CONNECT", "/statements"),
    ] {
        let refused = send(&app, method, path).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(refused.extensions().get(), Some(&Problem::Denied), "{method} {path}");
    }
    assert_eq!(send(&app, "HEAD", "/statements").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(vault.opened(), 0);
}

#[tokio::test]
async fn what_is_open_is_open_to_strangers_and_what_takes_a_login_is_not() {
    let app = routes(&Vault::default()).layer(step_up().table(table()).unwrap());
    let nobody = async |path: &str| {
        let request = Request::get(path).body(String::new()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(nobody("/healthz").await.status(), StatusCode::OK);
    for path in ["/balance", "/statements"] {
        let refused = nobody(path).await;
        assert_eq!(refused.extensions().get(), Some(&Problem::IdentificationRequired), "{path}");
    }
    assert_eq!(nobody("/nothing").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_flow_endpoints_need_no_entry_and_an_elevation_goes_through() {
    let (vault, step_up) = (Vault::default(), step_up());
    let app = routes(&vault).merge(step_up.routes()).layer(step_up.table(table()).unwrap());
    let refused = send(&app, "GET", "/admin/users/7").await.into_body().collect().await.unwrap();
    let refused: serde_json::Value = serde_json::from_slice(&refused.to_bytes()).unwrap();
    let url = refused["flow"]["url"].as_str().unwrap();
    let typed = Request::post(format!("{url}/pin"))
        .header("x-user", "alice")
        .header("content-type", "application/json")
        .body(r#"{"pin":"48151623"}"#.to_owned())
        .unwrap();
    assert_eq!(app.clone().oneshot(typed).await.unwrap().status(), StatusCode::OK);
    assert_eq!(send(&app, "GET", "/admin/users/7").await.status(), StatusCode::OK);
    assert_eq!(vault.opened(), 1);
    assert_eq!(send(&app, "GET", "/admin/nothing").await.status(), StatusCode::FORBIDDEN);
}

/// Neither a fallback nor a route of the app's own is mistaken for the flow endpoints.
#[tokio::test]
async fn without_its_routes_the_prefix_is_denied_like_everything_else() {
    let vault = Vault::default();
    let app = routes(&vault).layer(step_up().table(table()).unwrap());
    assert_eq!(send(&app, "GET", "/step-up/flows/1").await.status(), StatusCode::FORBIDDEN);
    let own = routes(&vault).route("/step-up/{*rest}", any(vault.secret()));
    let own = own.layer(step_up().table(table()).unwrap());
    assert_eq!(send(&own, "GET", "/step-up/flows/1").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(vault.opened(), 0);
}

#[tokio::test]
async fn a_route_that_is_added_after_it_is_found() {
    let vault = Vault::default();
    let layer = step_up().table(table()).unwrap();
    let app = routes(&Vault::default()).layer(layer).route("/late", get(vault.secret()));
    let report = ask(&app, &["GET /late"]).await;
    assert_eq!(report.finding("GET /late"), Some(Finding::Open));
    assert!(vault.opened() > 0);
}

#[tokio::test]
async fn an_entry_that_no_route_has_is_found() {
    let app = Router::new()
        .route("/a", get(""))
        .layer(step_up().table(RouteTable::new().get("/a", bank()).get("/b", bank())).unwrap());
    let report = ask(&app, &["GET /a", "GET /b"]).await;
    assert_eq!(report.finding("GET /a"), Some(Finding::Gated));
    assert_eq!(report.finding("GET /b"), Some(Finding::Denied));
    let told = report.gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains("\n  GET /b is denied"), "{told}");
}

#[test]
fn a_table_with_a_mistake_makes_no_layer() {
    let twice = RouteTable::new().get("/a", bank()).open("GET", "/a");
    assert!(matches!(step_up().table(twice), Err(TableError::Twice { .. })));
}

/// For every spelling and method, the handler that runs is the one of the route that the table saw.
#[tokio::test]
async fn the_route_that_is_looked_up_is_the_one_that_runs() {
    const PATTERNS: [&str; 6] = [
        "/admin/{*rest}",
        "/admin/users",
        "/admin/users/{id}",
        "/{first}",
        "/{first}/{second}",
        "/",
    ];
    let mut got_through = Vec::new();
    for listed in PATTERNS {
        let mut app = Router::new();
        for pattern in PATTERNS {
            let told = move |matched: MatchedPath| async move {
                assert_eq!(matched.as_str(), pattern);
                [("ran", pattern)]
            };
            app = app.route(pattern, any(told));
        }
        let app = app
            .fallback(async || "fallback")
            .layer(step_up().table(RouteTable::new().any(listed, logged_in)).unwrap());
        for probe in probes(&["GET /admin/users", "GET /admin/users/7", "GET /x"]) {
            if probe.path.parse::<http::Uri>().is_err() {
                continue;
            }
            let answer = send(&app, &probe.method, &probe.path).await;
            if answer.extensions().get::<Problem>().is_none() {
                assert_eq!(answer.headers()["ran"], listed, "{probe}");
                got_through.push(probe);
            }
        }
    }
    assert!(got_through.len() > 100, "only {}", got_through.len());
}

#[tokio::test]
async fn a_layer_around_one_route_and_a_table_agree() {
    let vault = Vault::default();
    let gated = get(vault.secret()).layer(step_up().require(bank()));
    let app = Router::new().route("/a", gated);
    assert_safe(&app, &vault, &["GET /a"]).await;
    let app = Router::new()
        .route("/a", get(vault.secret()))
        .layer(step_up().table(RouteTable::new().get("/a", bank())).unwrap());
    assert_safe(&app, &vault, &["GET /a"]).await;
}
