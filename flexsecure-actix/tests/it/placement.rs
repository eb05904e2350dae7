//! Where the middleware can be wrapped around, and what is around it.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::{Compat, Condition, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use flexsecure_actix::core::policy::{Decision, Facts};
use flexsecure_actix::core::refusal::{Problem, Reason};
use flexsecure_actix::{Gate, Identity, StepUp, StepUpMiddleware};

use crate::support::{PIN, Vault, alice, bank, call, elevate, problem, step_up, text};

async fn assert_guarded<S, B>(step_up: &StepUp, vault: &Vault, app: S)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let nobody = call(&app, TestRequest::with_uri("/vault")).await;
    assert_eq!(problem(&nobody), Some(Problem::IdentificationRequired));
    let refused = call(&app, alice("/vault")).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(problem(&refused), Some(Problem::StepUpRequired(Reason::Missing)));
    assert!(refused.headers().contains_key(WWW_AUTHENTICATE));
    assert_eq!(vault.opened(), 0);
    elevate(step_up).await;
    let passed = call(&app, alice("/vault")).await;
    assert_eq!((passed.status(), problem(&passed)), (StatusCode::OK, None));
    assert_eq!((text(passed).await.as_str(), vault.opened()), ("gold", 1));
    let other = TestRequest::with_uri("/vault").insert_header(("x-user", "bob"));
    assert_eq!(call(&app, other).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(vault.opened(), 1);
}

#[actix_web::test]
async fn around_a_resource() {
    let (step_up, vault) = (step_up(), Vault::default());
    let guarded = web::resource("/vault").wrap(step_up.require(bank())).to(vault.handler());
    let app = init_service(App::new().service(guarded)).await;
    assert_guarded(&step_up, &vault, app).await;
}

#[actix_web::test]
async fn around_a_route() {
    let (step_up, vault) = (step_up(), Vault::default());
    let route = web::get().to(vault.handler()).wrap(step_up.require(bank()));
    let app = init_service(App::new().service(web::resource("/vault").route(route))).await;
    assert_guarded(&step_up, &vault, app).await;
}

#[actix_web::test]
async fn around_a_scope() {
    let (step_up, vault) = (step_up(), Vault::default());
    let scope = web::scope("/vault").wrap(step_up.require(bank())).route("", to(&vault));
    let app = init_service(App::new().service(scope)).await;
    assert_guarded(&step_up, &vault, app).await;
}

#[actix_web::test]
async fn around_an_app() {
    let (step_up, vault) = (step_up(), Vault::default());
    let app = App::new().wrap(step_up.require(bank())).route("/vault", to(&vault));
    assert_guarded(&step_up, &vault, init_service(app).await).await;
}

#[actix_web::test]
async fn inside_a_condition() {
    let (step_up, vault) = (step_up(), Vault::default());
    let wanted = Condition::new(true, step_up.require(bank()));
    let unwanted = Condition::new(false, step_up.require(|_: &Facts<'_>| Decision::Deny));
    let app = App::new().wrap(wanted).wrap(unwanted).route("/vault", to(&vault));
    assert_guarded(&step_up, &vault, init_service(app).await).await;
}

#[actix_web::test]
async fn in_a_scope_that_a_function_returns() {
    fn guarded(
        step_up: &StepUp,
        vault: &Vault,
    ) -> actix_web::Scope<
        impl actix_web::dev::ServiceFactory<
            actix_web::dev::ServiceRequest,
            Config = (),
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        let step_up = Compat::new(step_up.require(bank()));
        web::scope("/vault").wrap(step_up).route("", to(vault))
    }
    let (step_up, vault) = (step_up(), Vault::default());
    let app = init_service(App::new().service(guarded(&step_up, &vault))).await;
    assert_guarded(&step_up, &vault, app).await;
}

#[actix_web::test]
async fn refusals_pass_through_the_middleware_outside() {
    let step_up = step_up();
    let app = App::new()
        .service(web::resource("/vault").wrap(step_up.require(bank())).to(HttpResponse::Ok))
        .wrap_fn(|request, service| {
            let answered = service.call(request);
            async move {
                let mut response = answered.await?;
                let anybody = HeaderValue::from_static("*");
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
                Ok(response)
            }
        });
    let app = init_service(app).await;
    for request in [TestRequest::with_uri("/vault"), alice("/vault")] {
        let refused = call(&app, request).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(refused.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[actix_web::test]
async fn an_outer_middleware_says_who_asks() {
    let gate = step_up().gate().clone();
    let step_up = StepUp::new(gate);
    let app = App::new()
        .service(web::resource("/vault").wrap(step_up.require(bank())).to(HttpResponse::Ok))
        .wrap(from_fn(
            |request: actix_web::dev::ServiceRequest, next: actix_web::middleware::Next<_>| {
                request.extensions_mut().insert(Identity::new("alice", "a session"));
                next.call(request)
            },
        ));
    let app = init_service(app).await;
    let refused = call(&app, TestRequest::with_uri("/vault")).await;
    assert_eq!(problem(&refused), Some(Problem::StepUpRequired(Reason::Missing)));
}

#[actix_web::test]
async fn a_policy_decides_by_what_the_client_sent() {
    let step_up = step_up();
    let policy = |request: &Facts<'_>| {
        assert_eq!(request.path(), "/api/vault?door=2");
        assert_eq!(request.matched_route().as_deref(), Some("/api/vault"));
        assert_eq!(request.address(), Some([192, 0, 2, 7].into()));
        assert_eq!(request.header("host"), Some("bank.example"));
        match request.method() {
            "GET" => Decision::Allow,
            _ => Decision::Deny,
        }
    };
    let vault = web::resource("/vault").wrap(step_up.require(policy)).to(HttpResponse::Ok);
    let app = init_service(App::new().service(web::scope("/api").service(vault))).await;
    // As HTTP/2 has it, with an authority and no Host.
    let request =
        || alice("https://bank.example/api/vault?door=2").peer_addr(([192, 0, 2, 7], 4711).into());
    assert_eq!(call(&app, request()).await.status(), StatusCode::OK);
    let denied = call(&app, request().method(actix_web::http::Method::POST)).await;
    assert_eq!(problem(&denied), Some(Problem::Denied));
}

#[actix_web::test]
async fn a_handler_can_borrow_the_extensions() {
    async fn handler(request: HttpRequest) -> HttpResponse {
        request.extensions_mut().insert(7_u8);
        actix_web::rt::task::yield_now().await;
        HttpResponse::Ok().finish()
    }
    let step_up = step_up();
    elevate(&step_up).await;
    let app = App::new()
        .service(web::resource("/hit").wrap(step_up.require(bank())).to(handler))
        .service(web::resource("/asks").wrap(step_up.on_demand()).to(handler))
        .service(web::resource("/once").wrap(step_up.require(bank().single_use())).to(handler));
    let app = init_service(app).await;
    assert_eq!(call(&app, alice("/hit")).await.status(), StatusCode::OK);
    assert_eq!(call(&app, alice("/asks")).await.status(), StatusCode::OK);
    assert_eq!(call(&app, alice("/once")).await.status(), StatusCode::UNAUTHORIZED);
    let with_pin = alice("/once").insert_header(("flexsecure-pin", PIN));
    assert_eq!(call(&app, with_pin).await.status(), StatusCode::OK);
    let spent = call(&app, alice("/once")).await;
    assert_eq!(problem(&spent), Some(Problem::StepUpRequired(Reason::Spent)));
}

#[actix_web::test]
async fn a_fresh_elevation_is_not_waited_for() {
    let step_up = step_up();
    elevate(&step_up).await;
    let service = actix_web::dev::fn_service(|request: actix_web::dev::ServiceRequest| {
        std::future::ready(Ok::<_, Error>(request.into_response(HttpResponse::Ok())))
    });
    let factory = actix_web::dev::Transform::new_transform(
        &step_up.require(bank()),
        actix_web::dev::ServiceFactory::new_service(&service, ()).await.unwrap(),
    );
    let service = factory.await.unwrap();
    let mut answered = std::pin::pin!(service.call(alice("/").to_srv_request()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(answered.as_mut().poll(&mut context).is_ready());
}

#[test]
fn one_is_shared_by_all_workers() {
    const fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<StepUp>();
    is_shared::<StepUpMiddleware>();
    is_shared::<Gate>();
}

fn to(vault: &Vault) -> actix_web::Route {
    web::to(vault.handler())
}
