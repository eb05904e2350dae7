//! Methods that a layer is not around.

use axum::Router;
use axum::routing::{get, post};

use crate::outer::{Vault, assert_open, assert_safe, gate};

const ROUTES: &[&str] = &["GET /a"];

#[tokio::test]
async fn a_method_that_is_added_after_the_layer_is_open() {
    let vault = Vault::default();
    let app = Router::new().route("/a", get("gated").layer(gate()).post(vault.secret()));
    assert_open(&app, &vault, ROUTES, ("POST", "/a")).await;
    let vault = Vault::default();
    let app = Router::new().route("/a", get("gated").post(vault.secret()).layer(gate()));
    assert_safe(&app, &vault, &["GET /a", "POST /a"]).await;
}

#[tokio::test]
async fn the_fallback_of_a_route_is_outside_of_its_route_layer() {
    let vault = Vault::default();
    let app = Router::new().route("/a", get("gated").route_layer(gate()).fallback(vault.secret()));
    assert_open(&app, &vault, ROUTES, ("DELETE", "/a")).await;
    let vault = Vault::default();
    let app = Router::new().route("/a", get("gated").fallback(vault.secret()).layer(gate()));
    assert_safe(&app, &vault, ROUTES).await;
}

#[tokio::test]
async fn of_two_routes_with_one_path_each_needs_its_own_layer() {
    let vault = Vault::default();
    let app =
        Router::new().route("/a", get("gated").layer(gate())).route("/a", post(vault.secret()));
    assert_open(&app, &vault, ROUTES, ("POST", "/a")).await;
    let vault = Vault::default();
    let app = Router::new()
        .route("/a", get("gated").layer(gate()))
        .route("/a", post(vault.secret()).layer(gate()));
    assert_safe(&app, &vault, &["GET /a", "POST /a"]).await;
}
