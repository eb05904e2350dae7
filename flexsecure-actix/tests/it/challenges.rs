use actix_web::web;
use flexsecure_actix::core::test_util::ScriptedAuthority;
use flexsecure_actix::{Gate, StepUp};

use crate::support::{PIN, Vault, bank, served_to_alice};
use crate::wire::{Reply, serve};

/// Two challenges are two headers, and a page has them too.
#[actix_web::test]
async fn a_client_of_oauth_is_challenged_beside_the_others() {
    let gate = Gate::builder(ScriptedAuthority::pin(PIN)).bearer("phr phrh").build().unwrap();
    let step_up = StepUp::new(gate).identify(served_to_alice);
    let address = serve(move |app| {
        let gated = web::resource("/vault").wrap(step_up.require(bank()));
        app.service(gated.to(Vault::default().handler()));
    });
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
