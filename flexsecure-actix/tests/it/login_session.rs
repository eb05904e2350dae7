//! Logins that actix-session keeps.

use actix_http::Request;
use actix_session::{Session, SessionExt};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, HttpResponse, Result, web};
use flexsecure_actix::{Identity, StepUp};

use crate::browser::{Browser, begin_login, login, sessions};
use crate::support::{ASKED, NOBODY, PIN, Vault, bank, gate, problem};

async fn log_in(session: Session, user: web::Path<String>) -> Result<HttpResponse> {
    session.renew();
    session.insert("user", user.into_inner())?;
    begin_login(&session)?;
    Ok(HttpResponse::Ok().finish())
}

async fn log_out(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::Ok().finish()
}

async fn log_out_and_revoke(session: Session, step_up: web::Data<StepUp>) -> HttpResponse {
    let login = login(&session).unwrap();
    step_up.gate().revoke_session(&login).await.unwrap();
    session.purge();
    HttpResponse::Ok().finish()
}

async fn count(session: Session) -> Result<HttpResponse> {
    let count: u32 = session.get("count")?.unwrap_or(0);
    session.insert("count", count.saturating_add(1))?;
    Ok(HttpResponse::Ok().finish())
}

async fn renew(session: Session) -> HttpResponse {
    session.renew();
    HttpResponse::Ok().finish()
}

/// Says who asks, if anybody has logged in.
fn introduce(request: &ServiceRequest) {
    let session = request.get_session();
    if let (Ok(Some(user)), Some(login)) = (session.get::<String>("user"), login(&session)) {
        request.extensions_mut().insert(Identity::new(&user, &login));
    }
}

async fn app(
    step_up: &StepUp,
    vault: &Vault,
) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
    let app = App::new()
        .app_data(web::Data::new(step_up.clone()))
        .service(step_up.scope())
        .service(web::resource("/vault").wrap(step_up.require(bank())).to(vault.handler()))
        .route("/login/{user}", web::post().to(log_in))
        .route("/logout", web::post().to(log_out))
        .route("/logout-and-revoke", web::post().to(log_out_and_revoke))
        .route("/count", web::post().to(count))
        .route("/renew", web::post().to(renew))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(sessions());
    init_service(app).await
}

#[actix_web::test]
async fn an_elevation_lasts_as_long_as_the_login_does() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let mut browser = Browser::of(&app);
    assert_eq!(browser.hindrance().await, NOBODY);
    browser.post("/login/alice").await;
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 0));
    browser.prove().await;
    // Each writes the session, so that the cookie is another one.
    for path in ["/count", "/count", "/renew"] {
        let before = browser.cookie().unwrap().to_owned();
        browser.post(path).await;
        assert_ne!(browser.cookie(), Some(before.as_str()), "{path}");
        assert_eq!(browser.hindrance().await, None, "{path}");
    }
    assert_eq!(vault.opened(), 4);
}

#[actix_web::test]
async fn a_user_proves_each_login_by_itself() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let (mut desk, mut phone) = (Browser::of(&app), Browser::of(&app));
    desk.post("/login/alice").await;
    phone.post("/login/alice").await;
    desk.prove().await;
    assert_eq!((phone.hindrance().await, vault.opened()), (ASKED, 1));
    phone.prove().await;
    assert_eq!((desk.hindrance().await, vault.opened()), (None, 3));
}

#[actix_web::test]
async fn a_new_login_in_the_same_browser_is_asked_again() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let mut browser = Browser::of(&app);
    for path in ["/login/alice", "/login/alice", "/login/bob", "/login/alice"] {
        browser.post(path).await;
        assert_eq!(browser.hindrance().await, ASKED, "{path}");
        browser.prove().await;
    }
    assert_eq!(vault.opened(), 4);
}

#[actix_web::test]
async fn a_purged_session_is_nobodys() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let mut browser = Browser::of(&app);
    browser.post("/login/alice").await;
    browser.prove().await;
    browser.post("/logout").await;
    assert_eq!(browser.cookie(), None);
    assert_eq!(browser.hindrance().await, NOBODY);
    browser.post("/login/alice").await;
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 1));
}

#[actix_web::test]
async fn a_revoked_session_is_asked_again_even_by_a_copied_cookie() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let mut browser = Browser::of(&app);
    browser.post("/login/alice").await;
    browser.prove().await;
    // A session that is kept in a cookie outlives its logout.
    let mut thief = browser.at(&app);
    assert_eq!((thief.hindrance().await, vault.opened()), (None, 2));
    browser.post("/logout-and-revoke").await;
    assert_eq!(browser.hindrance().await, NOBODY);
    assert_eq!((thief.hindrance().await, vault.opened()), (ASKED, 2));
}

#[actix_web::test]
async fn a_revocation_leaves_other_logins_alone() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let (mut desk, mut phone) = (Browser::of(&app), Browser::of(&app));
    for browser in [&mut desk, &mut phone] {
        browser.post("/login/alice").await;
        browser.prove().await;
    }
    desk.post("/logout-and-revoke").await;
    assert_eq!((desk.hindrance().await, phone.hindrance().await), (NOBODY, None));
}

#[actix_web::test]
async fn a_flow_is_of_the_login_that_opened_it() {
    let vault = Vault::default();
    let app = app(&StepUp::new(gate()), &vault).await;
    let mut browser = Browser::of(&app);
    browser.post("/login/alice").await;
    let refused = browser.send(TestRequest::with_uri("/vault")).await;
    assert_eq!(problem(&refused), ASKED);
    let refused: serde_json::Value = actix_web::test::read_body_json(refused).await;
    let url = refused["flow"]["url"].as_str().unwrap();
    let typed = || {
        let pin = TestRequest::post().uri(&format!("{url}/pin"));
        pin.set_json(serde_json::json!({ "pin": PIN }))
    };
    let before = browser.at(&app);
    browser.post("/login/alice").await;
    assert_eq!(browser.send(typed()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!({ before }.send(typed()).await.status(), StatusCode::OK);
    assert_eq!((browser.hindrance().await, vault.opened()), (ASKED, 0));
}

#[actix_web::test]
async fn step_up_outside_of_the_login_lets_nobody_in() {
    let (step_up, vault) = (StepUp::new(gate()), Vault::default());
    let right = app(&step_up, &vault).await;
    let mut browser = Browser::of(&right);
    browser.post("/login/alice").await;
    browser.prove().await;

    let outermost = App::new()
        .route("/vault", web::to(vault.handler()))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(sessions())
        .wrap(step_up.require(bank()));
    let between = App::new()
        .route("/vault", web::to(vault.handler()))
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        })
        .wrap(step_up.require(bank()))
        .wrap(sessions());
    let introduced_too_early = App::new()
        .service(web::resource("/vault").wrap(step_up.require(bank())).to(vault.handler()))
        .wrap(sessions())
        .wrap_fn(|request, service| {
            introduce(&request);
            service.call(request)
        });
    let (outermost, between) = (init_service(outermost).await, init_service(between).await);
    let introduced_too_early = init_service(introduced_too_early).await;
    for _ in 0..2 {
        assert_eq!(browser.at(&outermost).hindrance().await, NOBODY);
        assert_eq!(browser.at(&between).hindrance().await, NOBODY);
        assert_eq!(browser.at(&introduced_too_early).hindrance().await, NOBODY);
    }
    assert_eq!(vault.opened(), 1);
    assert_eq!((browser.hindrance().await, vault.opened()), (None, 2));
}
