//! What the other tests rely on: a test that can't fail shows nothing.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use axum::response::Html;
use axum::routing::get;
use flexsecure_conformance::browser::{Browser, Scripts, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_turns_scripts_off_runs_none() {
    for (scripts, text) in [(Scripts::On, "on"), (Scripts::Off, "off")] {
        let browser = Browser::start(&Settings::default().scripts(scripts)).await;
        browser.open(&site().await).await;
        assert_eq!(browser.text("#scripts").await, text);
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_of_a_policy_is_heard_of() {
    for scripts in [Scripts::On, Scripts::Off] {
        let browser = Browser::start(&Settings::default().scripts(scripts)).await;
        let site = site().await;
        browser.open(&site).await;
        let nothing = browser.policy_violations().await;
        assert!(nothing.is_empty(), "{nothing:?}");
        browser.open(&format!("{site}strict")).await;
        let heard = browser.policy_violations().await;
        assert!(heard.iter().any(|line| line.contains("style")), "{heard:?}");
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_has_the_languages_the_screen_and_the_colours_of_its_user() {
    let settings = Settings::default().languages("de-AT,de").phone().dark();
    let browser = Browser::start(&settings).await;
    browser.open(&format!("{}languages", site().await)).await;
    let languages = browser.text("body").await;
    assert!(languages.starts_with("de-AT,de"), "{languages}");
    let seen = browser.run(
        "return [screen.width, matchMedia('(prefers-color-scheme: dark)').matches]",
        Vec::new(),
    );
    assert_eq!(seen.await, serde_json::json!([360, true]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_screen_reader_cannot_read_is_found() {
    let browser = Browser::start(&Settings::default()).await;
    browser.open(&format!("{}unreadable", site().await)).await;
    let found = browser.accessibility_problems().await;
    assert!(found.iter().any(|line| line.starts_with("label: ")), "{found:#?}");
    assert!(found.iter().any(|line| line.starts_with("html-has-lang: ")), "{found:#?}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_browser_outlives_its_test() {
    let browser = Browser::start(&Settings::default()).await;
    let profile = browser.profile().to_owned();
    assert!(is_in_use(&profile));
    // As a panic would.
    drop(browser);
    assert!(!is_in_use(&profile), "{profile:?}");
    assert!(!profile.exists());
}

/// Whether there is a process that was started with it.
fn is_in_use(profile: &std::path::Path) -> bool {
    let name = profile.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|command| String::from_utf8_lossy(&command).contains(name))
}

async fn site() -> String {
    let strict = || async {
        let policy = "default-src 'none'";
        ([(CONTENT_SECURITY_POLICY, policy)], Html("<style>body{color:red}</style>"))
    };
    let languages =
        |headers: HeaderMap| async move { headers["accept-language"].to_str().unwrap().to_owned() };
    let app = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/strict", get(strict))
        .route("/unreadable", get(|| async { Html(UNREADABLE) }))
        .route("/languages", get(languages));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    format!("http://{address}/")
}

const PAGE: &str = "<!doctype html><title>A page</title><p id=scripts>off</p>\
    <script>document.getElementById('scripts').textContent = 'on'</script>";

/// Under a policy as strict as any: what looks at the page is not part of it.
const UNREADABLE: &str = "<!doctype html><title>A page</title>\
    <meta http-equiv=content-security-policy content=\"default-src 'none'\"><input>";
