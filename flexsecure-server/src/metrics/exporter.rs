use std::{fmt, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, time::interval};

use super::{
    COMMITS, CONNECTIONS, DURATION, ENDS, LOCK_OUTS, OUTBOX_AGE, OUTBOX_QUEUED, REQUESTS, SENDS,
    STARTS, WRONG_KEYS, process,
};
use crate::{serving::accept, stopping::Stopping};

/// What this process counts, for Prometheus. Nothing is counted before it is installed.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Counts from now on, once a process.
    ///
    /// # Errors
    /// Something counts already.
    pub fn install() -> Result<Self, MetricsError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &SECONDS)
            .map_err(|_| MetricsError)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError)?;
        describe();
        Ok(Self(handle))
    }

    /// Answers `GET /metrics` until `shutdown` is ready. It tells no secret, but how much goes on: listen on loopback, or
    /// in a network that only Prometheus reaches.
    pub async fn serve<F>(&self, listener: TcpListener, shutdown: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopping) = Stopping::new();
        let router = Router::new().route("/metrics", get(render)).with_state(self.clone());
        let mut upkeep = interval(UPKEEP_EVERY);
        let upkeep = async {
            loop {
                upkeep.tick().await;
                self.0.run_upkeep();
            }
        };
        tokio::select! {
            () = Box::pin(accept(listener, router, None, MAX_CONNECTIONS, stopping)) => {}
            () = shutdown => drop(stop),
            () = upkeep => {}
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Something in this process counts already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("metrics are installed already")]
pub struct MetricsError;

async fn render(State(metrics): State<Metrics>) -> impl IntoResponse {
    process::measure();
    metrics.0.run_upkeep();
    (StatusCode::OK, [(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.0.render())
}

fn describe() {
    describe_counter!(STARTS, "Calls of /v1/start, by what came of them.");
    describe_counter!(ENDS, "Challenges that ended, by method and how.");
    describe_counter!(SENDS, "Messages handed to a provider, by provider and outcome.");
    describe_gauge!(OUTBOX_AGE, "Seconds that the oldest message waits to be handed over.");
    describe_gauge!(OUTBOX_QUEUED, "Messages that wait to be handed over.");
    describe_counter!(LOCK_OUTS, "Users locked out by wrong PINs.");
    describe_counter!(WRONG_KEYS, "Calls refused unread after too many wrong API keys.");
    describe_counter!(COMMITS, "Transactions of the store made durable.");
    describe_counter!(REQUESTS, "Answered requests, by pattern of route and class of status.");
    describe_histogram!(DURATION, "Seconds to an answer; long polls are those with held=\"true\".");
    describe_gauge!(CONNECTIONS, "Open connections, those of Prometheus included.");
    describe_gauge!(process::MEMORY, "Resident memory in bytes.");
    describe_gauge!(process::CPU, "User and system CPU time in seconds.");
    describe_gauge!(process::FILES, "Open file descriptors.");
}

const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
const MAX_CONNECTIONS: usize = 64;
