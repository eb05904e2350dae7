use std::future::{Ready, ready};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use flexsecure_conformance::counts::Counts;
use flexsecure_core::policy::{Decision, Facts};
use flexsecure_examples::startup::{Node, StartError};
use flexsecure_tower::{ReadingLayer, StepUp};
use tokio::net::TcpListener;

use crate::doors::{self, bank};

pub(crate) async fn run(is_outer: bool) -> Result<(), StartError> {
    let (node, listener, counts) = crate::start().await?;
    let listener = TcpListener::from_std(listener).map_err(StartError::Io)?;
    let step_up = StepUp::new(node.gate().clone());
    let orders = step_up.require_reading(doors::order());
    let app = if is_outer { outer(&step_up, &counts) } else { each(&step_up, &counts, orders) };
    serve(node, listener, app.merge(step_up.routes()).layer(from_fn(identify))).await
}

/// A layer on every route, on a router that is nested, and one with a table.
fn each(step_up: &StepUp, counts: &Counts, orders: ReadingLayer) -> Router {
    let gate = step_up.require(bank());
    let mut doors = Router::new();
    for (name, lock) in doors::all() {
        let door = any(counted(counts, name)).layer(step_up.require(lock));
        doors = doors.route(&format!("/{name}"), door);
    }
    // The fallback is behind the layer, and counts whatever gets to it.
    let nested = Router::new()
        .route("/door", any(counted(counts, "nested")))
        .route("/{name}/door", any(counted(counts, "nested")))
        .fallback(counted(counts, "nested"))
        .layer(gate.clone());
    let table = Router::new()
        .route("/door", any(counted(counts, "table")))
        .route("/open", any(counted(counts, "open")))
        .fallback(counted(counts, "table"))
        .layer(step_up.decide(what_it_takes));
    Router::new()
        .route("/open", any(counted(counts, "open")))
        .route("/reads", get(counted(counts, "reads")).layer(gate.clone()))
        .route("/writes", post(counted(counts, "writes")).layer(gate.clone()))
        .route("/upload", upload(counts).layer(gate.clone()))
        .route("/orders/{account}", read(counts, "orders").layer(orders))
        .nest("/doors", doors)
        .nest("/nested", nested)
        // The one path below that `nest` leaves out.
        .route("/nested/", any(counted(counts, "nested")).layer(gate.clone()))
        .nest("/table", table)
        .route("/table/", any(counted(counts, "table")).layer(gate))
}

/// By the matched route; what is not listed is denied.
fn what_it_takes(facts: &Facts<'_>) -> Decision<'static> {
    match facts.matched_route().as_deref() {
        Some("/table/open") => Decision::Allow,
        Some("/table/door") => Decision::require(bank()),
        _ => Decision::Deny,
    }
}

/// One layer around all routes, whatever they are, and around what answers the rest.
fn outer(step_up: &StepUp, counts: &Counts) -> Router {
    Router::new()
        .route("/doors/{name}", any(counted(counts, "bank")))
        .route("/reads", get(counted(counts, "reads")))
        .route("/writes", post(counted(counts, "writes")))
        .route("/upload", upload(counts))
        .nest("/nested", Router::new().fallback(counted(counts, "nested")))
        .fallback(counted(counts, "rest"))
        .layer(step_up.require(bank()))
}

/// A handler that counts who came in by `name`.
fn counted(
    counts: &Counts,
    name: &'static str,
) -> impl FnOnce() -> Ready<&'static str> + Clone + Send + Sync + use<> {
    let counts = counts.clone();
    move || {
        counts.add(name, 1);
        ready("in")
    }
}

/// A handler that reads all of the body.
fn upload(counts: &Counts) -> MethodRouter {
    read(counts, "upload").layer(DefaultBodyLimit::disable())
}

fn read(counts: &Counts, name: &'static str) -> MethodRouter {
    let counts = counts.clone();
    any(async move |body: Bytes| {
        counts.add(name, 1);
        counts.add("bytes", body.len());
        "in"
    })
}

async fn identify(mut request: Request, next: Next) -> Response {
    let authorization = request.headers().get("authorization").and_then(|it| it.to_str().ok());
    if let Some(identity) = authorization.and_then(crate::identity) {
        request.extensions_mut().insert(identity);
    }
    next.run(request).await
}

async fn serve(node: Node, listener: TcpListener, app: Router) -> Result<(), StartError> {
    node.announce_with("");
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(node.stopping()) => {
            served.map_err(StartError::Io)?;
        }
        () = node.overdue() => {}
    }
    node.stop().await;
    Ok(())
}
