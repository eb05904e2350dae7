//! Logins that actix-identity keeps.

use std::time::Duration;

use actix_http::Request;
use actix_identity::{Identity as LoggedIn, IdentityExt, IdentityMiddleware};
use actix_session::{Session, SessionExt};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, Result, web};
use flexsecure_actix::{Identity, StepUp};

use crate::browser::{Browser, begin_login, login, sessions};
use crate::support::{ASKED, NOBODY, Vault, bank, gate, problem};

async fn log_in(
    request: HttpRequest,
    session: Session,
    user: web::Path<String>,
) -> Result<HttpResponse> {
    begin_login(&session)?;
    become_user(request, user).await
}

/// Forgets that this is another login.
async fn become_user(request: HttpRequest, user: web::Path<String>) -> Result<HttpResponse> {
    LoggedIn::login(&request.extensions(), user.into_inner())?;
    Ok(HttpResponse::Ok().finish())
}

async fn log_out(user: LoggedIn, session: Session, step_up: web::Data<StepUp>) -> HttpResponse {
    let login = login(&session).unwrap();
    step_up.gate().revoke_session(&login).await.unwrap();
    user.logout();
    HttpResponse::Ok().finish()
}

/// Says who asks, if anybody has logged in.
fn introduce(request: &ServiceRequest) {
    let user = request.get_identity().ok().and_then(|user| user.id().ok());
    if let (Some(user), Some(login)) = (user, login(&request.get_session())) {
        request.extensions_mut().insert(Identity::new(&user, &login));
    }
}

async fn app(
    step_up: &StepUp,
    vault: &Vault,
    identities: IdentityMiddleware,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let app = App::new()
        .app_data(web::Data::new(step_up.clone()))
        .service(step_up.scope())
        .service(web::resource("/vault").wrap(step_up.require(bank())).to(vault.handler()))
        .route("/login/{user}", web::post().to(log_in))
        .route("/become/{user}", web::post().to(become_user))
        .route("/logout", web::post().to(log_out))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(identities)
        .wrap(sessions());
    init_service(app).await
}

#[actix_web::test]
async fn from_login_to_logout() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault, IdentityMiddleware::default()).await;
    let mut browser = Browser::of(&app);
    assert_eq!(browser.hindrance().await, NOBODY);
    browser.post("/login/alice").await;
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 0));
    browser.prove().await;
    assert_eq!((browser.hindrance().await, vault.opened()), (None, 2));
    let mut copied = browser.at(&app);
    browser.post("/logout").await;
    assert_eq!((browser.hindrance().await, copied.hindrance().await), (NOBODY, ASKED));
    browser.post("/login/alice").await;
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 2));
}

#[actix_web::test]
async fn another_user_in_the_same_browser_is_asked() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault, IdentityMiddleware::default()).await;
    let mut browser = Browser::of(&app);
    for path in ["/login/alice", "/login/bob", "/login/alice"] {
        browser.post(path).await;
        assert_eq!(browser.hindrance().await, ASKED, "{path}");
        browser.prove().await;
    }
    assert_eq!(vault.opened(), 3);
}

#[actix_web::test]
async fn another_user_is_asked_even_in_the_same_login() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault, IdentityMiddleware::default()).await;
    let mut browser = Browser::of(&app);
    browser.post("/login/alice").await;
    browser.prove().await;
    browser.post("/become/bob").await;
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 1));
}

#[actix_web::test]
async fn a_login_past_its_deadline_is_nobodys() {
    let (step_up, vault) = (StepUp::new(gate()), Vault::default());
    let lasting = app(&step_up, &vault, IdentityMiddleware::default()).await;
    let hour = IdentityMiddleware::builder().login_deadline(Some(Duration::from_secs(3600)));
    let hour = app(&step_up, &vault, hour.build()).await;
    let over = IdentityMiddleware::builder().login_deadline(Some(Duration::ZERO)).build();
    let over = app(&step_up, &vault, over).await;
    let mut browser = Browser::of(&hour);
    browser.post("/login/alice").await;
    browser.prove().await;
    assert_eq!(browser.at(&lasting).hindrance().await, None);
    let mut late = browser.at(&over);
    assert_eq!(late.hindrance().await, NOBODY);
    assert_eq!(late.cookie(), None);
    assert_eq!(vault.opened(), 2);
}

/// A refusal that were an error would lose what the session middleware outside writes.
#[actix_web::test]
async fn a_refused_request_is_a_visit_too() {
    let vault = Vault::default();
    let identities = IdentityMiddleware::builder().visit_deadline(Some(Duration::from_secs(60)));
    let app = app(&StepUp::new(gate()), &vault, identities.build()).await;
    let mut browser = Browser::of(&app);
    browser.post("/login/alice").await;
    let refused = browser.send(TestRequest::with_uri("/vault")).await;
    assert_eq!((refused.status(), problem(&refused)), (StatusCode::UNAUTHORIZED, ASKED));
    assert!(refused.headers().contains_key(SET_COOKIE));
    browser.prove().await;
}

#[actix_web::test]
async fn step_up_outside_of_the_login_lets_nobody_in() {
    let (step_up, vault) = (StepUp::new(gate()), Vault::default());
    let right = app(&step_up, &vault, IdentityMiddleware::default()).await;
    let mut browser = Browser::of(&right);
    browser.post("/login/alice").await;
    browser.prove().await;

    let outermost = App::new()
        .route("/vault", web::to(vault.handler()))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(IdentityMiddleware::default())
        .wrap(sessions())
        .wrap(step_up.require(bank()));
    let between = App::new()
        .route("/vault", web::to(vault.handler()))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(step_up.require(bank()))
        .wrap(IdentityMiddleware::default())
        .wrap(sessions());
    let (outermost, between) = (init_service(outermost).await, init_service(between).await);
    for _ in 0..2 {
        assert_eq!(browser.at(&outermost).hindrance().await, NOBODY);
        assert_eq!(browser.at(&between).hindrance().await, NOBODY);
    }
    assert_eq!(vault.opened(), 1);
}
