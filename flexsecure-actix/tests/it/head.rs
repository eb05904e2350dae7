//! RFC 9110, section 9.3.2: all that a GET would be answered but for the body.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web;
use flexsecure_actix::core::Timestamp;
use flexsecure_actix::core::test_util::{ScriptedAuthority, SettableClock};
use flexsecure_actix::{Gate, StepUp};

use crate::support::{PIN, Vault, bank, served_to_alice};
use crate::wire::{Reply, serve};

/// Time stands still, so that equal answers are equal to the byte.
fn serve_vault(authority: &ScriptedAuthority, vault: &Vault) -> SocketAddr {
    let clock = Arc::new(SettableClock::at(Timestamp::from_millis(1_000_000)));
    let gate = Gate::builder(authority.clone()).clock(clock).build().unwrap();
    let (step_up, vault) = (StepUp::new(gate).identify(served_to_alice), vault.clone());
    serve(move |app| {
        let gated = web::resource("/vault").wrap(step_up.require(bank()));
        app.service(gated.to(vault.handler())).service(step_up.scope());
    })
}

/// The status and headers that both got, and the body of the GET.
async fn both(address: SocketAddr, more: &[&str]) -> (u16, Vec<String>, String) {
    let ask = async |line| Reply::to(address, &[&[line, "connection: close"], more].concat()).await;
    let get = ask("GET /vault HTTP/1.1").await;
    let head = ask("HEAD /vault HTTP/1.1").await;
    assert_eq!((head.status, &head.head), (get.status, &get.head));
    let length: usize = get.header("content-length").unwrap().parse().unwrap();
    let (status, headers) = (get.status, get.head.clone());
    let body = get.body().await;
    assert_eq!(body.len(), length);
    assert_eq!(head.body().await, "");
    (status, headers, body)
}

#[actix_web::test]
async fn head_is_refused_and_let_through_like_get() {
    let vault = Vault::default();
    let address = serve_vault(&ScriptedAuthority::pin(PIN), &vault);
    // Both are answered about the flow that it opens.
    Reply::to(address, &["HEAD /vault HTTP/1.1"]).await;

    let (status, _, body) = both(address, &[]).await;
    assert_eq!(status, 401);
    assert!(body.contains("\"reason\":\"missing\""), "{body}");
    let (status, _, body) = both(address, &["sec-fetch-mode: navigate"]).await;
    assert_eq!(status, 401);
    assert!(body.contains("<main id=\"step-up\""), "{body}");
    assert_eq!(both(address, &["flexsecure-pin: 1234"]).await.0, 400);
    assert_eq!(vault.opened(), 0);

    let pin = format!("flexsecure-pin: {PIN}");
    let proved = Reply::to(address, &["HEAD /vault HTTP/1.1", &pin]).await;
    assert_eq!((proved.status, vault.opened()), (200, 1));
    let (status, _, body) = both(address, &[]).await;
    assert_eq!((status, &*body, vault.opened()), (200, "gold", 3));
}

#[actix_web::test]
async fn a_held_head_goes_through_when_the_user_approves() {
    let (authority, vault) = (ScriptedAuthority::passwordless(), Vault::default());
    let address = serve_vault(&authority, &vault);
    let lines = ["HEAD /vault HTTP/1.1", "prefer: wait=60", "connection: close"];
    let held = actix_web::rt::spawn(async move { Reply::to(address, &lines).await });
    // What asks the authority how it stands, other than the start, is the request that is held.
    authority.wait_for(|calls| calls.len() >= 2).await;
    assert_eq!(vault.opened(), 0);
    authority.approve();
    let answer = held.await.unwrap();
    assert_eq!((answer.status, vault.opened()), (200, 1));
    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
    assert_eq!(answer.header("content-length"), Some("4"));
    assert_eq!(answer.body().await, "");
}
