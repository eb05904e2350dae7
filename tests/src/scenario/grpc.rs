//! The same over gRPC: the flow is in the metadata, its endpoints are on the same port.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::client::{Client, Request};
use crate::inbox::wrong;
use crate::legacy::{Legacy, Variant, Verb, nobody};
use crate::rpc::{Caller, OPEN, PING};
use crate::subject::{Launch, Subject};

/// The vault, and the bank whose authority it asks.
#[derive(Debug)]
pub struct Vault {
    bank: Subject,
    vault: Subject,
}

impl Vault {
    /// Starts both.
    pub async fn start(bank: &Launch, vault: &Launch) -> Self {
        let bank = bank.start().await;
        let authority = bank.authority().clone();
        let vault = vault.clone().with_authority(authority.address, &authority.key).start().await;
        Self { bank, vault }
    }

    async fn caller(&self, bearer: &str) -> Caller {
        Caller::connect(self.vault.address(), Some(bearer)).await
    }

    async fn at_flow(&self, bearer: &str, request: Request) -> crate::client::Answer {
        let request = request.header("authorization", &format!("Bearer {bearer}"));
        Client::new(self.vault.address()).peek(request).await
    }
}

/// What a gRPC client needs is in the metadata, and the rest is the HTTP story.
pub async fn a_call_is_refused_until_the_pin_is_posted(vault: &Vault) {
    let alice = vault.caller(ALICE).await;
    assert_eq!(alice.call(PING, &[]).await.expect("an open method"), "pong");
    let status = alice.call(OPEN, &[]).await.expect_err("a refusal");
    let (id, problem) = refusal(&status);
    assert_eq!(problem["reason"], "missing");
    assert_eq!(problem["flow"]["id"], *id);
    assert_eq!(vault.bank.message_count().await, 1);
    let pin = vault.bank.newest_pin().await;
    let url = problem["flow"]["url"].as_str().expect("a path");
    assert_eq!(url, format!("/step-up/flows/{id}"));
    let submit = Request::post(&format!("{url}/pin")).json(&serde_json::json!({"pin": pin}));
    vault.at_flow(ALICE, submit).await.flow().assert_state("authenticated");
    assert_eq!(alice.call(OPEN, &[]).await.expect("a proof"), "1", "nothing ran before");
}

/// The PIN rides on the repeated call.
pub async fn the_pin_in_the_metadata_lets_the_call_through(vault: &Vault) {
    let alice = vault.caller(ALICE).await;
    let (id, _) = refusal(&alice.call(OPEN, &[]).await.expect_err("a refusal"));
    let pin = vault.bank.newest_pin().await;
    let status = alice.call(OPEN, &[("flexsecure-pin", &wrong(&pin))]).await.expect_err("wrong");
    assert_eq!(status.code(), Code::Unauthenticated);
    let problem = problem(&status);
    assert_eq!(problem["type"], "urn:flexsecure:problem:pin-rejected");
    assert_eq!((&problem["attempts_left"], &problem["flow"]["id"]), (&4.into(), &Value::from(id)));
    let status = alice.call(OPEN, &[("flexsecure-pin", "1234")]).await.expect_err("malformed");
    assert_eq!(status.code(), Code::InvalidArgument);
    let opened = alice.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect("a proof");
    assert_eq!(opened, "1");
}

/// T01, T03: the proof is the caller's own.
pub async fn the_proof_of_one_caller_does_not_do_for_another(vault: &Vault) {
    let alice = vault.caller(ALICE).await;
    let (id, _) = refusal(&alice.call(OPEN, &[]).await.expect_err("a refusal"));
    let pin = vault.bank.newest_pin().await;
    let elsewhere = format!("{ALICE}-elsewhere");
    for bearer in ["bob.1", &elsewhere] {
        let submit = Request::post(&format!("/step-up/flows/{id}/pin"))
            .json(&serde_json::json!({"pin": pin}));
        vault.at_flow(bearer, submit).await.assert_problem(404, "flow-not-found");
    }
    let opened = alice.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect("a proof");
    assert_eq!(opened, "1");
    for bearer in ["bob.1", &elsewhere] {
        let other = vault.caller(bearer).await;
        assert_eq!(
            other.call(OPEN, &[]).await.expect_err("no proof").code(),
            Code::Unauthenticated
        );
    }
    assert_eq!(alice.call(OPEN, &[]).await.expect("a proof"), "2");
}

/// Nobody in particular is told to log in.
pub async fn a_call_by_nobody_is_unauthenticated(vault: &Vault) {
    let nobody = Caller::connect(vault.vault.address(), None).await;
    let status = nobody.call(OPEN, &[]).await.expect_err("nobody");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(problem(&status)["type"], "urn:flexsecure:problem:identification-required");
    assert!(status.metadata().get("flexsecure-flow").is_none());
    assert_eq!(vault.bank.message_count().await, 0);
}

/// F40: a user by link waits with the call itself.
pub async fn a_held_call_goes_through_after_the_click(vault: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let vault = vault.clone().with_legacy(&legacy).start().await;
    let bob = Caller::connect(vault.address(), Some("bob.1")).await;
    let _refusal = refusal(&bob.call(OPEN, &[]).await.expect_err("a refusal"));
    let held = tokio::spawn(async move { bob.call(OPEN, &[("prefer", "wait=60")]).await });
    // The second check is one for somebody who waits.
    legacy.called(Verb::Check, 2).await;
    legacy.approve("bank", "bob");
    assert_eq!(held.await.expect("an answer").expect("a proof"), "1");
}

/// T11: no other spelling of the method leads around the gate.
pub async fn no_spelling_of_a_method_leads_around_the_gate(vault: &Vault) {
    for path in [
        "//conformance.Vault/Open",
        "/conformance.Vault/Open/",
        "/conformance.vault/open",
        "/conformance.Vault//Open",
        "/conformance.Vault/%4fpen",
        "/conformance.Vault/Open?x=y",
        "/./conformance.Vault/Open",
        "/x/../conformance.Vault/Open",
        "/step-up/../conformance.Vault/Open",
        "/step-up/%2e%2e/conformance.Vault/Open",
    ] {
        let (head, body) = raw(vault, path).await;
        let is_message = head.headers["content-type"] == "application/grpc" && !body.is_empty();
        assert!(!is_message, "{path}: {head:?} {body:?}");
    }
    let alice = vault.caller(ALICE).await;
    let _refusal = refusal(&alice.call(OPEN, &[]).await.expect_err("a refusal"));
    let pin = vault.bank.newest_pin().await;
    let opened = alice.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect("a proof");
    assert_eq!(opened, "1", "it was never opened before");
}

/// What a gRPC library of any language makes of a refusal, without a word of ours.
pub async fn what_is_wrong_is_in_the_error_classes_of_grpc(vault: &Vault) {
    let alice = vault.caller(ALICE).await;
    let status = alice.call(OPEN, &[]).await.expect_err("a refusal");
    let (id, problem) = refusal(&status);
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((&*info.reason, &*info.domain), ("MISSING", "flexsecure"));
    assert_eq!(info.metadata["flow"], id);
    assert_eq!(info.metadata["url"], problem["flow"]["url"]);
    for key in ["system", "type", "detail"] {
        assert_eq!(info.metadata[key], problem[key], "{key}");
    }
    for key in ["state", "method"] {
        assert_eq!(info.metadata[key], problem["flow"][key], "{key}");
    }
    assert_eq!(info.metadata["max_age"], problem["max_age"].to_string());
    for key in ["expires_in", "interval", "attempts_left"] {
        assert_eq!(info.metadata[key], problem["flow"][key].to_string(), "{key}");
    }
    assert!(status.get_details_retry_info().is_none(), "now is when to act on it");

    let pin = wrong(&vault.bank.newest_pin().await);
    let status = alice.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect_err("wrong");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((&*info.reason, &*info.metadata["attempts_left"]), ("PIN_REJECTED", "4"));
}

/// When another try is worth it is where a gRPC library looks for it.
pub async fn an_outage_says_when_to_try_again(vault: &Launch) {
    let vault = vault.clone().with_authority(nobody().await, Legacy::KEY).start().await;
    let bob = Caller::connect(vault.address(), Some("bob.1")).await;
    let status = bob.call(OPEN, &[]).await.expect_err("an outage");
    assert_eq!(status.code(), Code::Unavailable);
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "AUTHORITY_UNAVAILABLE");
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let header = status.metadata().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = delay.expect("a delay").as_secs();
    assert_eq!(header, Some(&*seconds.to_string()));
    assert!(seconds > 0);
}

/// On the wire: one header block with the status in it, and no message.
pub async fn a_refusal_is_trailers_only(vault: &Vault) {
    let (head, body) = raw(vault, OPEN).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["grpc-status"], "16");
    assert!(head.headers.contains_key("grpc-message"));
    assert!(head.headers.contains_key("flexsecure-flow"));
    assert!(head.headers.contains_key("flexsecure-problem"));
    assert!(body.is_empty(), "{body:?}");
}

async fn raw(vault: &Vault, path: &str) -> (http::response::Parts, Bytes) {
    let stream = TcpStream::connect(vault.vault.address()).await.expect("it accepts connections");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}{path}", vault.vault.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {ALICE}"))
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\x05hello")))
        .expect("a request");
    let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
    (head, body.collect().await.expect("all of it").to_bytes())
}

#[track_caller]
fn refusal(status: &Status) -> (String, Value) {
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    let flow = status.metadata().get("flexsecure-flow").expect("the flow");
    let problem = problem(status);
    assert_eq!(problem["type"], "urn:flexsecure:problem:step-up-required");
    (flow.to_str().expect("plain").to_owned(), problem)
}

#[track_caller]
fn problem(status: &Status) -> Value {
    let problem = status.metadata().get("flexsecure-problem").expect("the problem");
    serde_json::from_str(problem.to_str().expect("plain")).expect("JSON")
}

const ALICE: &str = "alice.a-session-of-hers";
