use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body, read_body_json};
use actix_web::{App, Error, HttpResponse, web};
use flexsecure_actix::core::test_util::ScriptedAuthority;
use flexsecure_actix::{Gate, Identity, Requirement, StepUp};
use serde_json::Value;

pub(crate) const PIN: &str = "12345678";

/// Takes the word of an `x-user` header for who asks.
pub(crate) fn step_up() -> StepUp {
    let gate = Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap();
    StepUp::new(gate).identify(|head| {
        let user = head.headers.get("x-user")?.to_str().ok()?;
        Some(Identity::new(user, user))
    })
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

/// Refusals have to be responses: an error would slip past the middleware outside.
pub(crate) async fn call<S, B>(app: &S, request: TestRequest) -> ServiceResponse<B>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
{
    app.call(request.to_request()).await.unwrap()
}

pub(crate) async fn text<B: MessageBody>(response: ServiceResponse<B>) -> String {
    String::from_utf8(read_body(response).await.to_vec()).unwrap()
}
