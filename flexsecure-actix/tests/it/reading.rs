//! The middleware that reads the body before a policy decides, and hands it on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body_json};
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use flexsecure_actix::StepUp;
use flexsecure_actix::core::WouldRefuse;
use flexsecure_actix::core::policy::{Annotate, Decision, Facts, OperationTemplate, Policy, Rules};
use flexsecure_actix::core::refusal::Problem;
use proptest::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PIN, alice, bank, call, problem, step_up};
use crate::wire::serve;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const TRANSFER: &str = r#"{"to":"bob","amount":250.00}"#;

fn transfers() -> impl Policy {
    let template =
        OperationTemplate::text("Transfer {amount} EUR to {to}").fields(["to", "amount"]);
    bank().single_use().operation_from(template.build().unwrap())
}

/// What handlers were called with, and what they were told of it.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<Vec<Call>>>);

type Call = (Bytes, Option<Problem>);

impl Done {
    fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().iter().map(|(body, _)| body.clone()).collect()
    }
}

async fn note(done: web::Data<Done>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let told = request.extensions().get::<WouldRefuse>().map(|it| it.problem());
    done.0.lock().unwrap().push((body, told));
    HttpResponse::Created().finish()
}

/// The routes of a bank, and one that only says whether it has the body.
fn routes(config: &mut ServiceConfig, step_up: &StepUp, done: &Done) {
    let delete_user = OperationTemplate::text("Delete {id}").path(["id"]).build().unwrap();
    let delete_user = bank().single_use().operation_from(delete_user);
    let rules = Rules::open().raise("transfers", transfers());
    let open = |facts: &Facts<'_>| match facts.body() {
        Some(_) => Decision::Allow,
        None => Decision::Deny,
    };
    let watched = step_up.require_reading(Annotate::new(open)).limit(1000);
    let reading = |path| web::resource(path).wrap(step_up.require_reading(transfers()));
    config
        .app_data(web::Data::new(done.clone()))
        .service(reading("/transfers").to(note))
        .service(reading("/gifts").to(note))
        .service(web::resource("/users/{id}").wrap(step_up.require(delete_user)).to(note))
        .service(web::resource("/misplaced").wrap(step_up.require(transfers())).to(note))
        .service(web::resource("/rules").wrap(step_up.require(rules)).to(note))
        .service(web::resource("/open").wrap(step_up.require_reading(open).limit(1000)).to(note))
        .service(web::resource("/watched").wrap(watched).to(note))
        .service(step_up.scope());
}

fn posted(path: &str, content_type: (&'static str, &'static str), body: &str) -> TestRequest {
    let request = alice(path).method(Method::POST).insert_header(content_type);
    request.set_payload(body.to_owned())
}

/// Goes through the flow that `request` opens; what the user was shown.
async fn approve<S, B>(app: &S, request: TestRequest) -> String
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let refused = call(app, request).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let refused: Value = read_body_json(refused).await;
    let url = format!("{}/pin", refused["flow"]["url"].as_str().unwrap());
    let typed = posted(&url, JSON, &format!("{{\"pin\":\"{PIN}\"}}"));
    assert_eq!(call(app, typed).await.status(), StatusCode::OK);
    refused["operation"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_approval_is_good_once_for_what_the_body_said() {
    let (step_up, done) = (step_up(), Done::default());
    let app = init_service(App::new().configure(|config| routes(config, &step_up, &done))).await;
    let transfer = || posted("/transfers", JSON, TRANSFER);
    assert_eq!(approve(&app, transfer()).await, "Transfer 250 EUR to bob");
    for (path, content_type, other) in [
        ("/transfers", JSON, r#"{"to":"bob","amount":2500}"#),
        ("/transfers", JSON, r#"{"to":"eve","amount":250}"#),
        ("/transfers", JSON, r#"{"to":"bob","amount":"250"}"#),
        ("/transfers", FORM, "to=bob&amount=250"),
        ("/gifts", JSON, TRANSFER),
    ] {
        let refused = call(&app, posted(path, content_type, other)).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path} {other}");
    }
    assert!(done.bodies().is_empty());
    let same = " {\"amount\" : 2.5e2,\n\t\"to\" : \"b\\u006fb\", \"note\":null } ";
    let passed = call(&app, posted("/transfers", JSON, same)).await;
    assert_eq!(passed.status(), StatusCode::CREATED);
    assert_eq!(done.bodies(), [Bytes::from_static(same.as_bytes())], "it is handed on as it came");
    let spent: Value = read_body_json(call(&app, transfer()).await).await;
    assert_eq!(spent["reason"], "spent");
    assert_eq!(done.bodies().len(), 1);
}

#[actix_web::test]
async fn a_part_of_the_path_is_bound_without_any_body() {
    let (step_up, done) = (step_up(), Done::default());
    let app = init_service(App::new().configure(|config| routes(config, &step_up, &done))).await;
    let delete = |path: &str| alice(path).method(Method::DELETE);
    assert_eq!(approve(&app, delete("/users/a%2Fb")).await, "Delete a/b");
    for other in ["/users/a", "/users/a%2fb", "/users/b"] {
        assert_eq!(call(&app, delete(other)).await.status(), StatusCode::UNAUTHORIZED, "{other}");
    }
    assert!(done.bodies().is_empty());
    assert_eq!(call(&app, delete("/users/a%2Fb")).await.status(), StatusCode::CREATED);
}

#[actix_web::test]
async fn what_nobody_could_approve_is_refused_before_anybody_is_asked() {
    let (step_up, done) = (step_up(), Done::default());
    let app = init_service(App::new().configure(|config| routes(config, &step_up, &done))).await;
    for (content_type, body, expected) in [
        (JSON, r#"{"to":"bob","amount":250,"amount":2500}"#, Problem::BodyMalformed),
        (JSON, r#"{"to":"bob"}"#, Problem::BodyMalformed),
        (JSON, r#"{"to":["bob"],"amount":250}"#, Problem::BodyMalformed),
        (FORM, "to=bob&amount=1&amount=2", Problem::BodyMalformed),
        (("content-type", "text/plain"), TRANSFER, Problem::ContentTypeUnsupported),
    ] {
        let answer = call(&app, posted("/transfers", content_type, body)).await;
        assert_eq!(problem(&answer), Some(expected), "{body}");
    }
    let packed = posted("/transfers", JSON, TRANSFER).insert_header(("content-encoding", "gzip"));
    assert_eq!(problem(&call(&app, packed).await), Some(Problem::ContentTypeUnsupported));
    for path in ["/misplaced", "/rules"] {
        let answer = call(&app, posted(path, JSON, TRANSFER)).await;
        assert_eq!(problem(&answer), Some(Problem::Denied), "{path}");
    }
    let large = "x".repeat(1001);
    let answer = call(&app, posted("/open", JSON, &large)).await;
    assert_eq!(problem(&answer), Some(Problem::BodyTooLarge));
    assert!(done.bodies().is_empty());
}

#[actix_web::test]
async fn an_annotated_request_passes_with_all_of_a_body_that_would_not_do() {
    let (step_up, done) = (step_up(), Done::default());
    let app = init_service(App::new().configure(|config| routes(config, &step_up, &done))).await;
    let large = "x".repeat(2000);
    assert_eq!(call(&app, posted("/watched", JSON, &large)).await.status(), StatusCode::CREATED);
    let expected = (Bytes::from(large), Some(Problem::BodyTooLarge));
    assert_eq!(*done.0.lock().unwrap(), [expected]);
}

/// An app over sockets, and what its handlers did.
fn served() -> (SocketAddr, Done) {
    let (step_up, done) = (step_up(), Done::default());
    let kept = done.clone();
    (serve(move |config| routes(config, &step_up, &done)), kept)
}

/// The head of the answer to `head` and `parts`, each of which is sent by itself, and what of the body
/// has come with it.
async fn exchange(address: SocketAddr, head: &str, parts: &[Vec<u8>]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!("{head}\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for part in parts {
        // Who is refused midway may find the connection closed.
        let _ = stream.write_all(part).await;
        let _ = stream.flush().await;
    }
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[actix_web::test]
async fn nobodys_body_is_read_before_they_are_known() {
    let (address, done) = served();
    // The body that is announced never comes.
    let head = "POST /open HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 10";
    let answer = exchange(address, head, &[]).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let head = "POST /open HTTP/1.1\r\nx-user: alice\r\ncontent-type: application/json\r\n\
                content-length: 1001";
    let answer = exchange(address, head, &[]).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(done.bodies().is_empty());
}

#[actix_web::test]
async fn a_chunked_body_is_read_as_far_as_it_may_go() {
    let (address, done) = served();
    let head = "POST /open HTTP/1.1\r\nx-user: alice\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked";
    let endless: Vec<_> = (0..20).map(|_| chunk(&[b' '; 100])).collect();
    let answer = exchange(address, head, &endless).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(done.bodies().is_empty());
    let whole = [chunk(b"{\"to\""), chunk(b":\"bob\"}"), b"0\r\n\r\n".to_vec()];
    let answer = exchange(address, head, &whole).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(done.bodies(), [Bytes::from_static(b"{\"to\":\"bob\"}")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_handler_sees_every_byte(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..90), 0..11),
    ) {
        let answered = actix_web::rt::System::new().block_on(async {
            let (address, done) = served();
            let head = "POST /open HTTP/1.1\r\nx-user: alice\r\ncontent-type: application/json\r\n\
                        transfer-encoding: chunked";
            let mut parts: Vec<_> = chunks.iter().map(|part| chunk(part)).collect();
            parts.push(b"0\r\n\r\n".to_vec());
            let answer = exchange(address, head, &parts).await;
            (answer, done.bodies())
        });
        prop_assert!(answered.0.starts_with("HTTP/1.1 201"), "{}", answered.0);
        prop_assert_eq!(answered.1, [Bytes::from(chunks.concat())]);
    }
}

#[actix_web::test]
async fn of_sixty_four_repeats_at_once_one_passes() {
    let (address, done) = served();
    let post = async |path: &str, body: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nx-user: alice\r\ncontent-type: application/json\r\n\
             content-length: {}",
            body.len()
        );
        exchange(address, &head, &[body.as_bytes().to_vec()]).await
    };
    let refused = post("/transfers", TRANSFER).await;
    let (_, flow) = refused.split_once(" flow=\"").unwrap();
    let url = format!("/step-up/flows/{}/pin", flow.split('"').next().unwrap());
    let proved = post(&url, &format!("{{\"pin\":\"{PIN}\"}}")).await;
    assert!(proved.starts_with("HTTP/1.1 200"), "{proved}");
    let repeats: Vec<_> = (0..64)
        .map(|_| {
            actix_web::rt::spawn(async move {
                let head = format!(
                    "POST /transfers HTTP/1.1\r\nx-user: alice\r\n\
                     content-type: application/json\r\ncontent-length: {}",
                    TRANSFER.len()
                );
                exchange(address, &head, &[TRANSFER.as_bytes().to_vec()]).await
            })
        })
        .collect();
    let mut passed = Vec::new();
    for repeat in repeats {
        let answer = repeat.await.unwrap();
        passed.extend(answer.starts_with("HTTP/1.1 201").then_some(answer));
    }
    assert_eq!((passed.len(), done.bodies().len()), (1, 1));
}
