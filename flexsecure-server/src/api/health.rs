use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use tokio::time::{Instant, timeout};

use super::AppState;

/// The process lives, whatever else does.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Requests are of use here: the database answers, and the server does not stop. Why not is told in the log alone.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    if !state.stopping.has_begun() && state.server.inner.readiness.is_ready(&state).await {
        return "ready\n".into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// What the database last said. Anybody may ask, so it is asked once a second at most.
#[derive(Debug, Default)]
pub(crate) struct Readiness(tokio::sync::Mutex<Option<(Instant, bool)>>);

impl Readiness {
    async fn is_ready(&self, state: &AppState) -> bool {
        let mut last = self.0.lock().await;
        if let Some((asked, is_ready)) = *last
            && asked.elapsed() < KEEP
        {
            return is_ready;
        }
        let is_ready = match timeout(LIMIT, state.server.inner.challenges.store.ping()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error);
                tracing::error!(error = %error, source, "not ready");
                false
            }
            Err(_) => {
                tracing::error!("not ready: the database does not answer in time");
                false
            }
        };
        *last = Some((Instant::now(), is_ready));
        is_ready
    }
}

const LIMIT: Duration = Duration::from_secs(1);
const KEEP: Duration = Duration::from_secs(1);
