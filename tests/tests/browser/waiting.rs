//! What the page does while nobody touches it.

use std::time::Duration;

use flexsecure_conformance::browser::{Scripts, Settings, start};
use flexsecure_conformance::cluster::clock::Clock;
use flexsecure_conformance::in_front_of_one_bank;
use flexsecure_conformance::subject::Launch;
use serde_json::json;

in_front_of_one_bank! {
    both:
        a_link_that_is_approved_elsewhere_leads_on_by_itself
        a_message_can_be_sent_again_and_is_good_for_five_minutes;
}

async fn a_link_that_is_approved_elsewhere_leads_on_by_itself(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    visit.log_in("bob").await;
    visit.open("/statements").await;
    let number = browser.text("#match").await;
    assert!(number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
    // It is read from one screen and typed on another.
    let size = "return parseFloat(getComputedStyle(document.querySelector('#match')).fontSize)";
    let size = browser.run(size, Vec::new()).await;
    assert!(size.as_f64().is_some_and(|size| size >= 64.0), "{size}");
    assert!(!browser.has("#pin").await, "there is no PIN");
    visit.approve().await;
    browser.until_at("/statements").await;
    assert!(browser.text("main").await.contains("January 2026"));

    visit.log_in("bob").await;
    visit.open("/statements").await;
    browser.find("#match").await;
    visit.bank.newest_link().await.decline().await.assert_status(200);
    browser.find("main[data-state=expired]").await;
    let declined = browser.text("#problem").await;
    assert!(declined.starts_with("Somebody has answered that it was not you."), "{declined}");
    if scripts == Scripts::On {
        let told =
            browser.run("return document.querySelector('[role=status]').textContent", vec![]);
        assert_eq!(told.await, json!(declined));
    }
    visit.end().await;
}

async fn a_message_can_be_sent_again_and_is_good_for_five_minutes(
    launch: &Launch,
    scripts: Scripts,
) {
    let clock = Clock::right();
    let launch = clock.of(launch.clone());
    let visit = start(&launch, &Settings::default().scripts(scripts)).await;
    let (bank, browser) = (&visit.bank, &visit.browser);
    visit.log_in("alice").await;
    visit.open("/statements").await;
    browser.find("#pin").await;
    clock.set_forward(Duration::from_secs(40));
    visit.open(&browser.path().await).await;
    browser.find("#resend button:not([aria-disabled])").await;
    browser.click("#resend button").await;
    browser.until("another message", async || bank.message_count().await == 2).await;
    browser.find("#resend:not([data-resend-in='0'])").await;
    assert!(!browser.has("#problem").await);

    let pin = bank.newest_pin().await;
    clock.set_forward(Duration::from_secs(40 + 5 * 60 + 1));
    if scripts == Scripts::On {
        // As a machine that has slept says; the page has counted on its own clock.
        browser.run("dispatchEvent(new Event('online'))", Vec::new()).await;
    } else {
        browser.press("#pin", &pin).await;
        browser.click("#pin-form button").await;
    }
    browser.find("main[data-state=expired] #go-on").await;
    let sentence = browser.text("#problem").await;
    assert_eq!(sentence, "The time is up. Try again, and you are sent another message.");
    visit.end().await;
}
