//! Whoever reads mail before its receiver does.

use flexsecure_conformance::browser::{Browser, Scripts, Settings, start};
use flexsecure_conformance::client::{Client, Request};
use flexsecure_conformance::subject::Launch;
use serde_json::{Value, json};

/// T25, T26: it runs scripts, follows each link, sends each form, and knows nothing that it would
/// have to: the request waits for its user, and the robot is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_that_tries_everything_approves_nothing() {
    let launch = Launch::new(env!("CARGO_BIN_EXE_subject-axum"));
    let visit = start(&launch, &Settings::default().scripts(Scripts::On)).await;
    let bob = visit.bank.login("bob").await;
    let flow = bob.peek(Request::get("/statements")).await.refused("missing");
    let link = visit.bank.newest_link().await;
    let (browser, url) = (&visit.browser, link.url());

    for method in ["HEAD", "GET", "OPTIONS"] {
        link.open(method).await;
    }
    let reader = Client::new(visit.bank.authority().address);
    for (name, value) in [
        ("purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("x-moz", "prefetch"),
        ("accept", "text/html"),
        ("user-agent", "Mozilla/5.0 (compatible; SafeLinks)"),
    ] {
        let path = url.strip_prefix(&format!("http://{}", reader.address())).unwrap();
        reader.peek(Request::get(path).header(name, value)).await.assert_status(200);
    }

    // As a browser does it: once to look, then once for each thing that can be done there.
    let things = look(browser, &url).await;
    let links = things["links"].as_array().unwrap();
    for address in links {
        browser.open(address.as_str().unwrap()).await;
    }
    let forms = usize::try_from(things["forms"].as_u64().unwrap()).unwrap();
    assert!(forms > 0, "there is something to press for a person");
    for form in 0..forms {
        for (text, way) in [
            ("", "submit"),
            ("", "button"),
            ("x", "submit"),
            ("x", "button"),
            ("free money", "button"),
        ] {
            look(browser, &url).await;
            browser.run(SEND, vec![json!(form), json!(text), json!(way)]).await;
            browser.find("body:not([data-old])").await;
        }
    }
    let token = url.rsplit('/').next().unwrap();
    for number in ["", "x", "999", "-1"] {
        let body = [("match", number), ("action", "approve")];
        let path = url.strip_prefix(&format!("http://{}", reader.address())).unwrap();
        let answer = reader.peek(Request::post(path).form(&body)).await;
        answer.assert_status(422);
    }
    flow.status(&bob).await.assert_live();
    assert_eq!(visit.bank.message_count().await, 1);
    assert_ne!(bob.peek(Request::get("/statements")).await.status, 200);

    // Nothing tells the address to anybody, and no session comes of it.
    let referrer = browser.run("return document.referrer", Vec::new()).await;
    assert!(!referrer.as_str().unwrap().contains(token), "{referrer}");
    let cookies = browser.cdp("Network.getCookies", json!({"urls": [url, visit.at("/")]})).await;
    assert_eq!(cookies["cookies"], json!([]));

    // Then somebody comes who was asked.
    look(browser, &url).await;
    browser.press("#match", flow.match_number()).await;
    browser.follow("button[value=approve]").await;
    assert_eq!(browser.text("h1").await, "Approved");
    bob.peek(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    bob.peek(Request::get("/statements")).await.assert_status(200);
    visit.open("/statements").await;
    assert!(!browser.has(".rows").await, "who clicked is not let in");
    visit.end().await;
}

/// Opens the page, scrolls through it, and waits until nothing more is loaded.
async fn look(browser: &Browser, url: &str) -> Value {
    browser.open(url).await;
    browser.run_async(LOOK, Vec::new()).await
}

/// A network is idle that has not loaded anything for half a second.
const LOOK: &str = "
    const done = arguments[0];
    scrollTo(0, document.body.scrollHeight);
    let count = -1;
    const idle = () => {
        const now = performance.getEntriesByType('resource').length;
        if (now === count && document.readyState === 'complete') {
            return done({
                links: Array.from(document.links, ({href}) => href),
                forms: document.forms.length,
            });
        }
        count = now;
        setTimeout(idle, 500);
    };
    idle();";

/// By the browser's own checks, or around them.
const SEND: &str = "
    const [form, text, way] = [document.forms[arguments[0]], arguments[1], arguments[2]];
    document.body.dataset.old = '';
    for (const field of form.querySelectorAll('input:not([type=hidden])')) field.value = text;
    if (way === 'submit') form.submit();
    else {
        form.noValidate = true;
        form.requestSubmit(form.querySelector('button'));
    }";
