//! The HTTP surface: the v1 API, and beside it what people open.

mod admin;
mod body;
mod caller;
mod check;
mod health;
mod inbox;
mod prefer;
mod receipts;
mod reply;
mod start;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state, map_response_with_state},
    response::Response,
    routing::{get, post},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceBuilder;
use tracing::Instrument as _;

use self::{caller::Asking, reply::Reply};
pub(crate) use self::{health::Readiness, inbox::InboxPage};
use crate::{
    Server, approval,
    challenge::ServiceError,
    pages::{self, Notice, Reader},
    serving::{Observer, limit_body_time, observe},
    stopping::Stopping,
};

/// What handlers share, counted once: each request clones it several times.
pub(crate) type AppState = Arc<App>;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) server: Server,
    /// Becomes true when long polls are to end.
    pub(crate) stopping: Stopping,
}

pub(crate) fn router(server: Server, stopping: Stopping) -> Router {
    let observer = Observer { proxies: Arc::clone(&server.inner.proxies) };
    let state = Arc::new(App { server, stopping });
    let v1 = Router::new()
        .route("/capabilities", get(capabilities))
        .route("/start", post(start::start))
        .route("/check", post(check::check))
        .route("/receipts/{provider}", post(receipts::receive))
        .method_not_allowed_fallback(async || Reply::MethodNotAllowed)
        .fallback(async || Reply::NotFound)
        .nest("/admin", admin::router());
    let mut people = Router::new()
        .route("/", get(home))
        .route("/a/{token}", get(approval::show).post(approval::answer))
        .route("/style.css", get(pages::stylesheet))
        .route("/logo", get(pages::logo))
        .route("/health/alive", get(health::alive))
        .route("/health/ready", get(health::ready));
    if state.server.inner.has_inbox {
        people = people.route("/inbox", get(inbox::page)).route("/inbox.json", get(inbox::json));
    }
    people
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .nest("/v1", v1)
        .layer(
            // As one: the router would box, and for each request clone, every layer of its own.
            ServiceBuilder::new()
                .layer(from_fn_with_state(observer, observe))
                .layer(map_response_with_state(Arc::clone(&state), pages::guard))
                .layer(from_fn(limit_body_time))
                .layer(DefaultBodyLimit::max(BODY_LIMIT)),
        )
        .with_state(state)
}

/// Runs what must not stop half-way to its end, also when the client leaves and its handler is dropped, or when it
/// takes so long that whoever asked is told to come again.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    let work = tokio::spawn(work.in_current_span());
    in_time(Duration::ZERO, async { work.await? }).await
}

/// Fails what takes ten seconds more than it is to wait: a database that is cut off without a word is never heard of.
pub(crate) async fn in_time<T, E>(
    wait: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ServiceError>
where
    ServiceError: From<E>,
{
    match timeout(wait.saturating_add(LONGEST_ANSWER), work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(ServiceError::Late),
    }
}

async fn capabilities(_caller: Asking) -> Json<Value> {
    Json(json!({
        "txn": true,
        "match": true,
        "wait": prefer::LONGEST_WAIT.as_secs(),
        "idempotency": true,
    }))
}

/// What its template is filled in with.
#[derive(Debug, Serialize)]
pub(crate) struct HomePage {
    pub(crate) inbox: bool,
}

async fn home(State(state): State<AppState>, reader: Reader) -> Response {
    reader.page(StatusCode::OK, "home.html", &HomePage { inbox: state.server.inner.has_inbox })
}

async fn not_found(reader: Reader) -> Response {
    reader.notice(StatusCode::NOT_FOUND, Notice::NotFound)
}

async fn method_not_allowed(reader: Reader) -> Response {
    reader.notice(StatusCode::METHOD_NOT_ALLOWED, Notice::Method)
}

impl From<ServiceError> for Reply {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error = %error, source = std::error::Error::source(&error), "a call failed");
        Self::Unavailable
    }
}

const BODY_LIMIT: usize = 16 * 1024;
/// Longer than the stores wait for what they know to be busy.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
