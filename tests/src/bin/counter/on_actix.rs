use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes, PayloadConfig, ServiceConfig};
use actix_web::{App, Error, HttpMessage, HttpServer, Resource, rt};
use flexsecure_actix::{ReadingMiddleware, StepUp};
use flexsecure_conformance::counts::Counts;
use flexsecure_examples::startup::{DRAIN_LIMIT, StartError};

use crate::doors::{self, bank};

pub(crate) async fn run(is_outer: bool) -> Result<(), StartError> {
    let (node, listener, counts) = crate::start().await?;
    let step_up = StepUp::new(node.gate().clone());
    let orders = step_up.require_reading(doors::order());
    let server = HttpServer::new(move || {
        let configure = |config: &mut ServiceConfig| {
            config.app_data(PayloadConfig::new(usize::MAX)).service(step_up.scope());
            if is_outer {
                outer(config, &step_up, &counts)
            } else {
                each(config, &step_up, &counts, &orders)
            }
        };
        App::new().wrap(from_fn(identify)).configure(configure)
    })
    .disable_signals()
    .workers(2)
    .shutdown_timeout(DRAIN_LIMIT.as_secs())
    .listen_auto_h2c(listener)
    .map_err(StartError::Io)?
    .run();
    node.announce_with("");
    let (stopping, handle) = (node.stopping(), server.handle());
    rt::spawn(async move {
        stopping.await;
        handle.stop(true).await;
    });
    server.await.map_err(StartError::Io)?;
    node.stop().await;
    Ok(())
}

/// A middleware on every resource, on single routes, and on a scope.
fn each(config: &mut ServiceConfig, step_up: &StepUp, counts: &Counts, orders: &ReadingMiddleware) {
    let gate = step_up.require(bank());
    let mut doors = web::scope("/doors");
    for (name, lock) in doors::all() {
        doors = doors.service(
            web::resource(format!("/{name}")).to(counted(counts, name)).wrap(step_up.require(lock)),
        );
    }
    // The default service is behind the middleware, and counts whatever gets to it.
    let nested = web::scope("/nested")
        .route("/door", web::to(counted(counts, "nested")))
        .route("/{name}/door", web::to(counted(counts, "nested")))
        .default_service(web::to(counted(counts, "nested")))
        .wrap(gate.clone());
    let reads = web::get().to(counted(counts, "reads")).wrap(gate.clone());
    let writes = web::post().to(counted(counts, "writes")).wrap(gate.clone());
    config
        .route("/open", web::to(counted(counts, "open")))
        .service(web::resource("/reads").route(reads))
        .service(web::resource("/writes").route(writes))
        .service(read(counts, "/upload", "upload").wrap(gate))
        .service(read(counts, "/orders/{account}", "orders").wrap(orders.clone()))
        .service(doors)
        .service(nested);
}

/// One middleware around all routes, whatever they are, and around what answers the rest.
fn outer(config: &mut ServiceConfig, step_up: &StepUp, counts: &Counts) {
    let all = web::scope("")
        .route("/doors/{name}", web::to(counted(counts, "bank")))
        .route("/reads", web::get().to(counted(counts, "reads")))
        .route("/writes", web::post().to(counted(counts, "writes")))
        .service(read(counts, "/upload", "upload"))
        .default_service(web::to(counted(counts, "rest")))
        .wrap(step_up.require(bank()));
    config.service(all);
}

/// A handler that counts who came in by `name`.
fn counted(
    counts: &Counts,
    name: &'static str,
) -> impl Fn() -> Ready<&'static str> + Clone + use<> {
    let counts = counts.clone();
    move || {
        counts.add(name, 1);
        ready("in")
    }
}

/// A handler that reads all of the body.
fn read(counts: &Counts, path: &str, name: &'static str) -> Resource {
    let counts = counts.clone();
    web::resource(path).to(move |body: Bytes| {
        counts.add(name, 1);
        counts.add("bytes", body.len());
        ready("in")
    })
}

async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    if let Some(identity) = authorization.and_then(crate::identity) {
        request.extensions_mut().insert(identity);
    }
    next.call(request).await
}
