//! Refusals that are not the gate's.

use axum::Router;
use axum::routing::get;
use flexsecure_tower::core::coverage::Finding;
use http::StatusCode;

use crate::outer::{ask, gate};

/// T13: whatever else says no today, the gate is not there.
#[tokio::test]
async fn a_route_that_refuses_by_itself_is_not_gated() {
    let refusal =
        [("content-type", "application/problem+json"), ("www-authenticate", "FlexSecure")];
    let body = "{\"type\":\"urn:flexsecure:problem:step-up-required\"}";
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let app = Router::new()
            .route("/forged", get(async move || (status, refusal, body)))
            .route("/gated", get("").layer(gate()));
        let report = ask(&app, &["GET /forged", "GET /gated"]).await;
        assert_eq!(report.finding("GET /forged"), Some(Finding::Open), "{status}");
        assert_eq!(report.finding("GET /gated"), Some(Finding::Gated));
    }
}
