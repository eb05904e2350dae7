//! The pages of the bank itself: all of it by links and forms, and read by everybody.

use flexsecure_conformance::browser::{Browser, Scripts, Settings, Visit, start};
use flexsecure_conformance::client::Request;
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::subject::Launch;
use serde_json::json;

in_front_of_both_banks! {
    both:
        links_and_forms_lead_everywhere;
    on:
        everybody_can_read_it
        nothing_is_cut_off_on_the_smallest_phone
        a_lock_tells_beforehand_and_sends_nothing;
}

async fn links_and_forms_lead_everywhere(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    visit.open("/").await;
    browser.follow("button[value=alice]").await;
    for (way, text) in [
        ("a.way[href='/balance']", "50,000.00 EUR"),
        ("a.way[href='/transfers']", "None yet."),
        ("a[href='/probe?path=/statements']", "It would ask for a proof"),
    ] {
        browser.follow(way).await;
        assert!(browser.text("main").await.contains(text), "{way}");
        browser.follow(".back a").await;
    }

    type_transfer(browser, "<b>Zoë</b>", "99.99").await;
    browser.follow("#transfer button:not([data-send])").await;
    let receipt = browser.text("main").await;
    assert!(receipt.contains("99.99 EUR") && receipt.contains("<b>Zoë</b>"), "{receipt}");
    browser.follow(".back a[href='/transfers']").await;
    assert!(browser.text("main").await.contains("<b>Zoë</b>"));
    browser.follow(".back a").await;
    assert_eq!(browser.text(".hero .figure").await, "49,900.01 EUR");

    browser.follow("a.way[href='/statements']").await;
    prove(&visit).await;
    visit.browser.until_at("/statements").await;
    assert!(browser.text("main").await.contains("January 2026"));
    browser.follow(".back a").await;
    browser.follow("a.way[href='/admin/users']").await;
    prove(&visit).await;
    visit.browser.until_at("/admin/users").await;
    assert!(browser.text("tbody").await.contains("49,900.01 EUR"));
    browser.follow(".back a").await;
    browser.follow("form[action='/admin/freeze'] button:not([data-send])").await;
    assert!(browser.text("main").await.contains("The account of carol is frozen"));
    browser.follow(".back a").await;
    browser.follow("form[action='/password'] button:not([data-send])").await;
    assert!(browser.text("main").await.contains("proved no more"));

    browser.follow("form[action='/logout'] button").await;
    assert_eq!(browser.path().await, "/");
    assert_eq!(browser.text("button[value=bob]").await, "Log in as bob");
    visit.end().await;
}

async fn everybody_can_read_it(launch: &Launch, scripts: Scripts) {
    let settings = Settings::default().scripts(scripts);
    for settings in [settings.clone(), settings.clone().dark(), settings.phone()] {
        let visit = start(launch, &settings).await;
        visit.open("/").await;
        readable(&visit).await;
        visit.log_in("alice").await;
        visit.open("/").await;
        visit.browser.find("#need[data-need=proof]").await;
        // What the buttons of the script do is another matter than how they look.
        visit.browser.run(SHOW_ALL, Vec::new()).await;
        readable(&visit).await;
        type_transfer(&visit.browser, "bob", "20000").await;
        visit.browser.find("#need[data-need=denied]").await;
        readable(&visit).await;
        visit.browser.follow("a.way[href='/admin/users']").await;
        prove(&visit).await;
        visit.browser.until_at("/admin/users").await;
        readable(&visit).await;
        for path in ["/balance", "/transfers", "/probe?path=/statements", "/nowhere"] {
            visit.open(path).await;
            readable(&visit).await;
        }
        visit.end().await;
    }
}

async fn nothing_is_cut_off_on_the_smallest_phone(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts).phone().screen(320, 568)).await;
    visit.open("/").await;
    assert_fits(&visit, "the login").await;
    let client = visit.log_in("alice").await;
    let payee = "W".repeat(64);
    let sent = json!({"to": payee, "amount": "99.99"});
    client.peek(Request::post("/transfers").json(&sent)).await;
    for path in ["/", "/balance", "/transfers", "/nowhere"] {
        visit.open(path).await;
        visit.browser.run(SHOW_ALL, Vec::new()).await;
        assert_fits(&visit, path).await;
    }
    visit.end().await;
}

async fn a_lock_tells_beforehand_and_sends_nothing(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    visit.log_in("alice").await;
    visit.open("/").await;
    visit.browser.find("a[data-probe][data-need=proof]").await;
    for (amount, need) in
        [("99.99", "open"), ("100", "proof"), ("10000.01", "denied"), ("1e2", "unclear")]
    {
        type_transfer(&visit.browser, "bob", amount).await;
        visit.browser.find(&format!("#need[data-need={need}]")).await;
    }
    assert_eq!(visit.bank.message_count().await, 0);
    visit.end().await;
}

/// Types the newest PIN into the step-up page.
async fn prove(visit: &Visit) {
    visit.browser.find("input[name=pin]").await;
    let pin = visit.bank.newest_pin().await;
    visit.browser.press("input[name=pin]", &pin).await;
    visit.browser.press("input[name=pin]", ENTER).await;
}

async fn type_transfer(browser: &Browser, to: &str, amount: &str) {
    for (field, text) in [("#to", to), ("#amount", amount)] {
        browser.find(field).await.clear().await.unwrap();
        browser.press(field, text).await;
    }
}

async fn readable(visit: &Visit) {
    let problems = visit.browser.accessibility_problems().await;
    assert!(problems.is_empty(), "{}: {problems:#?}", visit.browser.path().await);
}

async fn assert_fits(visit: &Visit, what: &str) {
    let widths = "return [document.documentElement.scrollWidth, innerWidth]";
    assert_eq!(visit.browser.run(widths, Vec::new()).await, json!([320, 320]), "{what}");
}

const SHOW_ALL: &str =
    "for (const each of document.querySelectorAll('[hidden]')) each.hidden = false";

const ENTER: &str = "\u{e007}";
