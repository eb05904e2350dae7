//! What handlers take and return.

use std::io::Write;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, Responder, ResponseError, web};
use flexsecure_actix::core::PlainRequest;
use flexsecure_actix::core::policy::{Decision, Facts};
use flexsecure_actix::core::refusal::{Problem, Reason};
use flexsecure_actix::{Ask, Elevated, Refused};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{alice, bank, call, elevate, step_up, text};

async fn elevated(elevated: Elevated) -> String {
    elevated.system().to_owned()
}

async fn adapts(elevated: Option<Elevated>) -> String {
    elevated.map_or_else(|| "nothing".to_owned(), |elevated| elevated.system().to_owned())
}

async fn asks(ask: Ask) -> Result<String, Refused> {
    let elevated = ask.require(bank()).await?;
    Ok(format!("{} for {}", elevated.system(), ask.identity().auth_id()))
}

async fn denies(ask: Ask) -> impl Responder {
    ask.deny()
}

#[actix_web::test]
async fn a_handler_gets_the_elevation() {
    let step_up = step_up();
    elevate(&step_up).await;
    let open = |_: &Facts<'_>| Decision::Allow;
    let app = App::new()
        .service(web::resource("/elevated").wrap(step_up.require(bank())).to(elevated))
        .service(web::resource("/adapts").wrap(step_up.require(bank())).to(adapts))
        .service(web::resource("/open").wrap(step_up.require(open)).to(adapts));
    let app = init_service(app).await;
    for (path, expected) in [("/elevated", "bank"), ("/adapts", "bank"), ("/open", "nothing")] {
        assert_eq!(text(call(&app, alice(path)).await).await, expected);
    }
}

#[actix_web::test]
async fn a_handler_asks_and_is_answered_as_a_route_would_be() {
    let step_up = step_up();
    let app = App::new()
        .service(web::resource("/asks").wrap(step_up.on_demand()).to(asks))
        .service(web::resource("/denies").wrap(step_up.on_demand()).to(denies))
        .service(web::resource("/requires").wrap(step_up.require(bank())).to(asks));
    let app = init_service(app).await;
    // The first request opens and starts the flow, the others join it.
    call(&app, alice("/asks")).await;
    let (asked, required) =
        (call(&app, alice("/asks")).await, call(&app, alice("/requires")).await);
    for refused in [&asked, &required] {
        let problem = refused.response().extensions().get::<Problem>().copied();
        assert_eq!(problem, Some(Problem::StepUpRequired(Reason::Missing)));
    }
    assert_eq!(asked.status(), required.status());
    for name in [CONTENT_TYPE, CACHE_CONTROL, WWW_AUTHENTICATE] {
        assert!(asked.headers().contains_key(&name));
        assert_eq!(asked.headers().get(&name), required.headers().get(&name));
    }
    assert_eq!(asked.headers().len(), required.headers().len());
    assert_eq!(read_body(asked).await, read_body(required).await);
    assert_eq!(call(&app, alice("/denies")).await.status(), StatusCode::FORBIDDEN);
    elevate(&step_up).await;
    assert_eq!(text(call(&app, alice("/asks")).await).await, "bank for alice");
}

#[actix_web::test]
async fn a_missing_middleware_is_an_error_and_named() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let app = App::new()
        .route("/adapts", web::to(adapts))
        .route("/elevated", web::to(elevated))
        .route("/asks", web::to(asks));
    let app = init_service(app).await;

    let adapted = call(&app, TestRequest::with_uri("/adapts")).await;
    assert_eq!((adapted.status(), log.text().as_str()), (StatusCode::OK, ""));
    for (path, middleware) in [("/elevated", "StepUp::require"), ("/asks", "StepUp::on_demand")] {
        let failed = call(&app, TestRequest::with_uri(path)).await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(failed.headers().len(), 0);
        assert!(read_body(failed).await.is_empty());
        let log = log.text();
        let line = log.lines().last().unwrap();
        for part in ["ERROR", "flexsecure::layer", middleware, path] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert_eq!(log.text().lines().count(), 2);
}

#[actix_web::test]
async fn an_error_says_what_a_user_may_read() {
    let request = PlainRequest { method: "GET", path: "/", headers: &[] };
    let refused = Refused::from(step_up().gate().denied(&request));
    assert_eq!(
        (refused.to_string().as_str(), refused.status_code()),
        ("Denied", StatusCode::FORBIDDEN)
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
