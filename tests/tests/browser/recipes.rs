//! The recipes of flexsecure-js, as an app would serve them: beside the bank that they call, and
//! under a policy as strict as the bank's.

use std::path::Path;

use ::axum::Router;
use ::axum::body::Body;
use ::axum::extract::{Path as Segments, Request, State};
use ::axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use ::axum::http::uri::{Authority, Scheme, Uri};
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::get;
use flexsecure_conformance::browser::{Browser, Scripts, Settings, Visit, start};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::scenario::done;
use flexsecure_conformance::subject::Launch;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

in_front_of_both_banks! {
    on:
        an_app_by_react_asks_for_a_proof_and_goes_on
        an_app_by_react_asks_in_a_panel_of_its_own
        an_app_by_htmx_asks_for_a_proof_and_goes_on;
}

async fn an_app_by_react_asks_for_a_proof_and_goes_on(launch: &Launch, scripts: Scripts) {
    let app = App::open(launch, scripts, "react/index.html").await;
    app.asks_in_the_dialog_and_goes_on().await;
}

async fn an_app_by_htmx_asks_for_a_proof_and_goes_on(launch: &Launch, scripts: Scripts) {
    let app = App::open(launch, scripts, "htmx/index.html").await;
    app.asks_in_the_dialog_and_goes_on().await;
}

async fn an_app_by_react_asks_in_a_panel_of_its_own(launch: &Launch, scripts: Scripts) {
    let app = App::open(launch, scripts, "react/own.html").await;
    let browser = &app.visit.browser;
    let alice = app.visit.log_in("alice").await;
    browser.click("#send").await;
    browser.press("#panel input[name=pin]", "11111111\u{e007}").await;
    browser.until("a rejection", async || !browser.text("#panel-problem").await.is_empty()).await;
    let pin = app.visit.bank.newest_pin().await;
    browser.press("#panel input[name=pin]", &format!("\u{e009}a\u{e000}{pin}\u{e007}")).await;
    browser.until("what was sent", async || browser.text("#sent").await.contains("250.00")).await;
    assert_eq!(done(&alice).await, ["250.00"]);
    assert_eq!(app.visit.bank.message_count().await, 1);
    app.visit.end().await;
}

/// A recipe in a browser, and the bank behind it.
struct App {
    visit: Visit,
}

impl App {
    async fn open(launch: &Launch, scripts: Scripts, page: &str) -> Self {
        let visit = start(launch, &Settings::default().scripts(scripts)).await;
        let site = serve_beside(visit.bank.address().to_string()).await;
        visit.browser.open(&format!("http://{site}/recipes/{page}")).await;
        Self { visit }
    }

    async fn asks_in_the_dialog_and_goes_on(self) {
        let Visit { bank, browser } = &self.visit;
        // Cookies are a host's, whatever its port.
        let alice = self.visit.log_in("alice").await;
        browser.click("#send").await;
        type_into_the_dialog(browser, &self.pin_of(1).await).await;
        browser.until("what was sent", async || !browser.text("#sent").await.is_empty()).await;
        assert_eq!(done(&alice).await, ["250.00"]);

        browser.click("#show").await;
        type_into_the_dialog(browser, &self.pin_of(2).await).await;
        browser
            .until("statements", async || browser.text("#statements").await.contains("2026-01"))
            .await;
        assert_eq!(bank.message_count().await, 2);
        self.visit.end().await;
    }

    /// The newest PIN, once so many messages were sent.
    async fn pin_of(&self, count: usize) -> String {
        let bank = &self.visit.bank;
        let sent = async || bank.message_count().await == count;
        self.visit.browser.until("a message", sent).await;
        bank.newest_pin().await
    }
}

/// The dialog is in a shadow root of its own.
async fn type_into_the_dialog(browser: &Browser, pin: &str) {
    let is_there = async || browser.run(FIND_PIN, Vec::new()).await.as_bool() == Some(true);
    browser.until("the dialog", is_there).await;
    browser.run(TYPE_PIN, vec![json!(pin)]).await;
}

const FIND_PIN: &str =
    "return !!document.querySelector('flexsecure-dialog')?.shadowRoot.querySelector('#pin')";

const TYPE_PIN: &str = "
    const root = document.querySelector('flexsecure-dialog').shadowRoot;
    root.querySelector('#pin').value = arguments[0];
    root.querySelector('#pin-form button').click();";

/// The recipes, and all else from the bank: they have one origin, as behind any proxy.
async fn serve_beside(bank: String) -> std::net::SocketAddr {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let app = Router::new()
        .route("/recipes/{kind}/{file}", get(recipe))
        .fallback(forward)
        .with_state((bank.parse::<Authority>().unwrap(), client));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { ::axum::serve(listener, app).await });
    address
}

async fn recipe(Segments((kind, file)): Segments<(String, String)>) -> impl IntoResponse {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILT).join(kind).join(&file);
    let content = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `npm run build:recipes` in flexsecure-js makes it", path.display())
    });
    let kind = if file.ends_with(".js") { "text/javascript" } else { "text/html" };
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], content)
}

type Behind = (Authority, Client<HttpConnector, Body>);

async fn forward(State((bank, client)): State<Behind>, mut request: Request) -> Response {
    let mut parts = request.uri().clone().into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(bank));
    *request.uri_mut() = Uri::from_parts(parts).unwrap();
    client.request(request).await.unwrap().into_response()
}

const BUILT: &str = "../flexsecure-js/recipes/dist";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
