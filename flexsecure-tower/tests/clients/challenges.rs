use axum::Router;
use axum::routing::get;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_tower::{Gate, StepUp};

use crate::wire::{Reply, serve};
use crate::{PIN, alice, bank};

/// Two challenges are two headers, and a page has them too.
#[tokio::test]
async fn a_client_of_oauth_is_challenged_beside_the_others() {
    let gate = Gate::builder(ScriptedAuthority::pin(PIN)).bearer("phr phrh").build().unwrap();
    let gated = get(async || "gold").layer(StepUp::new(gate).require(bank()));
    let address = serve(Router::new().route("/vault", gated).layer(alice())).await;
    let form = ["POST /vault HTTP/1.1", "content-length: 0", "accept: text/html"];
    for lines in [&["GET /vault HTTP/1.1"][..], &["HEAD /vault HTTP/1.1"], &form] {
        let refused = Reply::to(address, lines).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        let challenges = refused.all("www-authenticate");
        let [bearer, own] = *challenges else { panic!("{refused:?}") };
        assert!(own.starts_with("FlexSecure error="), "{own}");
        assert!(bearer.starts_with("Bearer error="), "{bearer}");
        assert!(bearer.ends_with("acr_values=\"phr phrh\", max_age=\"600\""), "{bearer}");
    }
}
