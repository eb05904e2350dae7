//! An API for programs, with opaque bearer tokens (RFC 6750): `cargo run --bin bearer-api`.
//!
//! To see what is deployed takes a token; to deploy takes a proof for just that version. A token is a
//! session: what one has proved is no good for another, and of neither more than a hash is kept.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Json, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Router, serve};
use flexsecure_examples::startup::{Node, StartError, exit_code};
use flexsecure_tower::core::{Operation, SessionKey};
use flexsecure_tower::{Ask, Gate, Identity, Refused, Requirement, StepUp};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Api {
    step_up: StepUp,
    tokens: Tokens,
    deployed: Arc<Mutex<Option<Deployment>>>,
}

/// Whose tokens there are, by their hashes.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<HashMap<SessionKey, String>>>);

#[derive(Clone, Serialize)]
struct Deployment {
    version: String,
    by: String,
}

fn app(gate: Gate) -> Router {
    let tokens = Tokens::default();
    let known = tokens.clone();
    let step_up = StepUp::new(gate).identify(move |head| {
        let token = bearer(head.headers)?;
        Some(Identity::new(&known.owner(token)?, token))
    });
    let deployments = get(deployed).post(deploy).layer(step_up.on_demand());
    Router::new()
        .route("/tokens", post(log_in).delete(log_out))
        .route("/deployments", deployments)
        .merge(step_up.routes())
        .with_state(Api { step_up, tokens, deployed: Arc::default() })
}

#[derive(Deserialize)]
struct Order {
    version: String,
}

/// Asks for the proof once it has read what it is to be for.
async fn deploy(
    State(api): State<Api>,
    ask: Ask,
    Json(Order { version }): Json<Order>,
) -> Result<Json<Deployment>, Refused> {
    let operation = Operation::new(&format!("Deploy version {version}")).field("version", &version);
    ask.require(Requirement::system("account").single_use().operation(operation)).await?;
    let deployment = Deployment { version, by: ask.identity().auth_id().to_owned() };
    *lock(&api.deployed) = Some(deployment.clone());
    Ok(Json(deployment))
}

/// Takes no proof, but the layer lets nobody in who is nobody.
async fn deployed(State(api): State<Api>) -> Json<Option<Deployment>> {
    Json(lock(&api.deployed).clone())
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

/// There are no passwords: the first factor is not what this shows.
async fn log_in(
    State(api): State<Api>,
    Json(Credentials { user }): Json<Credentials>,
) -> Result<Json<Token>, StatusCode> {
    if !["alice", "bob"].contains(&&*user) {
        return Err(StatusCode::FORBIDDEN);
    }
    let random = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
    let (high, low) = random.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let token = format!("{high:016x}{low:016x}");
    lock(&api.tokens.0).insert(SessionKey::of(&token), user);
    Ok(Json(Token { token }))
}

async fn log_out(State(api): State<Api>, headers: HeaderMap) -> StatusCode {
    let Some(token) = bearer(&headers) else { return StatusCode::UNAUTHORIZED };
    // First the token, so that nobody can prove anything by it in between.
    lock(&api.tokens.0).remove(&SessionKey::of(token));
    match api.step_up.gate().revoke_session(token).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Tokens {
    fn owner(&self, token: &str) -> Option<String> {
        lock(&self.0).get(&SessionKey::of(token)).cloned()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
    exit_code("bearer-api", run().await)
}

const HINT: &str = r#"json() { curl -H 'Content-Type: application/json' -H "Authorization: Bearer $TOKEN" "$@"; }
json -d '{"user":"alice"}' URL/tokens    # TOKEN=what it says
json -d '{"version":"1.4"}' URL/deployments    # and see INBOX
json -d '{"version":"1.4"}' -H 'FlexSecure-Pin: PIN' URL/deployments
json -X DELETE URL/tokens"#;
