//! What people do with their hands: typing, pasting, and the keyboard alone.

use flexsecure_conformance::browser::{Browser, Scripts, Settings, start};
use flexsecure_conformance::in_front_of_one_bank;
use flexsecure_conformance::inbox::wrong;
use flexsecure_conformance::subject::Launch;
use serde_json::json;

in_front_of_one_bank! {
    both:
        a_pin_may_be_typed_as_it_is_written;
    on:
        a_pin_is_grouped_however_it_is_entered
        the_keyboard_is_enough_and_the_focus_is_never_lost;
}

async fn a_pin_may_be_typed_as_it_is_written(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    let separators: &[&str] = if scripts == Scripts::On { &[" ", "-", "/"] } else { &[" "] };
    for between in separators {
        visit.log_in("alice").await;
        visit.open("/statements").await;
        browser.find("#pin").await;
        let pin = visit.bank.newest_pin().await;
        let (first, second) = pin.split_at(4);
        browser.press("#pin", &format!("{first}{between}{second}")).await;
        browser.click("#pin-form button").await;
        browser.until_at("/statements").await;
    }
    visit.end().await;
}

async fn a_pin_is_grouped_however_it_is_entered(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    visit.log_in("alice").await;
    visit.open("/statements").await;
    for (key, shown) in [
        ("123", "123"),
        ("4", "1234"),
        ("5", "1234 5"),
        ("678", "1234 5678"),
        (BACKSPACE, "1234 567"),
        ("x", "1234 567"),
        // Between the first two digits.
        (&format!("{HOME}{RIGHT}0"), "1023 4567"),
        ("9", "1092 3456 7"),
    ] {
        browser.press("#pin", key).await;
        assert_eq!(browser.value("#pin").await, shown, "{key:?}");
    }
    for pasted in
        ["PIN: 1234-5678", "12345678", " 1234 5678\n", "Your PIN is 1234 5678, for 5 minutes"]
    {
        browser.find("#pin").await.clear().await.unwrap();
        browser.click("#pin").await;
        // In one step, as the clipboard or a keyboard that has read the message does.
        browser.cdp("Input.insertText", json!({"text": pasted})).await;
        assert_eq!(browser.value("#pin").await, "1234 5678", "{pasted:?}");
    }
    visit.end().await;
}

async fn the_keyboard_is_enough_and_the_focus_is_never_lost(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let (bank, browser) = (&visit.bank, &visit.browser);
    visit.log_in("alice").await;
    visit.open("/statements").await;
    until_focused(browser, "#pin").await;
    browser.press_here(&format!("{}{ENTER}", wrong(&bank.newest_pin().await))).await;
    browser.find("main[data-attempts='4']").await;
    until_focused(browser, "#pin").await;
    assert_eq!(browser.value("#pin").await, "", "a wrong PIN is not worth keeping");
    assert_told(browser, "That is not the PIN that was sent to you.").await;
    browser.press_here(&format!("1234567{ENTER}")).await;
    browser.find("#problem").await;
    browser
        .until("the malformed one", async || {
            browser.text("#problem").await.starts_with("A PIN has 8 digits.")
        })
        .await;
    until_focused(browser, "#pin").await;
    assert_eq!(browser.value("#pin").await, "1234 567", "a digit is missing, and no more");

    for next in ["#pin-form button", "#resend button[aria-disabled=true][data-left]"] {
        browser.press_here(TAB).await;
        until_focused(browser, next).await;
    }
    let left = || async { browser.attribute("#resend button", "data-left").await };
    let before = left().await;
    browser.press_here(ENTER).await;
    browser.until("a second less", async || left().await != before).await;
    assert_eq!(bank.message_count().await, 1, "it is not to be pressed yet");
    until_focused(browser, "#resend button").await;

    browser.press_here(TAB).await;
    until_focused(browser, "#cancel button").await;
    browser.press_here(ENTER).await;
    browser.find("main[data-state=expired]").await;
    until_focused(browser, "#go-on").await;
    assert_told(browser, "This was cancelled. Nothing has happened.").await;
    browser.press_here(ENTER).await;
    browser.find("main[data-state] #pin").await;
    until_focused(browser, "#pin").await;
    browser.press_here(&format!("{}{ENTER}", bank.newest_pin().await)).await;
    browser.until_at("/statements").await;
    visit.end().await;
}

async fn until_focused(browser: &Browser, css: &str) {
    let is_focused = "return document.activeElement?.matches(arguments[0]) ?? false";
    let focused = async || browser.run(is_focused, vec![css.into()]).await == json!(true);
    browser.until(&format!("the focus on {css}"), focused).await;
}

/// What a screen reader reads out, whatever has the focus.
async fn assert_told(browser: &Browser, sentence: &str) {
    let told = browser.run("return document.querySelector('[role=status]').textContent", vec![]);
    let told = told.await;
    assert!(told.as_str().is_some_and(|told| told.starts_with(sentence)), "{told}");
}

const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";
const BACKSPACE: &str = "\u{e003}";
const HOME: &str = "\u{e011}";
const RIGHT: &str = "\u{e014}";
