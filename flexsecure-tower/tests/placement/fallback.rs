//! Routes and fallbacks that a layer is not around.

use axum::Router;
use axum::routing::get;

use crate::outer::{Vault, assert_open, assert_safe, gate};

const ROUTES: &[&str] = &["GET /a"];

fn gated() -> Router {
    Router::new().route("/a", get("gated"))
}

#[tokio::test]
async fn a_route_that_is_added_after_the_layer_is_open() {
    let vault = Vault::default();
    let app = gated().layer(gate()).route("/b", get(vault.secret()));
    assert_open(&app, &vault, &["GET /a", "GET /b"], ("GET", "/b")).await;
    let app = gated().route("/b", get(vault.secret())).layer(gate());
    assert_safe(&app, &Vault::default(), &["GET /a", "GET /b"]).await;
}

#[tokio::test]
async fn a_fallback_is_outside_of_route_layer_and_of_a_layer_before_it() {
    let unknown = ("GET", "/no-such-route-7f3a");
    for shape in 0..3 {
        let vault = Vault::default();
        let app = match shape {
            0 => gated().route_layer(gate()).fallback(vault.secret()),
            1 => gated().fallback(vault.secret()).route_layer(gate()),
            _ => gated().layer(gate()).fallback(vault.secret()),
        };
        assert_open(&app, &vault, ROUTES, unknown).await;
        assert_open(&app, &vault, ROUTES, ("GET", "/a/zzz")).await;
    }
    let vault = Vault::default();
    let app = gated().fallback(vault.secret()).layer(gate());
    assert_safe(&app, &vault, ROUTES).await;
}

#[tokio::test]
async fn what_a_gated_router_is_merged_with_is_open() {
    let vault = Vault::default();
    let open = || Router::new().route("/c", get(vault.secret()));
    let app = gated().layer(gate()).merge(open());
    assert_open(&app, &vault, &["GET /a", "GET /c"], ("GET", "/c")).await;
    let vault = Vault::default();
    let app = gated().merge(Router::new().route("/c", get(vault.secret()))).layer(gate());
    assert_safe(&app, &vault, &["GET /a", "GET /c"]).await;
}

#[tokio::test]
async fn the_fallback_of_a_nested_router_is_outside_of_its_route_layer() {
    let vault = Vault::default();
    let inner = || Router::new().route("/x", get("gated")).fallback(vault.secret());
    let app = Router::new().nest("/admin", inner().route_layer(gate()));
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "/admin/zzz")).await;
    assert_open(&app, &vault, &["GET /admin/x"], ("GET", "/admin")).await;
    let vault = Vault::default();
    let inner = Router::new().route("/x", get("gated")).fallback(vault.secret());
    assert_safe(&Router::new().nest("/admin", inner.layer(gate())), &vault, &["GET /admin/x"])
        .await;
}
