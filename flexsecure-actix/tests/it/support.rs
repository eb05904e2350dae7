use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body, read_body_json};
use actix_web::{App, Error, HttpResponse, web};
use flexsecure_actix::core::refusal::{Problem, Reason};
use flexsecure_actix::core::test_util::ScriptedAuthority;
use flexsecure_actix::{Gate, Head, Identity, Requirement, StepUp};
use serde_json::Value;

pub(crate) const PIN: &str = "12345678";

/// What is wrong with a request whose login has proved nothing.
pub(crate) const ASKED: Option<Problem> = Some(Problem::StepUpRequired(Reason::Missing));

/// What is wrong with a request of somebody unknown.
pub(crate) const NOBODY: Option<Problem> = Some(Problem::IdentificationRequired);

pub(crate) fn gate() -> Gate {
    Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap()
}

/// Takes the word of an `x-user` header for who asks.
pub(crate) fn step_up() -> StepUp {
    StepUp::new(gate()).identify(|head| {
        let user = head.headers.get("x-user")?.to_str().ok()?;
        Some(Identity::new(user, user))
    })
}

/// Counts how often the protected handler ran: what a client is told proves nothing.
#[derive(Clone, Default)]
pub(crate) struct Vault(Arc<AtomicUsize>);

impl Vault {
    pub(crate) fn open(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn opened(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn handler(&self) -> impl Fn() -> std::future::Ready<&'static str> + Clone + use<> {
        let vault = self.clone();
        move || {
            vault.open();
            std::future::ready("gold")
        }
    }
}

/// Everybody is alice.
pub(crate) fn served_to_alice(_: Head<'_>) -> Option<Identity> {
    Some(Identity::new("alice", "alice"))
}

pub(crate) fn bank() -> Requirement {
    Requirement::system("bank")
}

pub(crate) fn alice(path: &str) -> TestRequest {
    TestRequest::with_uri(path).insert_header(("x-user", "alice"))
}

/// Alice goes through the whole flow, in an app of her own that shares the gate.
pub(crate) async fn elevate(step_up: &StepUp) {
    let guarded = web::resource("/own").wrap(step_up.require(bank())).to(HttpResponse::Ok);
    let app = init_service(App::new().service(guarded).service(step_up.scope())).await;
    let url = flow_url(&app, "/own").await;
    let typed = alice(&format!("{url}/pin")).method(Method::POST);
    let answer = call(&app, typed.set_json(serde_json::json!({ "pin": PIN }))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(call(&app, alice("/own")).await.status(), StatusCode::OK);
}

/// The address of the flow that a request to `path` opens.
pub(crate) async fn flow_url<S, B>(app: &S, path: &str) -> String
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let refused = call(app, alice(path)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let problem: Value = read_body_json(refused).await;
    problem["flow"]["url"].as_str().unwrap().to_owned()
}

pub(crate) fn problem<B>(response: &ServiceResponse<B>) -> Option<Problem> {
    response.response().extensions().get::<Problem>().copied()
}

/// Refusals have to be responses: an error would slip past the middleware outside.
pub(crate) async fn call<S, B>(app: &S, request: TestRequest) -> ServiceResponse<B>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
{
    app.call(request.to_request()).await.unwrap()
}

/// A client goes through the whole flow that `/vault` opens for it; `send` adds its credentials.
pub(crate) async fn prove<B: MessageBody>(
    mut send: impl AsyncFnMut(TestRequest) -> ServiceResponse<B>,
) {
    let refused = send(TestRequest::with_uri("/vault")).await;
    assert_eq!(problem(&refused), ASKED);
    let refused: Value = read_body_json(refused).await;
    let url = refused["flow"]["url"].as_str().unwrap();
    let typed = TestRequest::post().uri(&format!("{url}/pin"));
    let answer = send(typed.set_json(serde_json::json!({ "pin": PIN }))).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

pub(crate) async fn text<B: MessageBody>(response: ServiceResponse<B>) -> String {
    String::from_utf8(read_body(response).await.to_vec()).unwrap()
}
