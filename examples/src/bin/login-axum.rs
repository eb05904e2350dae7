//! Logins of axum-login, which keeps them in tower-sessions: `cargo run --bin login-axum`.
//!
//! To see an account takes a login; to see its recovery codes takes a proof as well. Lines that
//! step-up adds are marked. There are no passwords: the first factor is not what this shows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Router, serve};
use axum_login::tower_sessions::{MemoryStore, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, login_required};
use flexsecure_examples::startup::{Node, StartError, exit_code};
use flexsecure_tower::{Elevated, Gate, Identity, Requirement, StepUp};
use serde::Deserialize;
use tokio::net::TcpListener;

type AuthSession = axum_login::AuthSession<Users>;

fn app(gate: Gate) -> Router {
    // The layer of axum-login leaves who is logged in for step-up to find.
    let step_up = StepUp::new(gate).identify(|head| {
        let login = head.extensions.get::<AuthSession>()?; // step-up
        Some(Identity::new(&login.user.as_ref()?.0, &login.session.id()?.to_string())) // step-up
    });
    let proof = Requirement::system("account"); // step-up
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    Router::new()
        .route("/account", get(account))
        .route_layer(login_required!(Users, login_url = "/login"))
        .route("/account/recovery-codes", get(recovery_codes).layer(step_up.require(proof))) // step-up
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .with_state(step_up.clone())
        .merge(step_up.routes()) // step-up
        // Outside of all that, so that each part knows who asks: also the flow endpoints.
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build())
}

async fn log_in(
    State(step_up): State<StepUp>,
    mut login: AuthSession,
    Form(Credentials { user }): Form<Credentials>,
) -> Result<Redirect, StatusCode> {
    let user = login.authenticate(user).await.map_err(unavailable)?.ok_or(StatusCode::FORBIDDEN)?;
    // One user after another can have the same session: nothing of the first is left to the second.
    revoke(&step_up, &login).await?; // step-up
    login.login(&user).await.map_err(unavailable)?;
    Ok(Redirect::to("/account"))
}

async fn log_out(
    State(step_up): State<StepUp>,
    mut login: AuthSession,
) -> Result<Redirect, StatusCode> {
    // Before the logout, which forgets the session's id.
    revoke(&step_up, &login).await?; // step-up
    login.logout().await.map_err(unavailable)?;
    Ok(Redirect::to("/login"))
}

async fn revoke(step_up: &StepUp, login: &AuthSession) -> Result<(), StatusCode> {
    let Some(id) = login.session.id() else { return Ok(()) };
    step_up.gate().revoke_session(&id.to_string()).await.map_err(unavailable)
}

async fn login_form() -> Html<&'static str> {
    Html(r#"<form method="post"><input name="user" value="alice"><button>Log in</button></form>"#)
}

async fn account(login: AuthSession) -> Result<Html<String>, StatusCode> {
    let User(name) = login.user.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Html(format!(
        r#"<p>This is {name}. <a href="/account/recovery-codes">Recovery codes</a></p>
<form method="post" action="/logout"><button>Log out</button></form>"#
    )))
}

/// Runs only with a proof, of which [`Elevated`] tells.
async fn recovery_codes(elevated: Elevated, login: AuthSession) -> Result<String, StatusCode> {
    let User(name) = login.user.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("recovery codes of {name}, shown by {}: 4815-1623, 4242-1516\n", elevated.method()))
}

fn unavailable<E>(_: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
}

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"a hash of the password, with which all sessions end"
    }
}

#[derive(Clone)]
struct Users;

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, user: String) -> Result<Option<User>, Infallible> {
        self.get_user(&user).await
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Infallible> {
        Ok(["alice", "bob"].contains(&name.as_str()).then(|| User(name.clone())))
    }
}

async fn run() -> Result<(), StartError> {
    let (node, listener) = Node::start().await?;
    let listener = TcpListener::from_std(listener).map_err(StartError::Io)?;
    let service = app(node.gate().clone()).into_make_service_with_connect_info::<SocketAddr>();
    node.announce_with(HINT);
    let served = serve(listener, service).with_graceful_shutdown(node.stopping()).await;
    served.map_err(StartError::Io)?;
    node.stop().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("login-axum", run().await)
}

const HINT: &str = "\
curl -c jar -d user=alice URL/login
curl -b jar URL/account/recovery-codes    # and see INBOX
curl -b jar -H 'FlexSecure-Pin: PIN' URL/account/recovery-codes";
