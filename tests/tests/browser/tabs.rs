//! Many tabs, tabs that sleep, and how fast they go on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flexsecure_conformance::browser::{Scripts, Settings, Tab, Visit, Wire, start};
use flexsecure_conformance::client::{Client, Request};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::legacy::{Legacy, Variant};
use flexsecure_conformance::relay::Relay;
use flexsecure_conformance::subject::{Authority, Launch};
use serde_json::json;

in_front_of_both_banks! {
    on:
        twenty_tabs_are_one_message_and_each_goes_its_own_way
        a_page_that_slept_goes_on_when_it_wakes
        an_approval_is_seen_at_once;
}

/// F42: whether a PIN is typed in one of them or a link is approved elsewhere.
async fn twenty_tabs_are_one_message_and_each_goes_its_own_way(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    for (sent, user) in [(1, "alice"), (2, "bob")] {
        visit.log_in(user).await;
        visit.open("/balance").await;
        browser.run(OPEN_TWENTY, Vec::new()).await;
        all_are(&visit, "Confirm that it is you").await;
        assert_eq!(visit.bank.message_count().await, sent);
        let mine = visit.at("/statements?tab=7");
        let tab = browser.tabs().await.into_iter().find(|tab| tab.url == mine);
        // The flow was opened for one of them, which is at its address.
        let any = |tab: &Tab| tab.title == "Confirm that it is you";
        let tab = match tab {
            Some(tab) => tab,
            None => browser.tab("a tab", any).await,
        };
        browser.look_at(&tab).await;
        if user == "alice" {
            visit.type_pin().await
        } else {
            visit.approve().await
        }
        all_are(&visit, "Statements · Demo Bank").await;
        let mut urls: Vec<_> = browser.tabs().await.into_iter().map(|tab| tab.url).collect();
        urls.retain(|url| url.contains("/statements"));
        urls.sort();
        let mut wanted: Vec<_> =
            (0..20).map(|tab| visit.at(&format!("/statements?tab={tab}"))).collect();
        wanted.sort();
        assert_eq!(urls, wanted);
        assert_eq!(visit.bank.message_count().await, sent);
        browser.close_others().await;
    }
    visit.end().await;
}

/// F40: an approval that comes while the tab is frozen, while there is no network, or while the tab is
/// elsewhere, is found as soon as it is back.
async fn a_page_that_slept_goes_on_when_it_wakes(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;

    let bob = visit.log_in("bob").await;
    visit.open("/statements?frozen").await;
    let flow = browser.path().await;
    let number = browser.text("#match").await;
    browser.cdp("Page.setWebLifecycleState", json!({"state": "frozen"})).await;
    approve(&visit, &bob, &flow, &number).await;
    assert_eq!(browser.tabs().await[0].url, visit.at(&flow), "it is asleep");
    browser.cdp("Page.setWebLifecycleState", json!({"state": "active"})).await;
    browser.until_at("/statements?frozen").await;

    let bob = visit.log_in("bob").await;
    visit.open("/statements?elsewhere").await;
    let flow = browser.path().await;
    let number = browser.text("#match").await;
    visit.open("/balance").await;
    approve(&visit, &bob, &flow, &number).await;
    browser.back().await;
    browser.until_at("/statements?elsewhere").await;

    let bob = visit.log_in("bob").await;
    let wire = Wire::to(visit.bank.address()).await;
    browser.open(&format!("http://{}/statements?offline", wire.address())).await;
    let flow = browser.path().await;
    let number = browser.text("#match").await;
    wire.cut();
    approve(&visit, &bob, &flow, &number).await;
    assert_eq!(browser.path().await, flow);
    wire.mend();
    browser.until_at("/statements?offline").await;
    assert_eq!(visit.bank.message_count().await, 3);
    // What failed meanwhile is on the console, and no breach of a policy.
    visit.end().await;
}

/// From the click on "Approve" until the page is there that was wanted: our authority tells at once,
/// one that knows only v1 is asked every other second.
async fn an_approval_is_seen_at_once(launch: &Launch, scripts: Scripts) {
    let settings = Settings::default().scripts(scripts);
    let authority = launch.start().await;
    let Authority { address, key } = authority.authority();
    let relay = Relay::to(*address).await;
    let visit = start(&launch.clone().with_authority(relay.address(), key), &settings).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        visit.log_in("bob").await;
        visit.open("/statements").await;
        let number = visit.browser.text("#match").await;
        let link = authority.newest_link().await;
        if times.is_empty() {
            relay.asked_for_news().await;
        }
        let clicked = now();
        link.approve(&number).await.assert_status(200);
        times.push(shown(&visit).await - clicked);
    }
    let (settled, early) = times.split_first().unwrap();
    println!("from \"Approve\" to the statements: {settled} ms");
    println!("the same in the first two seconds of a page: {early:?} ms");
    visit.end().await;

    let legacy = Legacy::start(Variant::default()).await;
    let visit = start(&launch.clone().with_legacy(&legacy), &settings).await;
    visit.log_in("bob").await;
    visit.open("/statements").await;
    visit.browser.find("#step-up[data-url]").await;
    let clicked = now();
    legacy.approve("bank", "bob");
    println!("the same with v1 alone: {} ms", shown(&visit).await - clicked);
    visit.end().await;
}

/// Milliseconds since 1970, as the browser counts them.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// When the statements were there.
async fn shown(visit: &Visit) -> i64 {
    visit.browser.find(".rows").await;
    let loaded = "const [page] = performance.getEntriesByType('navigation');
        return Math.round(performance.timeOrigin + page.domContentLoadedEventStart)";
    visit.browser.run(loaded, Vec::new()).await.as_i64().unwrap()
}

/// Approves the newest link, and waits until the bank knows.
async fn approve(visit: &Visit, client: &Client, flow: &str, number: &str) {
    visit.bank.newest_link().await.approve(number).await.assert_status(200);
    let known = async {
        while client.peek(Request::get(flow).wait(30)).await.flow().state() != "authenticated" {}
    };
    tokio::time::timeout(Duration::from_secs(60), known).await.unwrap();
}

/// Waits until the twenty tabs are called `title`.
async fn all_are(visit: &Visit, title: &str) {
    visit
        .browser
        .until(title, async || {
            visit.browser.tabs().await.iter().filter(|tab| tab.title == title).count() == 20
        })
        .await;
}

const OPEN_TWENTY: &str =
    "for (let tab = 0; tab < 20; tab += 1) open(`/statements?tab=${tab}`, '_blank', 'noopener')";
