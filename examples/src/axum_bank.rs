//! The bank on axum. Lines that step-up adds to the app are marked.

mod handlers;
mod render;

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{ACCEPT, COOKIE, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use axum::{Router, serve};
use flexsecure_tower::StepUp;
use tokio::net::TcpListener;

use self::handlers as on;
use self::render::put;
use crate::bank::Bank;
use crate::body::MAX_BODY;
use crate::reply::{BankError, Reply};
use crate::startup::{Node, StartError, exit_code};
use crate::{page, policy};

/// The app.
pub fn app(bank: &Bank) -> Router {
    let step_up = StepUp::new(bank.gate().clone()); // step-up
    let logged_in = step_up.require(policy::logged_in); // step-up
    let admins_only = step_up.require(policy::admin()); // step-up

    // The layer comes last, so that the fallback is behind it too: it does not tell strangers what
    // there is.
    let admin = Router::new()
        .route("/users", only("GET, HEAD").get(on::users))
        .route("/freeze", only("POST").post(on::freeze))
        .route("/users/{user}", only("DELETE").delete(on::close))
        .fallback(not_found)
        .layer(admins_only.clone()); // step-up

    Router::new()
        .route("/", only("GET, HEAD").get(on::home))
        .route("/login", only("POST").post(on::login))
        .route("/logout", only("POST").post(on::logout))
        .route("/healthz", only("GET, HEAD").get(on::health))
        .route("/bank.css", only("GET, HEAD").get(on::style))
        .route("/bank.js", only("GET, HEAD").get(on::script))
        .route("/bank.svg", only("GET, HEAD").get(on::icon))
        .route("/rotate", only("POST").post(on::rotate).layer(logged_in.clone()))
        .route("/password", only("POST").post(on::change_password).layer(logged_in.clone()))
        .route("/balance", only("GET, HEAD").get(on::balance).layer(logged_in))
        .route(
            "/statements",
            only("GET, HEAD").get(on::statements).layer(step_up.require(policy::statements())), // step-up
        )
        .route(
            "/transfers",
            only("GET, HEAD, POST")
                .get(on::transfers)
                .post(on::transfer)
                .layer(step_up.on_demand()), // step-up
        )
        .route("/probe", only("GET, HEAD").get(on::probe).layer(step_up.on_demand())) // step-up
        .nest("/admin", admin)
        // The one path below that `nest` leaves out.
        .route("/admin/", any(not_found).layer(admins_only)) // step-up
        .merge(step_up.routes()) // step-up
        .fallback(not_found)
        .layer(from_fn_with_state(bank.clone(), identify))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(bank.clone())
}

/// Reads the session cookie once, for the handlers and for step-up, and shows people a page.
async fn identify(State(bank): State<Bank>, mut request: Request, next: Next) -> Response {
    let cookies = request.headers().get_all(COOKIE).iter().map(|cookie| cookie.as_bytes());
    let user = bank.user(cookies);
    if let Some(user) = &user {
        request.extensions_mut().insert(user.identity()); // step-up
        request.extensions_mut().insert(user.clone());
    }
    let mode = request.headers().get("sec-fetch-mode").map(HeaderValue::as_bytes);
    let accept = request.headers().get_all(ACCEPT).iter().map(HeaderValue::as_bytes);
    let is_person = page::is_wanted(mode, accept);
    let mut response = next.run(request).await;
    if is_person && let Some(reply) = response.extensions_mut().remove::<Reply>() {
        put(&bank.page(reply, user.as_ref()), &mut response);
    }
    response
}

/// A route for `methods`, which answers all others like the rest of the bank does.
fn only(methods: &'static str) -> MethodRouter<Bank> {
    any(async move || BankError::MethodNotAllowed(methods))
}

async fn not_found() -> BankError {
    BankError::NotFound
}

/// Runs it as the environment says, until SIGTERM or SIGINT.
#[must_use]
pub fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io);
    exit_code("axum-bank", runtime.and_then(|runtime| runtime.block_on(run())))
}

async fn run() -> Result<(), StartError> {
    let (node, listener) = Node::start().await?;
    let listener = TcpListener::from_std(listener).map_err(StartError::Io)?;
    // Policies, and the page that approves, can know from where a request came.
    let service = app(node.bank()).into_make_service_with_connect_info::<SocketAddr>();
    node.announce();
    tokio::select! {
        served = serve(listener, service).with_graceful_shutdown(node.stopping()) => {
            served.map_err(StartError::Io)?;
        }
        () = node.overdue() => {}
    }
    node.stop().await;
    Ok(())
}
