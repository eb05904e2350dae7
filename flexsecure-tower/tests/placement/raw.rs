//! Gates that decide by the beginning of the raw path.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use flexsecure_tower::{RouteTable, StepUpLayer};
use tower::{Layer, ServiceExt};
use tower_http::normalize_path::NormalizePathLayer;

use crate::outer::{Vault, assert_open, assert_safe, bank, gate, send, step_up};

/// What not to write.
async fn raw_prefix(State(gate): State<StepUpLayer>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/admin") {
        let Ok(response) = gate.layer(next).oneshot(request).await;
        return response.map(Body::new);
    }
    next.run(request).await
}

fn admin(vault: &Vault) -> Router {
    Router::new().route("/admin/x", get(vault.secret()))
}

#[tokio::test]
async fn outside_of_normalize_path_another_spelling_is_open() {
    let vault = Vault::default();
    let normalized = NormalizePathLayer::trim_trailing_slash().layer(admin(&vault));
    let app =
        Router::new().fallback_service(normalized).layer(from_fn_with_state(gate(), raw_prefix));
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "//admin/x")).await;
}

#[tokio::test]
async fn in_front_of_a_handler_that_reads_a_decoded_path_another_spelling_is_open() {
    let vault = Vault::default();
    let secret = vault.secret();
    let by_path = move |Path(path): Path<String>| async move {
        // What the client asked for is read from the decoded path, as by a server of files.
        if path.trim_start_matches('/') == "admin/x" { secret().await } else { "" }
    };
    let app =
        Router::new().route("/{*path}", get(by_path)).layer(from_fn_with_state(gate(), raw_prefix));
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "/%61dmin/x")).await;
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "//admin/x")).await;
}

#[tokio::test]
async fn inside_of_nest_the_prefix_is_gone_and_everything_is_open() {
    let vault = Vault::default();
    let inner = Router::new()
        .route("/x", get(vault.secret()))
        .layer(from_fn_with_state(gate(), raw_prefix));
    let app = Router::new().nest("/admin", inner);
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "/admin/x")).await;
}

/// By the matched route, none of it matters.
#[tokio::test]
async fn a_table_is_not_misled_by_any_of_them() {
    let table = |route: &str| step_up().table(RouteTable::new().get(route, bank())).unwrap();
    let vault = Vault::default();
    let normalized =
        NormalizePathLayer::trim_trailing_slash().layer(admin(&vault).layer(table("/admin/x")));
    let app = Router::new().fallback_service(normalized);
    assert_safe(&app, &vault, &["GET /admin/x"]).await;

    let caught = Router::new().route("/{*path}", get(vault.secret())).layer(table("/{*path}"));
    assert_safe(&caught, &vault, &["GET /admin/x"]).await;

    let inner = Router::new().route("/x", get(vault.secret())).layer(table("/admin/x"));
    let nested = Router::new().nest("/admin", inner);
    assert_safe(&nested, &vault, &["GET /admin/x"]).await;
    assert_eq!(send(&nested, "GET", "/x").await.status(), 404);
}
