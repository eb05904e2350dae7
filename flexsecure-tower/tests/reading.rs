//! The layer that reads the body before a policy decides, and hands it on.
#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is how a test fails")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::routing::{delete, post};
use axum::{Extension, Router};
use bytes::Bytes;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::refusal::Problem;
use flexsecure_tower::core::policy::{Annotate, Decision, Facts, OperationTemplate, Policy, Rules};
use flexsecure_tower::core::{Gate, Identity, Requirement, WouldRefuse};
use flexsecure_tower::{ReplayBody, StepUp};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};

const PIN: &str = "48151623";
const JSON: &str = "application/json";
const TRANSFER: &str = r#"{"to":"bob","amount":250.00}"#;

fn step_up() -> StepUp {
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap())
}

fn transfers() -> impl Policy {
    let template =
        OperationTemplate::text("Transfer {amount} EUR to {to}").fields(["to", "amount"]);
    Requirement::system("bank").single_use().operation_from(template.build().unwrap())
}

/// What handlers were called with.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<Vec<Bytes>>>);

impl Done {
    fn all(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().clone()
    }
}

async fn note(State(done): State<Done>, body: Bytes) -> StatusCode {
    done.0.lock().unwrap().push(body);
    StatusCode::CREATED
}

fn bank() -> (Router, Done) {
    let (step_up, done) = (step_up(), Done::default());
    let delete_user = OperationTemplate::text("Delete {id}").path(["id"]).build().unwrap();
    let delete_user = Requirement::system("bank").single_use().operation_from(delete_user);
    let app = Router::new()
        .route("/transfers", post(note).layer(step_up.require_reading(transfers())))
        .route("/gifts", post(note).layer(step_up.require_reading(transfers())))
        .route("/users/{id}", delete(note).layer(step_up.require(delete_user)))
        .route("/misplaced", post(note).layer(step_up.require(transfers())))
        .with_state(done.clone())
        .merge(step_up.routes())
        .layer(Extension(Identity::new("alice", "session")));
    (app, done)
}

fn posted(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header("content-type", content_type);
    request.body(body.into()).unwrap()
}

async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

async fn json(response: Response<Body>) -> serde_json::Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Goes through the flow that `request` opens; what the user was shown.
async fn approve(app: &Router, request: Request<Body>) -> String {
    let refused = send(app, request).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let refused = json(refused).await;
    let url = format!("{}/pin", refused["flow"]["url"].as_str().unwrap());
    let typed = posted(&url, JSON, format!("{{\"pin\":\"{PIN}\"}}"));
    assert_eq!(send(app, typed).await.status(), StatusCode::OK);
    refused["operation"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_approval_is_good_once_for_what_the_body_said() {
    let (app, done) = bank();
    let transfer = || posted("/transfers", JSON, TRANSFER);
    assert_eq!(approve(&app, transfer()).await, "Transfer 250 EUR to bob");
    for (path, content_type, other) in [
        ("/transfers", JSON, r#"{"to":"bob","amount":2500}"#),
        ("/transfers", JSON, r#"{"to":"eve","amount":250}"#),
        ("/transfers", JSON, r#"{"to":"bob","amount":"250"}"#),
        ("/transfers", "application/x-www-form-urlencoded", "to=bob&amount=250"),
        ("/gifts", JSON, TRANSFER),
    ] {
        let refused = send(&app, posted(path, content_type, other)).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path} {other}");
    }
    assert!(done.all().is_empty());
    let same = " {\"amount\" : 2.5e2,\n\t\"to\" : \"b\\u006fb\", \"note\":null } ";
    let passed = send(&app, posted("/transfers", JSON, same)).await;
    assert_eq!(passed.status(), StatusCode::CREATED);
    assert_eq!(done.all(), [Bytes::from_static(same.as_bytes())], "it is handed on as it came");
    assert_eq!(json(send(&app, transfer()).await).await["reason"], "spent");
    assert_eq!(done.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_repeats_at_once_one_passes() {
    let (app, done) = bank();
    approve(&app, posted("/transfers", JSON, TRANSFER)).await;
    let repeats: Vec<_> = (0..64)
        .map(|_| tokio::spawn(app.clone().oneshot(posted("/transfers", JSON, TRANSFER))))
        .collect();
    let mut passed = Vec::new();
    for repeat in repeats {
        let status = repeat.await.unwrap().unwrap().status();
        passed.extend((status == StatusCode::CREATED).then_some(status));
    }
    assert_eq!((passed.len(), done.all().len()), (1, 1));
}

#[tokio::test]
async fn a_part_of_the_path_is_bound_without_any_body() {
    let (app, done) = bank();
    let delete = |path: &str| Request::delete(path).body(Body::empty()).unwrap();
    assert_eq!(approve(&app, delete("/users/a%2Fb")).await, "Delete a/b");
    for other in ["/users/a", "/users/a%2fb", "/users/b"] {
        assert_eq!(send(&app, delete(other)).await.status(), StatusCode::UNAUTHORIZED, "{other}");
    }
    assert_eq!(send(&app, delete("/users/%ff")).await.status(), StatusCode::BAD_REQUEST);
    assert!(done.all().is_empty());
    assert_eq!(send(&app, delete("/users/a%2Fb")).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn what_nobody_could_approve_is_refused_before_anybody_is_asked() {
    let authority = ScriptedAuthority::pin(PIN);
    let step_up = StepUp::new(Gate::builder(authority.clone()).build().unwrap());
    let done = Done::default();
    let app = Router::new()
        .route("/", post(note).layer(step_up.require_reading(transfers())))
        .with_state(done.clone())
        .layer(Extension(Identity::new("alice", "session")));
    for (content_type, body, status, problem) in [
        (JSON, r#"{"to":"bob","amount":250,"amount":2500}"#, 400, "body-malformed"),
        (JSON, r#"{"to":"bob"}"#, 400, "body-malformed"),
        (JSON, r#"{"to":["bob"],"amount":250}"#, 400, "body-malformed"),
        (JSON, r#"{"to":"bob","amount":1e999999999}"#, 400, "body-malformed"),
        ("application/x-www-form-urlencoded", "to=bob&amount=1&amount=2", 400, "body-malformed"),
        ("text/plain", TRANSFER, 415, "content-type-unsupported"),
    ] {
        let answer = send(&app, posted("/", content_type, body)).await;
        assert_eq!(answer.status(), status, "{body}");
        let told = json(answer).await;
        assert_eq!(told["type"], format!("urn:flexsecure:problem:{problem}"));
        assert!(!told["detail"].as_str().unwrap().contains("pin"), "{told}");
    }
    let mut packed = posted("/", JSON, TRANSFER);
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(&app, packed).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!((authority.starts(), done.all().len()), (0, 0));
}

#[tokio::test]
async fn the_layer_that_reads_nothing_lets_nothing_through_that_needs_the_body() {
    let (app, done) = bank();
    let refused = send(&app, posted("/misplaced", JSON, TRANSFER)).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let step_up = step_up();
    let rules = Rules::open().raise("transfers", transfers());
    let app = Router::new()
        .route("/", post(note).layer(step_up.require(rules)))
        .with_state(done.clone())
        .layer(Extension(Identity::new("alice", "session")));
    assert_eq!(send(&app, posted("/", JSON, TRANSFER)).await.status(), StatusCode::FORBIDDEN);
    assert!(done.all().is_empty());
}

/// A body of exactly these frames, which is pending for ever behind them unless it is to end.
#[derive(Debug)]
struct Scripted {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    ends: bool,
    polls: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Self {
        let frames = frames.into_iter().map(Ok).collect();
        Self { frames, ends: true, polls: Arc::default() }
    }
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        match self.frames.pop_front() {
            None if !self.ends => Poll::Pending,
            frame => Poll::Ready(frame),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}

/// What the inner service was given.
#[derive(Debug, Default)]
struct Seen {
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    error: Option<&'static str>,
    length: Option<String>,
    would_refuse: Option<Problem>,
}

/// Panics at a call that was not made ready: a clone never is.
#[derive(Default)]
struct Inner {
    is_ready: bool,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { is_ready: false, seen: Arc::clone(&self.seen) }
    }
}

impl Service<Request<ReplayBody<Scripted>>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Scripted>>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "a service was called that was not ready");
        let seen = Arc::clone(&self.seen);
        Box::pin(async move {
            let (head, mut body) = request.into_parts();
            let length = head.headers.get("content-length");
            let mut all = Seen {
                length: length.map(|length| length.to_str().unwrap().to_owned()),
                would_refuse: head.extensions.get::<WouldRefuse>().map(|it| it.problem()),
                ..Seen::default()
            };
            while !body.is_end_stream() {
                let announced = body.size_hint();
                match body.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            let length = u64::try_from(data.len()).unwrap();
                            assert!(announced.upper().is_none_or(|upper| length <= upper));
                            all.body.extend_from_slice(&data);
                        }
                        Err(frame) => all.trailers = frame.into_trailers().ok(),
                    },
                    Some(Err(error)) => all.error = Some(error),
                    None => break,
                }
            }
            *seen.lock().unwrap() = Some(all);
            Ok(Response::new("done".to_owned()))
        })
    }
}

/// Sends `body` as JSON through a layer that reads it for `policy`.
async fn read_by(
    policy: impl Policy,
    user: Option<Identity>,
    body: Scripted,
    length: Option<&str>,
) -> (StatusCode, Option<Seen>) {
    let (inner, layer) = (Inner::default(), step_up().require_reading(policy).limit(1000));
    let seen = Arc::clone(&inner.seen);
    let mut request = Request::new(body);
    request.headers_mut().insert("content-type", JSON.parse().unwrap());
    if let Some(length) = length {
        request.headers_mut().insert("content-length", length.parse().unwrap());
    }
    if let Some(user) = user {
        request.extensions_mut().insert(user);
    }
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().take();
    (response.status(), seen)
}

fn alice() -> Option<Identity> {
    Some(Identity::new("alice", "session"))
}

fn open(facts: &Facts<'_>) -> Decision<'static> {
    if facts.body().is_some() { Decision::Allow } else { Decision::Deny }
}

fn data(bytes: &[u8]) -> Frame<Bytes> {
    Frame::data(Bytes::copy_from_slice(bytes))
}

#[tokio::test]
async fn nobodys_body_is_read_before_they_are_known() {
    let body = Scripted::new([data(b"{}")]);
    let polls = Arc::clone(&body.polls);
    let (status, seen) = read_by(open, None, body, None).await;
    assert_eq!((status, polls.load(Ordering::SeqCst)), (StatusCode::UNAUTHORIZED, 0));
    assert!(seen.is_none());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_as_early_as_it_can_be() {
    let body = Scripted::new([data(&[b' '; 1001])]);
    let polls = Arc::clone(&body.polls);
    let (status, _) = read_by(open, alice(), body, Some("1001")).await;
    assert_eq!((status, polls.load(Ordering::SeqCst)), (StatusCode::PAYLOAD_TOO_LARGE, 0));

    let endless = Scripted::new((0..1_000).map(|_| data(&[b' '; 100])));
    let polls = Arc::clone(&endless.polls);
    let (status, seen) = read_by(open, alice(), endless, Some("7")).await;
    assert_eq!((status, polls.load(Ordering::SeqCst)), (StatusCode::PAYLOAD_TOO_LARGE, 11));
    assert!(seen.is_none());

    let full = Scripted::new([data(&[b' '; 1000])]);
    assert_eq!(read_by(open, alice(), full, None).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_too_long_is_refused() {
    let began = tokio::time::Instant::now();
    let slow = Scripted { ends: false, ..Scripted::new([data(b"{")]) };
    let (status, seen) = read_by(open, alice(), slow, None).await;
    assert_eq!((status, began.elapsed().as_secs()), (StatusCode::BAD_REQUEST, 10));
    assert!(seen.is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let mut body = Scripted::new([data(b"{}")]);
    body.frames.push_back(Err("reset"));
    let (status, seen) = read_by(open, alice(), body, None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(seen.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_annotated_request_passes_with_all_of_a_body_that_would_not_do() {
    let watched = || Annotate::new(open);
    let large = Scripted::new((0..20).map(|_| data(&[b'x'; 100])));
    let (status, seen) = read_by(watched(), alice(), large, None).await;
    let seen = seen.unwrap();
    assert_eq!((status, seen.body.len()), (StatusCode::OK, 2000));
    assert_eq!(seen.would_refuse, Some(Problem::BodyTooLarge));

    let mut broken = Scripted::new([data(b"{}")]);
    broken.frames.push_back(Err("reset"));
    let (_, seen) = read_by(watched(), alice(), broken, None).await;
    let seen = seen.unwrap();
    assert_eq!((&*seen.body, seen.error), (&b"{}"[..], Some("reset")));
    assert_eq!(seen.would_refuse, Some(Problem::BodyMalformed));

    let (_, seen) = read_by(watched(), None, Scripted::new([data(b"{}")]), None).await;
    let seen = seen.unwrap();
    assert_eq!(seen.would_refuse, Some(Problem::IdentificationRequired));
    assert_eq!(seen.body, b"{}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_handler_sees_every_byte_and_the_trailers(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..11),
        has_trailers in any::<bool>(),
    ) {
        let whole: Vec<u8> = chunks.concat();
        let mut frames: Vec<_> = chunks.iter().map(|chunk| data(chunk)).collect();
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", "42".parse().unwrap());
        if has_trailers {
            frames.push(Frame::trailers(trailers.clone()));
        }
        let length = whole.len().to_string();
        let expected = whole.clone();
        let policy = move |facts: &Facts<'_>| match facts.body() {
            Some(body) if **body == *expected => Decision::Allow,
            _ => Decision::Deny,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let read = read_by(policy, alice(), Scripted::new(frames), Some(&length));
        let (status, seen) = runtime.block_on(read);
        let seen = seen.unwrap();
        prop_assert_eq!(status, StatusCode::OK);
        prop_assert_eq!(seen.body, whole);
        prop_assert_eq!(seen.trailers, has_trailers.then_some(trailers));
        prop_assert_eq!(seen.length, Some(length));
    }
}
