//! An upgrade that lacks a proof is answered as any other request: a socket that is closed again
//! tells a client nothing, and one that is open has been let in.

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::any;
use flexsecure_core::authority::ScriptedAuthority;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::wire::{Reply, serve};
use crate::{PIN, Vault, alice, bank, step_up};

const UPGRADE: [&str; 5] = [
    "GET /socket HTTP/1.1",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A socket that greets with gold.
fn app(authority: &ScriptedAuthority, vault: &Vault) -> Router {
    let step_up = step_up(authority);
    let vault = vault.clone();
    let socket = async move |upgrade: WebSocketUpgrade| {
        vault.open();
        upgrade.on_upgrade(async |mut socket| {
            socket.send(Message::text("gold")).await.unwrap();
        })
    };
    let gated = any(socket).layer(step_up.require(bank()));
    Router::new().route("/socket", gated).merge(step_up.routes()).layer(alice())
}

/// T16: what is behind an open socket is the app's; it opens with a proof alone.
#[tokio::test]
async fn an_upgrade_is_refused_before_it_happens_and_works_with_a_proof() {
    let vault = Vault::default();
    let address = serve(app(&ScriptedAuthority::pin(PIN), &vault)).await;

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
#[tokio::test]
async fn a_socket_that_another_site_opens_sends_no_message() {
    let (authority, vault) = (ScriptedAuthority::pin(PIN), Vault::default());
    let address = serve(app(&authority, &vault)).await;
    let foreign = ["origin: https://evil.example", "sec-fetch-site: cross-site"];
    let refused = Reply::to(address, &[&UPGRADE[..], &foreign].concat()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!((authority.starts(), vault.opened()), (0, 0));
}

/// T16: over HTTP/2 (RFC 8441) it is an extended CONNECT, and 200 what lets it in.
#[tokio::test]
async fn an_extended_connect_is_refused_before_it_happens_and_works_with_a_proof() {
    let vault = Vault::default();
    let address = serve(app(&ScriptedAuthority::pin(PIN), &vault)).await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let http2 = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = http2.await.unwrap();
    tokio::spawn(connection);
    // Whether the server takes such requests is in its settings, which come with its first answer.
    let plain = Request::get(format!("http://{address}/nowhere")).body(Empty::<&[u8]>::new());
    assert_eq!(sender.send_request(plain.unwrap()).await.unwrap().status(), StatusCode::NOT_FOUND);

    let connect = |pin: Option<&str>| {
        let mut request = Request::connect(format!("http://{address}/socket"))
            .version(Version::HTTP_2)
            .header("sec-websocket-version", "13");
        if let Some(pin) = pin {
            request = request.header("flexsecure-pin", pin);
        }
        let mut request = request.body(Empty::<&[u8]>::new()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        request
    };
    let refused = sender.send_request(connect(None)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["reason"], "missing");
    assert_eq!(vault.opened(), 0);

    let upgraded = sender.send_request(connect(Some(PIN))).await.unwrap();
    assert_eq!(upgraded.status(), StatusCode::OK);
    assert_eq!(vault.opened(), 1);
}
