//! A layer around a router that is nested, which is one of the two safe forms.

use axum::Router;
use axum::routing::get;

use crate::outer::{Vault, assert_safe, gate, send};

#[tokio::test]
async fn around_a_nested_router_no_spelling_gets_through() {
    let vault = Vault::default();
    let inner = Router::new().route("/x", get(vault.secret())).layer(gate());
    let app = Router::new().nest("/admin", inner);
    for path in [
        "/admin/x",
        "//admin/x",
        "/admin//x",
        "/admin/x/",
        "/%61dmin/x",
        "/a%64min/x",
        "/admin%2fx",
        "/admin/%78",
        "/ADMIN/x",
        "/Admin/X",
        "/./admin/x",
        "/y/../admin/x",
        "/admin;a=b/x",
        "/admin/x?y=/health",
        "http://bank.example/admin/x",
    ] {
        let status = send(&app, "GET", path).await.status();
        assert!(status == 401 || status == 404, "{path} {status}");
    }
    assert_eq!(vault.opened(), 0);
    assert_safe(&app, &vault, &["GET /admin/x"]).await;
}
