use actix_http::Request;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, Uri};
use actix_web::test::TestRequest;
use flexsecure_core::HeadRouting;
use flexsecure_core::coverage::{Probe, Report, probes};
use flexsecure_core::refusal::Problem;

/// Asks `app` for each of `routes`, like `GET /statements`, without a proof, and for what is next to
/// them: who gets through is [reported](Report).
///
/// `log_in` makes a request one of somebody logged in, by a cookie, a token or an extension.
///
/// **Handlers that turn out to be open run.** Give it an app with test data, whose gate stands before
/// a [`ScriptedAuthority`](flexsecure_core::authority::ScriptedAuthority): refusals start flows.
///
/// ```
/// use actix_web::{App, HttpResponse, test, web};
/// use flexsecure_actix::core::authority::ScriptedAuthority;
/// use flexsecure_actix::{Gate, Identity, Requirement, StepUp, coverage};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Gate::builder(ScriptedAuthority::pin("48151623")).build()?;
/// let step_up = StepUp::new(gate).identify(|head| {
///     let user = head.headers.get("x-user")?.to_str().ok()?;
///     Some(Identity::new(user, user))
/// });
/// let bank = step_up.require(Requirement::system("bank"));
/// let app = App::new()
///     .service(web::resource("/statements").wrap(bank).to(async || "secret"))
///     .route("/healthz", web::get().to(HttpResponse::Ok));
///
/// let app = test::init_service(app).await;
/// let routes = ["GET /statements", "GET /healthz"];
/// let report = coverage(&app, &routes, |request| request.insert_header(("x-user", "alice")));
/// report.await.assert_gated_except(&["GET /healthz"]);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If a route is not a method and a path.
pub async fn coverage<S, B>(
    app: &S,
    routes: &[&str],
    mut log_in: impl FnMut(TestRequest) -> TestRequest,
) -> Report
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    let mut report = Report::new(HeadRouting::Apart);
    for probe in probes(routes) {
        let Some(mut request) = request(&probe) else { continue };
        if probe.is_logged_in {
            request = log_in(request);
        }
        let answered = match std::future::poll_fn(|cx| app.poll_ready(cx)).await {
            Ok(()) => app.call(request.to_request()).await,
            Err(error) => Err(error),
        };
        let (status, problem) = match answered {
            Ok(response) => {
                let problem = response.response().extensions().get::<Problem>().copied();
                (response.status(), problem)
            }
            // A server would make an answer of it as well.
            Err(error) => {
                let response = error.error_response();
                let problem = response.extensions().get::<Problem>().copied();
                (response.status(), problem)
            }
        };
        report.note(probe, status.as_u16(), problem);
    }
    report
}

/// Nothing if no client could send it.
fn request(probe: &Probe) -> Option<TestRequest> {
    let uri: Uri = probe.path.parse().ok()?;
    let method = Method::from_bytes(probe.method.as_bytes()).ok()?;
    Some(TestRequest::with_uri(&uri.to_string()).method(method))
}
