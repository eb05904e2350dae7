use bytes::Bytes;
use flexsecure_core::HeadRouting;
use flexsecure_core::coverage::{Probe, Report, probes};
use flexsecure_core::refusal::Problem;
use http::{Request, Response, Uri};
use http_body_util::Full;
use tower_service::Service;

/// Asks `app` for each of `routes`, like `GET /statements`, without a proof, and for what is next to
/// them: who gets through is [reported](Report).
///
/// `log_in` makes a request one of somebody logged in, by a cookie, a token or an extension.
///
/// **Handlers that turn out to be open run.** Give it an app with test data, whose gate stands before
/// a [`ScriptedAuthority`](flexsecure_core::authority::ScriptedAuthority): refusals start flows.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Router, routing::get};
/// use flexsecure_tower::core::authority::ScriptedAuthority;
/// use flexsecure_tower::{Gate, Identity, Requirement, StepUp, coverage};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let step_up = StepUp::new(Gate::builder(ScriptedAuthority::pin("48151623")).build()?);
/// let bank = step_up.require(Requirement::system("bank"));
/// let app = Router::new()
///     .route("/statements", get(async || "secret").layer(bank))
///     .route("/healthz", get(async || "fine"));
///
/// let report = coverage(app, &["GET /statements", "GET /healthz"], |request| {
///     request.extensions_mut().insert(Identity::new("alice", "session"));
/// });
/// report.await.assert_gated_except(&["GET /healthz"]);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If a route is not a method and a path.
pub async fn coverage<S, ResBody>(
    mut app: S,
    routes: &[&str],
    mut log_in: impl FnMut(&mut Request<Full<Bytes>>),
) -> Report
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>>,
{
    let mut report = Report::new(HeadRouting::AsGet);
    for probe in probes(routes) {
        let Some(mut request) = request(&probe) else { continue };
        if probe.is_logged_in {
            log_in(&mut request);
        }
        let answered = match std::future::poll_fn(|cx| app.poll_ready(cx)).await {
            Ok(()) => app.call(request).await,
            Err(error) => Err(error),
        };
        // What ends in an error was not stopped by the gate.
        let (status, problem) = answered.map_or((500, None), |response| {
            (response.status().as_u16(), response.extensions().get::<Problem>().copied())
        });
        report.note(probe, status, problem);
    }
    report
}

/// Nothing if no client could send it.
fn request(probe: &Probe) -> Option<Request<Full<Bytes>>> {
    let uri: Uri = probe.path.parse().ok()?;
    Request::builder().method(&*probe.method).uri(uri).body(Full::default()).ok()
}
