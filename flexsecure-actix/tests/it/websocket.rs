//! An upgrade that lacks a proof is answered as any other request: a socket that is closed again
//! tells a client nothing, and one that is open has been let in.

use actix_web::{HttpRequest, HttpResponse, Result, web};
use flexsecure_actix::core::test_util::ScriptedAuthority;
use flexsecure_actix::{Gate, StepUp};
use tokio::io::AsyncReadExt;

use crate::support::{PIN, Vault, bank, served_to_alice};
use crate::wire::{Reply, serve};

const UPGRADE: [&str; 5] = [
    "GET /socket HTTP/1.1",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A socket that greets with gold.
async fn socket(
    vault: web::Data<Vault>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    vault.open();
    let (response, mut session, _) = actix_ws::handle(&request, payload)?;
    actix_web::rt::spawn(async move { session.text("gold").await });
    Ok(response)
}

fn serve_socket(authority: &ScriptedAuthority, vault: &Vault) -> std::net::SocketAddr {
    let gate = Gate::builder(authority.clone()).build().unwrap();
    let (step_up, vault) = (StepUp::new(gate).identify(served_to_alice), vault.clone());
    serve(move |app| {
        let gated = web::resource("/socket").wrap(step_up.require(bank())).to(socket);
        let vault = web::Data::new(vault.clone());
        app.app_data(vault).service(gated).service(step_up.scope());
    })
}

/// T16: what is behind an open socket is the app's; it opens with a proof alone.
#[actix_web::test]
async fn an_upgrade_is_refused_before_it_happens_and_works_with_a_proof() {
    let vault = Vault::default();
    let address = serve_socket(&ScriptedAuthority::pin(PIN), &vault);

    let refused = Reply::to(address, &UPGRADE).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.header("www-authenticate").unwrap().starts_with("FlexSecure error="));
    assert_eq!(refused.header("upgrade"), None);
    assert_eq!(refused.header("sec-websocket-accept"), None);
    assert_eq!(vault.opened(), 0);

    let pin = format!("flexsecure-pin: {PIN}");
    let mut upgraded = Reply::to(address, &[&UPGRADE[..], &[&*pin]].concat()).await;
    assert_eq!(upgraded.status, 101, "{upgraded:?}");
    assert_eq!(upgraded.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let mut frame = [0; 6];
    upgraded.rest.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x04gold");
    assert_eq!(vault.opened(), 1);
}

/// A page of another site can open a socket with the user's cookies, and no CORS stops it.
#[actix_web::test]
async fn a_socket_that_another_site_opens_sends_no_message() {
    let (authority, vault) = (ScriptedAuthority::pin(PIN), Vault::default());
    let address = serve_socket(&authority, &vault);
    let foreign = ["origin: https://evil.example", "sec-fetch-site: cross-site"];
    let refused = Reply::to(address, &[&UPGRADE[..], &foreign].concat()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!((authority.starts(), vault.opened()), (0, 0));
}
