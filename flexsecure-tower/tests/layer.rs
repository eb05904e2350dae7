//! What any tower stack may rely on.
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::refusal::{Problem, Reason};
use flexsecure_tower::core::policy::Decision;
use flexsecure_tower::{
    FlowService, Gate, Identity, Requirement, StepUp, StepUpLayer, StepUpService,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

const PIN: &str = "48151623";

fn step_up() -> StepUp {
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap())
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    request.extensions_mut().insert(Identity::new("alice", "session"));
    request
}

fn with_pin(pin: &str) -> Request<Full<Bytes>> {
    let mut request = request();
    request.headers_mut().insert("flexsecure-pin", pin.parse().unwrap());
    request
}

/// Counts calls, and panics at one that was not made ready: a clone never is.
#[derive(Debug)]
struct Probe {
    is_ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Probe {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        (Self { is_ready: false, calls: Arc::clone(&calls) }, calls)
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl<B> Service<Request<B>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "a service was called that was not ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(Full::from("secret"))))
    }
}

async fn send<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> Response<B>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
    let Ok(response) = service.call(request).await;
    response
}

/// T17: the service that was made ready is the one that is called, on the hit path and after a wait,
/// and a refusal calls none.
#[tokio::test]
async fn only_a_ready_service_is_called_and_none_for_a_refusal() {
    let (probe, calls) = Probe::new();
    let mut service = step_up().require(Requirement::system("bank")).layer(probe);

    assert_eq!(send(&mut service, request()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&mut service, with_pin("00000000")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    assert_eq!(send(&mut service, with_pin(PIN)).await.status(), StatusCode::OK);
    for _ in 0..1000 {
        assert_eq!(send(&mut service, request()).await.status(), StatusCode::OK);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1001);
}

/// T17: a limit around the inner service counts what is let through, and is not bypassed.
#[tokio::test]
async fn a_concurrency_limit_inside_is_kept() {
    let (probe, calls) = Probe::new();
    let limited = tower::limit::ConcurrencyLimit::new(probe, 1);
    let mut service = step_up().require(Requirement::system("bank")).layer(limited);
    send(&mut service, request()).await;
    assert_eq!(send(&mut service, with_pin(PIN)).await.status(), StatusCode::OK);
    for _ in 0..100 {
        assert_eq!(send(&mut service, request()).await.status(), StatusCode::OK);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 101);
}

#[tokio::test]
async fn without_an_identity_nothing_is_let_through() {
    let (probe, calls) = Probe::new();
    let mut service = step_up().decide(|_| Decision::Allow).layer(probe);
    let refused = send(&mut service, Request::new(Full::default())).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.extensions().get(), Some(&Problem::IdentificationRequired));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_closure_decides_per_request() {
    let (probe, _) = Probe::new();
    let layer = step_up().decide(|facts| match facts.method() {
        "GET" => Decision::Allow,
        "DELETE" => Decision::Deny,
        _ => Decision::require(Requirement::system("bank")),
    });
    let mut service = layer.layer(probe);
    for (method, expected) in [("GET", 200), ("POST", 401), ("DELETE", 403), ("get", 401)] {
        let mut request = request();
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(send(&mut service, request).await.status(), expected, "{method}");
    }
}

/// Layers outside see a refusal as a response, and why it was made.
#[tokio::test]
async fn the_reason_of_a_refusal_is_in_the_extensions() {
    let (probe, _) = Probe::new();
    let mut service = step_up().require(Requirement::system("bank")).layer(probe);
    let refused = send(&mut service, request()).await;
    assert_eq!(refused.extensions().get(), Some(&Problem::StepUpRequired(Reason::Missing)));
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["flow"]["state"], "started");
}

/// A body that is never read does not matter to the gate, whatever it is made of.
#[tokio::test]
async fn the_body_of_the_request_can_be_any() {
    let (probe, calls) = Probe::new();
    let service = step_up().decide(|_| Decision::Allow).layer(probe);
    // Neither `Send` nor `Sync`, nor made of `Bytes`.
    let body = Full::<std::io::Cursor<Vec<u8>>>::default();
    let mut request = Request::new(body.map_err(|never| -> Rc<()> { match never {} }));
    request.extensions_mut().insert(Identity::new("alice", "session"));
    assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn everything_can_be_shared_between_threads() {
    const fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<StepUp>();
    is_shared::<StepUpLayer>();
    is_shared::<StepUpService<Probe>>();
    is_shared::<FlowService>();
}
