use flexsecure_conformance::counts::Counts;
use flexsecure_conformance::rpc::{OPEN, PING, Vault};
use flexsecure_core::policy::{Decision, Facts};
use flexsecure_examples::startup::StartError;
use flexsecure_tower::StepUp;
use tokio::net::TcpListener;
use tonic::service::{InterceptorLayer, LayerExt, Routes};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

use crate::doors::bank;

pub(crate) async fn run(is_outer: bool) -> Result<(), StartError> {
    let (node, listener, counts) = crate::start().await?;
    let listener = TcpListener::from_std(listener).map_err(StartError::Io)?;
    let step_up = StepUp::new(node.gate().clone());
    node.announce_with("");
    Server::builder()
        .accept_http1(true)
        .layer(InterceptorLayer::new(identify))
        .add_routes(routes(&step_up, &counts, is_outer))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), node.stopping())
        .await
        .map_err(|error| StartError::Io(std::io::Error::other(error)))?;
    node.stop().await;
    Ok(())
}

/// With one layer around all services, or with one around the service alone.
fn routes(step_up: &StepUp, counts: &Counts, is_outer: bool) -> Routes {
    let vault = Vault::counting(counts.clone());
    if is_outer {
        let all = Routes::new(vault).into_axum_router().merge(step_up.routes());
        return all.layer(step_up.decide(what_it_takes)).into();
    }
    let gated = Routes::new(step_up.require(bank()).named_layer(vault));
    gated.into_axum_router().merge(step_up.routes()).into()
}

/// Each path by its full name: what is not listed is not served.
fn what_it_takes(facts: &Facts<'_>) -> Decision<'static> {
    match facts.path() {
        OPEN => Decision::require(bank()),
        PING => Decision::Allow,
        path if path.starts_with("/step-up/") => Decision::Allow,
        _ => Decision::Deny,
    }
}

fn identify(mut request: Request<()>) -> Result<Request<()>, Status> {
    let authorization = request.metadata().get("authorization").and_then(|it| it.to_str().ok());
    if let Some(identity) = authorization.and_then(crate::identity) {
        request.extensions_mut().insert(identity);
    }
    Ok(request)
}
