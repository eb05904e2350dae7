//! Where the middleware only seems to protect: what the handler did, and what `coverage` says of it.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::NormalizePath;
use actix_web::test::init_service;
use actix_web::{App, Error, HttpResponse, web};
use flexsecure_actix::core::coverage::{Finding, Report};
use flexsecure_actix::core::policy::{Decision, Facts};
use flexsecure_actix::{RouteTable, StepUpMiddleware, coverage};

use crate::support::{Vault, alice, bank, call, step_up};

/// What not to write: a gate that is asked only about paths with a prefix.
fn raw_prefix() -> StepUpMiddleware {
    step_up().decide(|request: &Facts<'_>| {
        if request.path().starts_with("/admin") {
            Decision::require(bank())
        } else {
            Decision::Allow
        }
    })
}

#[actix_web::test]
async fn behind_a_raw_prefix_another_spelling_is_open() {
    let vault = Vault::default();
    let app = App::new().wrap(raw_prefix()).route("/admin/x", web::get().to(vault.handler()));
    let app = init_service(app).await;
    assert_open(&app, &vault, &["GET /admin/x"], "/%61dmin/x").await;
    let before = vault.opened();
    assert_eq!(call(&app, alice("/a%64min/x")).await.status(), StatusCode::OK);
    assert_eq!(vault.opened().abs_diff(before), 1);
}

/// T13: whatever else says no today, the gate is not there.
#[actix_web::test]
async fn a_route_that_refuses_by_itself_is_not_gated() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let forged = move || async move {
            HttpResponse::build(status)
                .insert_header(("www-authenticate", "FlexSecure"))
                .content_type("application/problem+json")
                .body("{\"type\":\"urn:flexsecure:problem:step-up-required\"}")
        };
        let gated = web::resource("/gated").wrap(step_up().require(bank())).to(HttpResponse::Ok);
        let app = App::new().route("/forged", web::get().to(forged)).service(gated);
        let report = ask(&init_service(app).await, &["GET /forged", "GET /gated"]).await;
        assert_eq!(report.finding("GET /forged"), Some(Finding::Open), "{status}");
        assert_eq!(report.finding("GET /gated"), Some(Finding::Gated));
    }
}

#[actix_web::test]
async fn with_normalize_path_inside_another_spelling_is_open_and_with_it_outside_none_is() {
    let vault = Vault::default();
    let route = || web::get().to(vault.handler());
    let inside =
        App::new().wrap(NormalizePath::trim()).wrap(raw_prefix()).route("/admin/x", route());
    assert_open(&init_service(inside).await, &vault, &["GET /admin/x"], "//admin/x").await;

    let vault = Vault::default();
    let table = || step_up().table(RouteTable::new().get("/admin/x", bank())).unwrap();
    let outside = App::new()
        .wrap(table())
        .wrap(NormalizePath::trim())
        .route("/admin/x", web::get().to(vault.handler()));
    assert_safe(&init_service(outside).await, &vault, &["GET /admin/x"]).await;
    // By the raw prefix, `//admin` is no way round any more; `/%61dmin` still is.
    let vault = Vault::default();
    let outside = App::new()
        .wrap(raw_prefix())
        .wrap(NormalizePath::trim())
        .route("/admin/x", web::get().to(vault.handler()));
    let outside = init_service(outside).await;
    assert_eq!(call(&outside, alice("//admin/x")).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(vault.opened(), 0);
}

#[actix_web::test]
async fn of_two_scopes_with_one_prefix_the_first_is_open_and_hides_the_other() {
    let vault = Vault::default();
    let open = web::scope("/admin").route("/y", web::get().to(vault.handler()));
    let gated = web::scope("/admin")
        .wrap(step_up().require(bank()))
        .route("/x", web::get().to(vault.handler()));
    let app = init_service(App::new().service(open).service(gated)).await;
    let routes = ["GET /admin/x", "GET /admin/y"];
    assert_open(&app, &vault, &routes, "/admin/y").await;
    assert_eq!(call(&app, alice("/admin/x")).await.status(), StatusCode::NOT_FOUND);
    let report = ask(&app, &routes).await;
    assert_eq!(report.finding("GET /admin/x"), Some(Finding::Absent));
    let told = report.gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains("\n  GET /admin/x is absent"), "{told}");
}

#[actix_web::test]
async fn the_default_service_of_the_app_is_open_and_that_of_a_wrapped_scope_is_not() {
    let vault = Vault::default();
    let scope = || {
        web::scope("/admin").wrap(step_up().require(bank())).route("", web::to(HttpResponse::Ok))
    };
    let app = App::new().service(scope()).default_service(web::to(vault.handler()));
    let app = init_service(app).await;
    assert_open(&app, &vault, &["GET /admin"], "/adminx").await;
    assert_open(&app, &vault, &["GET /admin"], "/no-such-route-7f3a").await;

    let vault = Vault::default();
    let app = App::new().service(scope().default_service(web::to(vault.handler())));
    assert_safe(&init_service(app).await, &vault, &["GET /admin"]).await;
    let resource = web::resource("/admin")
        .wrap(step_up().require(bank()))
        .route(web::get().to(HttpResponse::Ok))
        .default_service(web::to(vault.handler()));
    let app = init_service(App::new().service(resource)).await;
    assert_safe(&app, &vault, &["GET /admin"]).await;
}

#[actix_web::test]
#[should_panic(expected = "wrap")]
async fn a_route_that_is_wrapped_before_it_has_a_handler_does_not_start() {
    let gate = step_up().require(bank());
    let route = web::post().wrap(gate).to(HttpResponse::Ok);
    init_service(App::new().route("/admin", route)).await;
}

/// The vault opens for `GET path` without a proof, and coverage finds that for itself: it is asked for
/// `routes` only.
async fn assert_open<S, B>(app: &S, vault: &Vault, routes: &[&str], path: &str)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let before = vault.opened();
    call(app, alice(path)).await;
    assert_eq!(vault.opened().abs_diff(before), 1, "GET {path} did not open the vault");
    let report = ask(app, routes).await;
    let found: Vec<String> = report.open().map(ToString::to_string).collect();
    assert!(found.contains(&format!("GET {path}")), "not among {found:?}");
    let told = report.gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains(&format!("GET {path}")), "{told}");
}

/// The vault never opens, and coverage has nothing to say.
pub(crate) async fn assert_safe<S, B>(app: &S, vault: &Vault, routes: &[&str])
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let report = ask(app, routes).await;
    report.assert_gated_except(&[]);
    for route in routes {
        assert_eq!(report.finding(route), Some(Finding::Gated), "{route}");
    }
    assert_eq!(vault.opened(), 0);
}

pub(crate) async fn ask<S, B>(app: &S, routes: &[&str]) -> Report
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    coverage(app, routes, |request| request.insert_header(("x-user", "alice"))).await
}
