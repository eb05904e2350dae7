//! Whoever has been sent a link opens it. No page of the authority has a script.

use std::path::Path;

use flexsecure_conformance::browser::{Browser, Scripts, Settings};
use flexsecure_conformance::client::{Client, Request};
use flexsecure_server::{Config, Method, NewUser, Policies, PublicUrl, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// An authority that ends with the test.
struct Authority {
    server: Server,
    url: String,
    key: String,
}

/// A link, and the number that the page shows on which it was asked for.
struct Asked {
    link: String,
    number: String,
}

impl Authority {
    async fn start(pages: Option<&Path>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = Config::ephemeral(PublicUrl::parse(&url).unwrap());
        if let Some(folder) = pages {
            config = config.pages(folder);
        }
        let server = Server::open(config).await.unwrap();
        let directory = server.directory();
        directory.add_system("bank", Policies::both()).await.unwrap();
        directory.add_user(NewUser::new("bob").email("bob@example.com")).await.unwrap();
        directory.assign("bob", &["bank"], Method::Passwordless).await.unwrap();
        let key = directory.create_key("tests").await.unwrap().expose().to_owned();
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        Self { server, url, key }
    }

    /// Each operation is asked for by itself.
    async fn ask(&self, operation: &str) -> Asked {
        let body = json!({
            "system": "bank", "authid": "bob", "operation": operation, "ip": "2001:db8::7",
            "user_agent": "Mozilla/5.0 (Linux; Android 10; K) Chrome/140.0.0.0 Mobile Safari/537.36",
        });
        let address = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        let start = Request::post("/v1/start").header("apikey", &self.key).json(&body);
        let started = Client::new(address).peek(start).await.with(200).json();
        let number = started["match"].as_str().unwrap().to_owned();
        Asked { link: self.server.inbox().messages()[0].link().unwrap().to_owned(), number }
    }
}

async fn end(browser: Browser) {
    let violations = browser.policy_violations().await;
    assert!(violations.is_empty(), "{violations:#?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_answer_is_easier_than_the_other_on_any_screen() {
    let arabic = TempDir::new().unwrap();
    std::fs::create_dir(arabic.path().join("texts")).unwrap();
    std::fs::write(arabic.path().join("texts/ar.json"), ARABIC).unwrap();
    let authority = Authority::start(Some(arabic.path())).await;
    for (language, direction) in [("en", "ltr"), ("de", "ltr"), ("ar", "rtl")] {
        let asked = authority.ask("Transfer 250.00 EUR to Zoë, account CH93 0076 2011").await;
        let browser = Browser::start(&Settings::default().languages(language)).await;
        for width in [320, 360, 414, 768, 1280] {
            let screen = json!({
                "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false,
            });
            browser.cdp("Emulation.setDeviceMetricsOverride", screen).await;
            browser.open(&asked.link).await;
            assert_eq!(browser.attribute("html", "dir").await.unwrap(), direction);
            let [approve, decline]: [Value; 2] =
                serde_json::from_value(browser.run(ANSWERS, vec![]).await)
                    .unwrap_or_else(|_| panic!("{language} {width}: no two answers"));
            assert_eq!(approve, decline, "{language} {width}");
            assert!(approve["height"].as_f64().unwrap() >= 44.0, "{approve}");
            assert_eq!(approve["is_filled"], true, "{approve}");
            assert_eq!(approve["is_whole"], true, "{approve}");
            let is_whole = browser.run(IS_WHOLE, vec![]).await;
            assert_eq!(is_whole, true, "{language} {width} has to be scrolled sideways");
            browser.picture(&format!("approval/{language}-{width}")).await;
        }
        end(browser).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_reader_reads_all_of_it_in_both_schemes() {
    let authority = Authority::start(None).await;
    let light = Settings::default;
    for (scheme, settings) in
        [("light", light()), ("dark", light().dark()), ("phone", light().phone())]
    {
        let browser = Browser::start(&settings).await;
        let asked = authority.ask(scheme).await;
        let is_readable = async |page: &str| {
            let problems = browser.accessibility_problems().await;
            assert!(problems.is_empty(), "{scheme} {page}: {problems:#?}");
            browser.picture(&format!("approval/{scheme}-{page}")).await;
        };
        for (page, url) in [
            ("home", authority.url.clone()),
            ("inbox", format!("{}/inbox", authority.url)),
            ("gone", format!("{}/a/unknown", authority.url)),
            ("asked", asked.link.clone()),
        ] {
            browser.open(&url).await;
            is_readable(page).await;
        }
        browser.press("#match", "x").await;
        browser.follow("button[value=approve]").await;
        browser.find("#problem[role=alert]").await;
        is_readable("problem").await;
        browser.press("#match", &asked.number).await;
        browser.follow("button[value=approve]").await;
        assert_eq!(browser.text("h1").await, "Approved");
        is_readable("approved").await;
        end(browser).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyboard_is_enough_and_no_script_is_needed() {
    let authority = Authority::start(None).await;
    let browser = Browser::start(&Settings::default().scripts(Scripts::Off)).await;
    let focus = async || browser.run("return document.activeElement.value", vec![]).await;

    let asked = authority.ask("by keyboard").await;
    browser.open(&asked.link).await;
    browser.press("body", TAB).await;
    browser.press_here("4").await;
    let before = browser.find("html").await;
    browser.press_here(ENTER).await;
    browser.until("another page", async || before.tag_name().await.is_err()).await;
    // The field that has to be filled in has the focus, and what is wrong with it.
    browser.find("#match[aria-invalid=true]:focus").await;
    assert_eq!(
        browser.attribute("#match", "aria-describedby").await.unwrap(),
        "problem match-hint"
    );
    browser.press_here(&asked.number).await;
    browser.press_here(TAB).await;
    assert_eq!(focus().await, "approve");
    browser.press_here(ENTER).await;
    browser.until("approval", async || browser.text("h1").await == "Approved").await;

    let asked = authority.ask("by somebody else").await;
    browser.open(&asked.link).await;
    for _ in 0..3 {
        browser.press_here(TAB).await;
    }
    assert_eq!(focus().await, "decline");
    // Without the digits.
    browser.press_here(ENTER).await;
    browser.until("an end", async || browser.text("h1").await == "Declined").await;
    end(browser).await;
}

const TAB: &str = "\u{e004}";

const ENTER: &str = "\u{e007}";

/// With a name for one answer that takes more lines than that of the other.
const ARABIC: &str = r#"{
    "approve.title": "هل هذا أنت؟",
    "approve.approve": "موافقة",
    "approve.decline": "لم أكن أنا من طلب ذلك، ولا أعرف من الذي طلبه"
}"#;

/// What makes one of two buttons more inviting.
const ANSWERS: &str = "
    const answer = (button) => {
        const {width, height} = button.getBoundingClientRect();
        const style = getComputedStyle(button);
        return {
            width, height, size: style.fontSize, weight: style.fontWeight,
            border: style.borderWidth, opacity: style.opacity,
            is_filled: style.backgroundColor !== 'rgba(0, 0, 0, 0)',
            is_whole: button.scrollWidth <= button.clientWidth,
        };
    };
    return [...document.querySelectorAll('button[name=action]')].map(answer);";

const IS_WHOLE: &str = "return document.documentElement.scrollWidth <= innerWidth";
