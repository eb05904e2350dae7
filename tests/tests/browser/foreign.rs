//! What a page of another site can do to somebody who is logged in: it gets a button shown.

use ::axum::Router;
use ::axum::extract::RawQuery;
use ::axum::response::Html;
use ::axum::routing::get;
use flexsecure_conformance::browser::{Browser, Scripts, Settings, Visit, start};
use flexsecure_conformance::client::{Client, Request};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::scenario::done;
use flexsecure_conformance::subject::Launch;
use serde_json::{Value, json};

in_front_of_both_banks! {
    both:
        a_link_of_another_site_sends_nothing_by_itself;
    on:
        a_page_of_another_site_moves_and_reads_nothing;
}

/// T40: the user presses the button, or does not.
async fn a_link_of_another_site_sends_nothing_by_itself(launch: &Launch, scripts: Scripts) {
    let settings = Settings::default().scripts(scripts).host("evil.example");
    let visit = start(launch, &settings).await;
    let (browser, port) = (&visit.browser, site().await);
    for (sent, host) in [(0, "evil.example"), (1, "127.0.0.1")] {
        visit.log_in("alice").await;
        let wanted = visit.at("/statements?wanted");
        browser.open(&format!("http://{host}:{port}/?{wanted}")).await;
        browser.follow("#link").await;
        for _ in 0..2 {
            let flow = visit.flow_in("idle").await;
            assert_eq!(browser.path().await, flow);
            assert!(!browser.has("#pin").await);
            browser.reload().await;
        }
        assert_eq!(visit.bank.message_count().await, sent);
        browser.click("#start button").await;
        browser.find("#pin").await;
        assert_eq!(visit.bank.message_count().await, sent + 1);
        visit.type_pin().await;
        browser.until_at("/statements?wanted").await;
    }
    visit.end().await;
}

/// T40, T41, T42: by forms, `fetch`, frames, windows, pictures and what loads ahead, though it knows
/// the flow, the PIN, the link and the number; of the same site it even has the cookies sent.
async fn a_page_of_another_site_moves_and_reads_nothing(launch: &Launch, scripts: Scripts) {
    let settings = Settings::default().scripts(scripts).host("evil.example");
    let visit = start(launch, &settings).await;
    let port = site().await;
    for (round, (host, cookies, are_sent)) in
        [("127.0.0.1", "Lax", true), ("evil.example", "Lax", false), ("evil.example", "None", true)]
            .into_iter()
            .enumerate()
    {
        let evil = format!("http://{host}:{port}/");
        let alice = log_in(&visit, cookies).await;
        let bob = visit.bank.login("bob").await;
        let bobs = bob.peek(Request::get("/statements")).await.refused("missing");
        let link = visit.bank.newest_link().await.url();
        let sent = 2 * round + 1;

        // Before anything is sent to alice.
        let (browser, home) = (&visit.browser, visit.browser.tabs().await.remove(0));
        browser.open(&evil).await;
        browser.run("location.href = arguments[0]", vec![json!(visit.at(WANTED))]).await;
        let flow = visit.flow_in("idle").await;
        let url = visit.at(&flow);
        attack(&visit, &evil, &url, &Arms::for_idle(&url), are_sent).await;
        assert_eq!(state(&alice, &flow).await, ("idle".to_owned(), None), "{evil} {cookies}");
        assert_eq!(visit.bank.message_count().await, sent);

        // While she is asked.
        browser.look_at(&home).await;
        browser.click("#start button").await;
        browser.find("#pin").await;
        let pin = visit.bank.newest_pin().await;
        let arms = Arms::for_live(&visit, &url, &pin, &link, bobs.match_number());
        attack(&visit, &evil, &url, &arms, are_sent).await;
        let (now, attempts) = state(&alice, &flow).await;
        assert!(["started", "polling"].contains(&&*now), "{evil} {cookies}: {now}");
        assert_eq!(attempts, Some(5), "{evil} {cookies}");
        assert_eq!(visit.bank.message_count().await, sent + 1);
        assert!(done(&alice).await.is_empty());
        bobs.status(&bob).await.assert_live();

        browser.look_at(&home).await;
        browser.close_others().await;
        browser.press("#pin", &pin).await;
        browser.click("#pin-form button").await;
        browser.until_at(WANTED).await;
        visit.open("/").await;
        assert!(!browser.has(".hero .badge").await, "an account is frozen");
    }
    visit.browser.close().await;
}

/// What another site tries with: addresses and fields of forms, and addresses of pages.
struct Arms {
    posts: Vec<Value>,
    pages: Vec<String>,
}

impl Arms {
    /// Those for a flow of which its user has not been told.
    fn for_idle(flow: &str) -> Self {
        let own = json!({"back": "/transfers", "form": FORM});
        let posts = vec![
            json!([format!("{flow}/start"), {}]),
            json!([format!("{flow}/start"), own]),
            json!([format!("{flow}/cancel"), {}]),
        ];
        Self { posts, pages: Vec::new() }
    }

    /// All there are: it is known what was sent to alice and to bob.
    fn for_live(visit: &Visit, flow: &str, pin: &str, link: &str, number: &str) -> Self {
        let elsewhere = json!({"back": "https://evil.example/", "form": FORM});
        let mut arms = Self::for_idle(flow);
        arms.posts.extend([
            json!([format!("{flow}/pin"), {"pin": "12345678"}]),
            json!([format!("{flow}/pin"), {"pin": pin}]),
            json!([flow, elsewhere]),
            json!([visit.at("/transfers"), {"to": "eve", "amount": "250"}]),
            json!([visit.at("/admin/freeze"), {"user": "alice"}]),
            json!([link, {"match": number, "action": "approve"}]),
        ]);
        let pages = [flow, &visit.at("/"), &visit.at("/statements?x"), &visit.at("/nowhere"), link];
        arms.pages = pages.map(str::to_owned).to_vec();
        arms
    }
}

/// Does its worst from a page at `evil`, in a tab of its own, and looks at what came of it.
async fn attack(visit: &Visit, evil: &str, flow: &str, arms: &Arms, are_cookies_sent: bool) {
    let browser = &visit.browser;
    browser.open_tab().await;
    browser.open(evil).await;
    let before = browser.tabs().await.len();
    let came_of_it = browser.run_async(ATTACK, vec![json!(arms.posts), json!(arms.pages)]).await;
    assert_eq!(came_of_it["read"], json!([]), "{evil}");

    for frame in 0..came_of_it["frames"].as_u64().unwrap() {
        let number = u16::try_from(frame).unwrap();
        browser.client().enter_frame(number).await.unwrap();
        let source = browser.client().source().await.unwrap();
        browser.client().enter_parent_frame().await.unwrap();
        if frame == 0 {
            assert!(source.contains("evil"), "what is in a frame can be seen: {source}");
        } else {
            let is_ours =
                ["Demo Bank", "step-up", "FlexSecure"].iter().any(|it| source.contains(it));
            assert!(!is_ours, "{evil}: {source}");
        }
    }
    let loaded = async || {
        let tabs = browser.tabs().await;
        tabs.len() == before + arms.posts.len() + arms.pages.len().min(1)
            && tabs.iter().all(|tab| !is_blank(&tab.url, &tab.title))
    };
    browser.until("all windows", loaded).await;
    let evil_tab = browser.client().window().await.unwrap();
    for tab in browser.tabs().await {
        let action = tab.url.strip_prefix(flow);
        if action.is_some_and(|action| !action.is_empty()) {
            browser.look_at(&tab).await;
            let words = browser.text("#problem").await;
            assert!(words.starts_with("Another site wanted this"), "{tab:?}: {words}");
            assert!(!browser.has("#step-up[data-url]").await, "{tab:?}");
        } else if tab.url == visit.at("/transfers") {
            browser.look_at(&tab).await;
            let is_asked = browser.has("#start").await;
            assert_eq!(is_asked, are_cookies_sent, "whether cookies are sent: {tab:?}");
            assert!(!browser.has("input[name=form], #again").await, "{tab:?}");
            let words = browser.text("main").await;
            assert!(!is_asked || words.contains("Another site has sent this form"), "{words}");
        }
    }
    browser.client().switch_to_window(evil_tab).await.unwrap();
    close_all_but_the_first(browser).await;
}

async fn close_all_but_the_first(browser: &Browser) {
    let mut windows = browser.client().windows().await.unwrap();
    let first = windows.remove(0);
    browser.client().switch_to_window(first).await.unwrap();
    browser.close_others().await;
}

fn is_blank(url: &str, title: &str) -> bool {
    url.is_empty() || url == "about:blank" || title.is_empty()
}

/// The flow as its own user reads it.
async fn state(client: &Client, flow: &str) -> (String, Option<u64>) {
    let flow = client.peek(Request::get(flow)).await.flow();
    (flow.state().to_owned(), flow.attempts_left())
}

/// With cookies that are sent to whatever site asks, or that are not.
async fn log_in(visit: &Visit, cookies: &str) -> Client {
    if cookies == "Lax" {
        return visit.log_in("alice").await;
    }
    let client = visit.bank.login("alice").await;
    visit.browser.cdp("Network.clearBrowserCookies", json!({})).await;
    for (name, value) in client.cookies() {
        let cookie = json!({
            "url": visit.at("/"), "name": name, "value": value,
            "httpOnly": true, "sameSite": cookies, "secure": true,
        });
        let set: Value = visit.browser.cdp("Network.setCookie", cookie).await;
        assert_eq!(set["success"], true);
    }
    client
}

/// A site that has nothing to do with the bank: a link to what its query names.
async fn site() -> u16 {
    let page = |RawQuery(query): RawQuery| async move {
        let link = query.unwrap_or_default();
        Html(format!("<!doctype html><title>evil</title><a id=link href=\"{link}\">a present</a>"))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { ::axum::serve(listener, Router::new().route("/", get(page))).await });
    port
}

/// `amount=250&to=eve`
const FORM: &str = "YW1vdW50PTI1MCZ0bz1ldmU";

const WANTED: &str = "/statements?wanted";

/// Resolves with all that could be read, and with how many frames there are; the first is its own.
const ATTACK: &str = "
    const [posts, pages, done] = arguments;
    const read = [];
    const say = (what) => read.push(what);
    const ended = (element) => new Promise((resolve) => {
        element.onload = element.onerror = resolve;
    });
    const add = (name, properties) => {
        const element = Object.assign(document.createElement(name), properties);
        document.body.append(element);
        return element;
    };
    const frames = [];
    const frame = (name) => {
        const element = add('iframe', {name});
        frames.push(element);
        return element;
    };
    const submit = (action, fields, target) => {
        const form = add('form', {method: 'post', action, target});
        for (const [name, value] of Object.entries(fields)) {
            form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
        }
        HTMLFormElement.prototype.submit.call(form);
    };
    const tried = (what, init) => fetch(what, {credentials: 'include', ...init}).then(
        (answer) => answer.type === 'opaque' || say(`${init.method} ${what}: ${answer.type}`), () => {});
    (async () => {
        const all = [];
        const own = frame('own');
        all.push(ended(own));
        own.src = '/';
        for (const [index, [url, fields]] of posts.entries()) {
            all.push(ended(frame(`post-${index}`)));
            submit(url, fields, `post-${index}`);
            const body = new URLSearchParams(fields);
            for (const mode of ['no-cors', 'cors', 'same-origin']) {
                all.push(tried(url, {method: 'POST', mode, body, keepalive: true, headers: {accept: 'text/html'}}));
            }
            const headers = {'content-type': 'application/json'};
            all.push(tried(url, {method: 'POST', body: JSON.stringify(fields), headers}));
            all.push(tried(url, {method: 'DELETE', mode: 'cors'}));
            navigator.sendBeacon(url, body);
        }
        for (const [index, url] of pages.entries()) {
            const element = frame(`page-${index}`);
            all.push(ended(element));
            element.src = url;
            for (const mode of ['no-cors', 'cors']) all.push(tried(url, {method: 'GET', mode}));
            all.push(ended(add('img', {src: url})), ended(add('script', {src: url})));
            add('link', {rel: 'prefetch', href: url});
        }
        add('script', {type: 'speculationrules', textContent: JSON.stringify({
            prerender: [{source: 'list', urls: pages}], prefetch: [{source: 'list', urls: pages}],
        })});
        await Promise.all(all);
        for (const element of frames.slice(1)) {
            try {
                if (element.contentDocument?.body.innerHTML) say(`frame ${element.name}`);
            } catch {}
            try {
                if (element.contentWindow.document.body.innerHTML) say(`frame ${element.name}`);
            } catch {}
        }
        for (const [url, fields] of posts) submit(url, fields, '_blank');
        const opened = pages.slice(0, 1).map((url) => open(url, '_blank'));
        await Promise.all(pages.map((url) => tried(url, {method: 'GET', mode: 'no-cors'})));
        for (const page of opened) {
            try {
                if (page.document.body.innerHTML) say('a window');
            } catch {}
        }
        return {read, frames: frames.length};
    })().then(done, (error) => done({read: [String(error)], frames: 0}));";
