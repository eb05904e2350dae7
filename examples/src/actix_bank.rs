//! The bank on actix-web. Lines that step-up adds to the app are marked.

mod handlers;
mod render;

use std::process::ExitCode;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard;
use actix_web::http::header::{ACCEPT, COOKIE, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, HttpMessage, HttpServer, Resource, Route, rt};
use flexsecure_actix::StepUp;

use self::handlers as on;
use self::render::put;
use crate::bank::Bank;
use crate::body::MAX_BODY;
use crate::reply::{BankError, Reply};
use crate::startup::{DRAIN_LIMIT, Node, StartError, exit_code};
use crate::{page, policy};

/// The app; the middleware that runs [`identify`] goes around it.
pub fn app(config: &mut ServiceConfig, bank: &Bank, step_up: &StepUp) {
    let logged_in = step_up.require(policy::logged_in); // step-up

    // The middleware wraps what answers unknown paths too: it does not tell strangers what there is.
    let admin = web::scope("/admin")
        .service(only("/users", "GET, HEAD").route(read().to(on::users)))
        .service(only("/freeze", "POST").post(on::freeze))
        .service(only("/users/{user}", "DELETE").delete(on::close))
        .default_service(web::to(not_found))
        .wrap(step_up.require(policy::admin())); // step-up

    config
        .app_data(Data::new(bank.clone()))
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .service(only("/", "GET, HEAD").route(read().to(on::home)))
        .service(only("/login", "POST").post(on::login))
        .service(only("/logout", "POST").post(on::logout))
        .service(only("/healthz", "GET, HEAD").route(read().to(on::health)))
        .service(only("/bank.css", "GET, HEAD").route(read().to(on::style)))
        .service(only("/bank.js", "GET, HEAD").route(read().to(on::script)))
        .service(only("/bank.svg", "GET, HEAD").route(read().to(on::icon)))
        .service(only("/rotate", "POST").post(on::rotate).wrap(logged_in.clone()))
        .service(only("/password", "POST").post(on::change_password).wrap(logged_in.clone()))
        .service(only("/balance", "GET, HEAD").route(read().to(on::balance)).wrap(logged_in))
        .service(
            only("/statements", "GET, HEAD")
                .route(read().to(on::statements))
                .wrap(step_up.require(policy::statements())), // step-up
        )
        .service(
            only("/transfers", "GET, HEAD, POST")
                .route(read().to(on::transfers))
                .post(on::transfer)
                .wrap(step_up.on_demand()), // step-up
        )
        .service(
            only("/probe", "GET, HEAD").route(read().to(on::probe)).wrap(step_up.on_demand()), // step-up
        )
        .service(admin)
        .service(step_up.scope()) // step-up
        .default_service(web::to(not_found));
}

/// Reads the session cookie once, for the handlers and for step-up, and shows people a page.
///
/// # Errors
///
/// Those of what it is around.
pub async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let Some(bank) = request.app_data::<Data<Bank>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let cookies = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    let user = bank.user(cookies);
    if let Some(user) = &user {
        request.extensions_mut().insert(user.identity()); // step-up
        request.extensions_mut().insert(user.clone());
    }
    let mode = request.headers().get("sec-fetch-mode").map(HeaderValue::as_bytes);
    let accept = request.headers().get_all(ACCEPT).map(HeaderValue::as_bytes);
    let is_person = page::is_wanted(mode, accept);
    let mut response = next.call(request).await?.map_into_boxed_body();
    let reply = response.response_mut().extensions_mut().remove::<Reply>();
    let Some(reply) = reply.filter(|_| is_person) else { return Ok(response) };
    let (request, response) = response.into_parts();
    Ok(ServiceResponse::new(request, put(&bank.page(reply, user.as_ref()), response)))
}

/// A route for `methods`, which answers all others like the rest of the bank does.
fn only(path: &str, methods: &'static str) -> Resource {
    let other = move || async move { BankError::MethodNotAllowed(methods) };
    web::resource(path).default_service(web::to(other))
}

/// For actix, `HEAD` is a method like any other.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn not_found() -> BankError {
    BankError::NotFound
}

/// Runs it as the environment says, until SIGTERM or SIGINT.
#[must_use]
pub fn main() -> ExitCode {
    exit_code("actix-bank", rt::System::new().block_on(run()))
}

async fn run() -> Result<(), StartError> {
    let (node, listener) = Node::start().await?;
    let bank = node.bank().clone();
    // Outside the closure, which runs once a worker: all of them share one gate.
    let step_up = StepUp::new(bank.gate().clone()); // step-up
    let server = HttpServer::new(move || {
        App::new().wrap(from_fn(identify)).configure(|config| app(config, &bank, &step_up))
    })
    .disable_signals()
    .shutdown_timeout(DRAIN_LIMIT.as_secs())
    .listen(listener)
    .map_err(StartError::Io)?
    .run();
    node.announce();
    let (stopping, handle) = (node.stopping(), server.handle());
    rt::spawn(async move {
        stopping.await;
        handle.stop(true).await;
    });
    server.await.map_err(StartError::Io)?;
    node.stop().await;
    Ok(())
}
