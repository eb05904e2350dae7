//! What tonic developers may rely on.
#![cfg(feature = "tonic")]
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

use std::convert::Infallible;

use flexsecure_core::Timestamp;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::test_util::SettableClock;
use flexsecure_tower::core::Operation;
use flexsecure_tower::core::policy::Decision;
use flexsecure_tower::{Ask, Elevated, Gate, Identity, Requirement, StepUp, StepUpLayer};
use http::HeaderMap;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const PIN: &str = "48151623";

/// Its clock stands still, so that two refusals can be compared.
fn step_up() -> StepUp {
    let clock = SettableClock::at(Timestamp::from_millis(1_000_000));
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).clock(clock).build().unwrap())
}

fn reveal_prod_db() -> Requirement {
    let operation = Operation::new("Reveal the secret \u{fc}ber-prod").field("name", "prod-db");
    Requirement::system("vault").single_use().operation(operation)
}

async fn asks(request: Request<()>) -> Result<Response<()>, Status> {
    Ask::of(request.extensions())?.require(reveal_prod_db()).await?;
    Ok(Response::new(()))
}

async fn denies(request: Request<()>) -> Result<Response<()>, Status> {
    Err(Ask::of(request.extensions())?.deny().into())
}

async fn is_behind_require(request: Request<()>) -> Result<Response<()>, Status> {
    let elevated = Elevated::of(request.extensions())?;
    assert_eq!(elevated.system(), "vault");
    Ok(Response::new(()))
}

/// What a client is answered that calls `handler` behind `layer`.
async fn call<H>(
    layer: Option<StepUpLayer>,
    handler: H,
    metadata: &[(&'static str, &str)],
) -> HeaderMap
where
    H: AsyncFn(Request<()>) -> Result<Response<()>, Status>,
{
    let handler = &handler;
    // As the code does that tonic generates.
    let service = service_fn(async |request: http::Request<Body>| {
        let (parts, _) = request.into_parts();
        let metadata = MetadataMap::from_headers(parts.headers);
        let request = Request::from_parts(metadata, parts.extensions, ());
        let response = match handler(request).await {
            Ok(_) => Status::ok("").into_http::<Body>(),
            Err(status) => status.into_http(),
        };
        Ok::<_, Infallible>(response)
    });
    let mut request = http::Request::post("/vault.Vault/Reveal");
    for (name, value) in [("content-type", "application/grpc")].iter().chain(metadata) {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Identity::new("alice", "session"));
    let answered = match layer {
        Some(layer) => {
            let service = ServiceBuilder::new().layer(layer).service(service);
            service.oneshot(request).await.unwrap().into_parts().0
        }
        None => service.oneshot(request).await.unwrap().into_parts().0,
    };
    assert_eq!(answered.status, 200);
    answered.headers
}

/// What tonic's own client makes of the answer.
fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers).unwrap()
}

/// Both headers as a client reads them: tonic escapes more of a message than it has to.
fn assert_alike(by_handler: &HeaderMap, by_layer: &HeaderMap) {
    let (by_handler, by_layer) = (status(by_handler), status(by_layer));
    assert_eq!(by_handler.code(), by_layer.code());
    assert_eq!(by_handler.message(), by_layer.message());
    assert_eq!(by_handler.details(), by_layer.details());
    let sorted = |status: &Status| {
        let headers = status.metadata().clone().into_headers();
        let mut pairs: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(sorted(&by_handler), sorted(&by_layer));
}

#[tokio::test]
async fn a_handler_refuses_as_the_layer_does() {
    let step_up = step_up();
    // The first one starts the flow, which the others find as it is.
    call(Some(step_up.on_demand()), asks, &[]).await;
    let by_handler = call(Some(step_up.on_demand()), asks, &[]).await;
    let by_layer = call(Some(step_up.require(reveal_prod_db())), asks, &[]).await;
    assert_eq!(status(&by_layer).code(), Code::Unauthenticated);
    for name in ["flexsecure-flow", "flexsecure-problem", "grpc-status-details-bin"] {
        assert!(by_layer.contains_key(name), "{name}");
    }
    assert_alike(&by_handler, &by_layer);

    // A malformed one: a wrong one costs an attempt, and the answer tells how many are left.
    let pin = [("flexsecure-pin", "1111")];
    let by_handler = call(Some(step_up.on_demand()), asks, &pin).await;
    let by_layer = call(Some(step_up.require(reveal_prod_db())), asks, &pin).await;
    assert_eq!(status(&by_layer).code(), Code::InvalidArgument);
    assert_alike(&by_handler, &by_layer);

    let by_handler = call(Some(step_up.on_demand()), denies, &[]).await;
    let by_layer = call(Some(step_up.decide(|_| Decision::Deny)), denies, &[]).await;
    assert_eq!(status(&by_layer).code(), Code::PermissionDenied);
    assert_alike(&by_handler, &by_layer);
}

#[tokio::test]
async fn a_handler_goes_on_once_with_a_proof() {
    let step_up = step_up();
    let pin = [("flexsecure-pin", PIN)];
    let refused = call(Some(step_up.on_demand()), asks, &[]).await;
    assert_eq!(status(&refused).code(), Code::Unauthenticated);
    let passed = call(Some(step_up.on_demand()), asks, &pin).await;
    assert_eq!(status(&passed).code(), Code::Ok);
    let spent = call(Some(step_up.on_demand()), asks, &pin).await;
    assert_eq!(status(&spent).code(), Code::Unauthenticated);
    assert!(spent["flexsecure-problem"].to_str().unwrap().contains(r#""reason":"spent""#));
}

#[tokio::test]
async fn a_handler_finds_the_elevation_that_let_it_in() {
    let step_up = step_up();
    let layer = || Some(step_up.require(Requirement::system("vault")));
    call(layer(), is_behind_require, &[]).await;
    let passed = call(layer(), is_behind_require, &[("flexsecure-pin", PIN)]).await;
    assert_eq!(status(&passed).code(), Code::Ok);
}

/// A layer that is missing must not be what lets somebody in, nor tell a client about it.
#[tokio::test]
async fn without_the_layer_a_handler_that_needs_it_is_an_internal_error() {
    for answer in [call(None, asks, &[]).await, call(None, is_behind_require, &[]).await] {
        let status = status(&answer);
        assert_eq!((status.code(), status.message()), (Code::Internal, ""));
    }
}

/// Who takes a handler for anything but gRPC is refused as well.
#[tokio::test]
async fn a_refusal_in_another_form_is_a_status_too() {
    let gate = Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap();
    let step_up = StepUp::new(gate);
    let refused = call(Some(step_up.on_demand()), as_json, &[]).await;
    assert_eq!(status(&refused).code(), Code::Unauthenticated);
}

/// A refusal as it is when the request does not say that it is gRPC.
async fn as_json(_: Request<()>) -> Result<Response<()>, Status> {
    let request = flexsecure_tower::core::PlainRequest { method: "POST", path: "/", headers: &[] };
    let refusal = step_up().gate().identification_required(&request);
    Err(flexsecure_tower::Refused::from(refusal).into())
}
