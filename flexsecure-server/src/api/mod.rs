//! The HTTP surface: the v1 API, and beside it what people open.

mod body;
mod caller;
mod check;
mod inbox;
mod prefer;
mod reply;
mod start;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use minijinja::context;
use serde_json::{Value, json};

use self::{caller::Caller, reply::Reply};
use crate::{Server, approval, challenge::ServiceError, pages, stopping::Stopping};

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct AppState {
    pub(crate) server: Server,
    /// Becomes true when long polls are to end.
    pub(crate) stopping: Stopping,
}

pub(crate) fn router(server: Server, stopping: Stopping) -> Router {
    let v1 = Router::new()
        .route("/capabilities", get(capabilities))
        .route("/start", post(start::start))
        .route("/check", post(check::check))
        .method_not_allowed_fallback(async || Reply::MethodNotAllowed)
        .fallback(async || Reply::NotFound);
    let mut people = Router::new()
        .route("/", get(home))
        .route("/a/{token}", get(approval::show).post(approval::answer))
        .route("/style.css", get(pages::stylesheet))
        .route("/health/alive", get(async || "alive\n"));
    if server.inner.has_inbox {
        people = people.route("/inbox", get(inbox::page)).route("/inbox.json", get(inbox::json));
    }
    people
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .nest("/v1", v1)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(map_response(pages::guard))
        .with_state(AppState { server, stopping })
}

/// Runs what must not stop half-way to its end, also when the client leaves and its handler is dropped.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::spawn(work).await?
}

async fn capabilities(_caller: Caller) -> Json<Value> {
    Json(json!({
        "txn": true,
        "match": true,
        "wait": prefer::LONGEST_WAIT.as_secs(),
        "idempotency": true,
    }))
}

async fn home(State(state): State<AppState>) -> Response {
    let inner = &state.server.inner;
    inner.pages.html(StatusCode::OK, "home.html", context! { inbox => inner.has_inbox })
}

async fn not_found(State(state): State<AppState>) -> Response {
    let text = "There is nothing at this address.";
    state.server.inner.pages.notice(StatusCode::NOT_FOUND, "Not found", text)
}

async fn method_not_allowed(State(state): State<AppState>) -> Response {
    let text = "This address does not take such a request.";
    state.server.inner.pages.notice(StatusCode::METHOD_NOT_ALLOWED, "Not allowed", text)
}

impl From<ServiceError> for Reply {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error = %error, source = std::error::Error::source(&error), "a call failed");
        Self::Unavailable
    }
}

const BODY_LIMIT: usize = 16 * 1024;
