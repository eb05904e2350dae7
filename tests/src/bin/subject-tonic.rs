//! A gRPC service on tonic, as a subject of the scenarios: its authority is another subject's.
//!
//! Who asks is in the metadata as `authorization: Bearer USER.SESSION`.

use std::error::Error;
use std::io::Write;

use flexsecure_conformance::rpc::{OPEN, PING, Vault};
use flexsecure_core::policy::{Decision, Facts};
use flexsecure_core::{Gate, HttpAuthority, Identity, Requirement};
use flexsecure_tower::StepUp;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let step_up = StepUp::new(Gate::builder(HttpAuthority::from_env()?).build()?);
    let router = Routes::new(Vault::default()).into_axum_router().merge(step_up.routes());
    let address = std::env::var("BANK_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let incoming = TcpIncoming::bind(address.parse()?)?;
    writeln!(std::io::stdout(), "listening on http://{}", incoming.local_addr()?)?;
    Server::builder()
        .accept_http1(true)
        .layer(InterceptorLayer::new(identify))
        .layer(step_up.require(what_it_takes))
        .add_routes(Routes::from(router))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

/// Each path by its full name: what is not listed is not served.
fn what_it_takes(facts: &Facts<'_>) -> Decision<'static> {
    match facts.path() {
        OPEN => Decision::require(Requirement::system("bank")),
        PING => Decision::Allow,
        path if path.starts_with("/step-up/") => Decision::Allow,
        _ => Decision::Deny,
    }
}

fn identify(mut request: Request<()>) -> Result<Request<()>, Status> {
    let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer "));
    if let Some((user, _)) = token.and_then(|token| token.split_once('.')) {
        let identity = Identity::new(user, token.unwrap_or_default());
        request.extensions_mut().insert(identity);
    }
    Ok(request)
}
