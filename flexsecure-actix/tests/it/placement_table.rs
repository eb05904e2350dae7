//! One outer middleware with a table, which denies what it does not list.

use actix_web::http::{Method, StatusCode, Uri};
use actix_web::test::{TestRequest, init_service, read_body_json};
use actix_web::{App, HttpResponse, Resource, web};
use flexsecure_actix::RouteTable;
use flexsecure_actix::core::TableError;
use flexsecure_actix::core::coverage::{Finding, probes};
use flexsecure_actix::core::policy::{Decision, Facts};
use flexsecure_actix::core::refusal::Problem;
use serde_json::Value;

use crate::placement_open::{ask, assert_safe};
use crate::support::{NOBODY, PIN, Vault, alice, bank, call, problem, step_up};

fn logged_in(_: &Facts<'_>) -> Decision<'static> {
    Decision::Allow
}

/// Resources, a scope, and what answers where nothing matches.
fn routes(vault: &Vault) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let vault = vault.clone();
    let to = move || web::to(vault.handler());
    move |app| {
        let users = web::resource("/users/{id}").route(to()).default_service(to());
        app.route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/balance", web::get().to(HttpResponse::Ok))
            .service(web::resource("/statements").route(to()))
            .service(web::scope("/admin").service(users).default_service(to()))
            .default_service(to());
    }
}

fn table() -> RouteTable {
    RouteTable::new()
        .open("GET", "/healthz")
        .get("/balance", logged_in)
        .get("/statements", bank())
        .any("/admin/users/{id}", bank())
}

const ROUTES: &[&str] = &[
    "GET /healthz",
    "GET /balance",
    "GET /statements",
    "GET /admin/users/7",
    "DELETE /admin/users/7",
    "GET /admin/users/b%C3%B6b",
    "GET /admin/users/a%20b",
];

#[actix_web::test]
async fn what_it_does_not_list_is_denied_whatever_there_is() {
    let vault = Vault::default();
    let table = step_up().table(table()).unwrap();
    let app = init_service(App::new().wrap(table).configure(routes(&vault))).await;
    ask(&app, ROUTES).await.assert_gated_except(&["GET /healthz", "GET /balance"]);
    for (method, path) in [
        (Method::POST, "/statements"),
        (Method::OPTIONS, "/statements"),
        (Method::POST, "/healthz"),
        (Method::GET, "/admin/nothing"),
        (Method::GET, "/admin"),
        (Method::GET, "/nothing"),
        (Method::GET, "//statements"),
        (Method::CONNECT, "/statements"),
    ] {
        let refused = call(&app, alice(path).method(method)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(problem(&refused), Some(Problem::Denied), "{path}");
    }
    let nobody = call(&app, TestRequest::with_uri("/healthz")).await;
    assert_eq!(nobody.status(), StatusCode::OK);
    for path in ["/balance", "/statements"] {
        assert_eq!(problem(&call(&app, TestRequest::with_uri(path)).await), NOBODY, "{path}");
    }
    assert_eq!(vault.opened(), 0);
}

#[actix_web::test]
async fn the_flow_endpoints_need_no_entry_and_an_elevation_goes_through() {
    let (vault, step_up) = (Vault::default(), step_up());
    let app = App::new()
        .wrap(step_up.table(table()).unwrap())
        .service(step_up.scope())
        .configure(routes(&vault));
    let app = init_service(app).await;
    let refused: Value = read_body_json(call(&app, alice("/admin/users/b%C3%B6b")).await).await;
    let url = refused["flow"]["url"].as_str().unwrap();
    let typed = alice(&format!("{url}/pin")).method(Method::POST);
    let typed = typed.set_json(serde_json::json!({ "pin": PIN }));
    assert_eq!(call(&app, typed).await.status(), StatusCode::OK);
    // What an encoded parameter matches is known as well.
    for path in ["/admin/users/b%C3%B6b", "/%61dmin/users/a%20b", "/admin/users/%37"] {
        assert_eq!(call(&app, alice(path)).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(vault.opened(), 3);
    assert_eq!(call(&app, alice("/admin/nothing")).await.status(), StatusCode::FORBIDDEN);
}

/// Neither a default service nor a resource of the app's own is mistaken for the flow endpoints.
#[actix_web::test]
async fn without_its_scope_the_prefix_is_denied_like_everything_else() {
    let vault = Vault::default();
    let table = step_up().table(table()).unwrap();
    let app = init_service(App::new().wrap(table).configure(routes(&vault))).await;
    let refused = call(&app, alice("/step-up/flows/1")).await;
    assert_eq!((refused.status(), vault.opened()), (StatusCode::FORBIDDEN, 0));
    for own in ["/step-up/{tail:.*}", "/step-up/{tail}*", "/{tail:.*}"] {
        let own = web::resource(own).to(vault.handler());
        let app = App::new().wrap(step_up().table(self::table()).unwrap()).service(own);
        let refused = call(&init_service(app).await, alice("/step-up/flows/1")).await;
        assert_eq!((refused.status(), vault.opened()), (StatusCode::FORBIDDEN, 0));
    }
}

#[actix_web::test]
async fn an_entry_that_no_route_has_is_found() {
    let table = RouteTable::new().get("/a", bank()).get("/b", bank());
    let app =
        App::new().wrap(step_up().table(table).unwrap()).route("/a", web::to(HttpResponse::Ok));
    let app = init_service(app).await;
    let report = ask(&app, &["GET /a", "GET /b"]).await;
    assert_eq!(report.finding("GET /a"), Some(Finding::Gated));
    assert_eq!(report.finding("GET /b"), Some(Finding::Denied));
}

#[actix_web::test]
async fn around_a_scope_it_lists_the_whole_pattern() {
    let vault = Vault::default();
    let table = RouteTable::new().get("/admin/{id}", bank());
    let scope = web::scope("/admin")
        .wrap(step_up().table(table).unwrap())
        .route("/{id}", web::to(vault.handler()));
    let app = init_service(App::new().service(scope)).await;
    assert_safe(&app, &vault, &["GET /admin/7"]).await;
}

#[test]
fn a_table_with_a_mistake_makes_no_middleware() {
    let twice = RouteTable::new().get("/a", bank()).open("GET", "/a");
    assert!(matches!(step_up().table(twice), Err(TableError::Twice { .. })));
}

/// For every spelling and method, the handler that runs is the one of the route that the table saw;
/// a handler says which it is, for actix itself goes by the raw path.
#[actix_web::test]
async fn the_route_that_is_looked_up_is_the_one_that_runs() {
    const PATTERNS: [&str; 8] = [
        "/admin/users",
        "/admin/users/{id}",
        "/admin/{rest}*",
        "/{name:[a-z]+}x",
        "/{first}",
        "/{first}/{second}",
        "/scope/{id}/deep",
        "/",
    ];
    fn told(path: &str, pattern: &'static str) -> Resource {
        let ran =
            move || async move { HttpResponse::Ok().insert_header(("ran", pattern)).finish() };
        web::resource(path).route(web::to(ran))
    }
    let asked_for = [
        "GET /admin/users",
        "GET /admin/users/7",
        "GET /x",
        "GET /scope/7/deep",
        "GET /admin/users/b%C3%B6b",
        "GET /admin%2Fusers/%25",
    ];
    let (mut got_through, mut encoded) = (Vec::new(), Vec::new());
    for listed in PATTERNS {
        let table = RouteTable::new().any(listed, logged_in);
        let mut app = App::new().wrap(step_up().table(table).unwrap());
        for pattern in PATTERNS {
            app = match pattern.strip_prefix("/scope") {
                Some(path) => app.service(web::scope("/scope").service(told(path, pattern))),
                None => app.service(told(pattern, pattern)),
            };
        }
        let app = init_service(app.default_service(web::to(HttpResponse::Ok))).await;
        for probe in probes(&asked_for) {
            let Ok(uri) = probe.path.parse::<Uri>() else { continue };
            let request = alice(&uri.to_string()).method(probe.method.parse().unwrap());
            let answer = call(&app, request).await;
            if problem(&answer).is_none() {
                assert_eq!(answer.headers().get("ran").unwrap(), listed, "{probe}");
                match probe.path.contains("%6") || probe.path.contains("%7") {
                    true => encoded.push(probe),
                    false => got_through.push(probe),
                }
            }
        }
    }
    let counts = (got_through.len(), encoded.len());
    assert!(counts.0 > 200 && counts.1 > 20, "only {counts:?}");
}
