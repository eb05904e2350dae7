//! Logins of actix-identity, which keeps them in actix-session: `cargo run --bin login-actix`.
//!
//! To see an account takes a login; to see its recovery codes takes a proof as well. Lines that
//! step-up adds are marked. There are no passwords: the first factor is not what this shows.

use std::process::ExitCode;

use actix_identity::{Identity as LoggedIn, IdentityExt, IdentityMiddleware};
use actix_session::storage::{CookieSessionStore, generate_session_key};
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::{Service, ServiceRequest};
use actix_web::error::{ErrorForbidden, ErrorServiceUnavailable};
use actix_web::http::header::ContentType;
use actix_web::web::{self, Data, Form, Redirect, ServiceConfig};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, HttpServer, Responder, Result, rt};
use flexsecure_actix::{Elevated, Identity, Requirement, StepUp};
use flexsecure_examples::startup::{DRAIN_LIMIT, Node, StartError, exit_code};
use serde::Deserialize;

fn routes(config: &mut ServiceConfig, step_up: &StepUp) {
    let proof = Requirement::system("account"); // step-up
    let codes = web::resource("/account/recovery-codes").wrap(step_up.require(proof)); // step-up
    config
        .service(step_up.scope()) // step-up
        .service(codes.get(recovery_codes))
        .route("/account", web::get().to(account))
        .route("/login", web::get().to(login_form))
        .route("/login", web::post().to(log_in))
        .route("/logout", web::post().to(log_out));
}

/// Leaves who is logged in for step-up to find; a session of actix has no id of its own to go by.
fn introduce(request: &ServiceRequest) {
    let user = request.get_identity().ok().and_then(|user| user.id().ok());
    if let (Some(user), Some(login)) = (user, login_of(&request.get_session())) {
        request.extensions_mut().insert(Identity::new(&user, &login)); // step-up
    }
}

fn login_of(session: &Session) -> Option<String> {
    session.get(LOGIN).ok()?
}

async fn log_in(
    request: HttpRequest,
    session: Session,
    step_up: Data<StepUp>,
    Form(Credentials { user }): Form<Credentials>,
) -> Result<impl Responder> {
    if !["alice", "bob"].contains(&&*user) {
        return Err(ErrorForbidden("there is no such user"));
    }
    // One user after another can have the same session: nothing of the first is left to the second.
    revoke(&step_up, &session).await?; // step-up
    session.insert(LOGIN, String::from(generate_session_key()))?; // step-up
    LoggedIn::login(&request.extensions(), user).map_err(ErrorServiceUnavailable)?;
    Ok(Redirect::to("/account").see_other())
}

async fn log_out(
    user: LoggedIn,
    session: Session,
    step_up: Data<StepUp>,
) -> Result<impl Responder> {
    // A copy of the cookie outlives the logout, but what it has proved does not.
    revoke(&step_up, &session).await?; // step-up
    user.logout();
    Ok(Redirect::to("/login").see_other())
}

async fn revoke(step_up: &StepUp, session: &Session) -> Result<()> {
    let Some(login) = login_of(session) else { return Ok(()) };
    step_up.gate().revoke_session(&login).await.map_err(ErrorServiceUnavailable)
}

async fn login_form() -> HttpResponse {
    html(r#"<form method="post"><input name="user" value="alice"><button>Log in</button></form>"#)
}

async fn account(user: LoggedIn) -> Result<HttpResponse> {
    let user = user.id().map_err(ErrorServiceUnavailable)?;
    Ok(html(&format!(
        r#"<p>This is {user}. <a href="/account/recovery-codes">Recovery codes</a></p>
<form method="post" action="/logout"><button>Log out</button></form>"#
    )))
}

/// Runs only with a proof, of which [`Elevated`] tells.
async fn recovery_codes(elevated: Elevated, user: LoggedIn) -> Result<String> {
    let user = user.id().map_err(ErrorServiceUnavailable)?;
    Ok(format!("recovery codes of {user}, shown by {}: 4815-1623, 4242-1516\n", elevated.method()))
}

fn html(page: &str) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(page.to_owned())
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
}

async fn run() -> Result<(), StartError> {
    let (node, listener) = Node::start().await?;
    // Outside of the closure, which runs once a worker.
    let step_up = StepUp::new(node.gate().clone());
    let key = Key::generate();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(step_up.clone()))
            .configure(|config| routes(config, &step_up))
            // The later one is outside: first the session is found, then the login, then who asks.
            .wrap_fn(|request, service| {
                introduce(&request);
                service.call(request)
            })
            .wrap(IdentityMiddleware::default())
            .wrap(SessionMiddleware::new(CookieSessionStore::default(), key.clone()))
    })
    .disable_signals()
    .shutdown_timeout(DRAIN_LIMIT.as_secs())
    .listen(listener)
    .map_err(StartError::Io)?
    .run();
    node.announce_with(HINT);
    let (stopping, handle) = (node.stopping(), server.handle());
    rt::spawn(async move {
        stopping.await;
        handle.stop(true).await;
    });
    server.await.map_err(StartError::Io)?;
    node.stop().await;
    Ok(())
}

fn main() -> ExitCode {
    exit_code("login-actix", rt::System::new().block_on(run()))
}

const LOGIN: &str = "login";

const HINT: &str = "\
curl -c jar -d user=alice URL/login
curl -b jar URL/account/recovery-codes    # and see INBOX
curl -b jar -H 'FlexSecure-Pin: PIN' URL/account/recovery-codes";
