//! The dialog over the bank's own page, by script.

use flexsecure_conformance::browser::{Browser, Scripts, Settings, Visit, start};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::scenario::done;
use flexsecure_conformance::subject::Launch;
use serde_json::{Value, json};

in_front_of_both_banks! {
    on:
        a_dialog_takes_the_proof_and_what_was_typed_stays
        a_dialog_is_one_however_many_are_refused;
}

/// T06: nothing is sent before the proof, once after it, and not at all if the user gives up.
async fn a_dialog_takes_the_proof_and_what_was_typed_stays(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    let alice = visit.log_in("alice").await;
    visit.open("/").await;
    type_transfer(browser, PAYEE, "251.5").await;
    browser.find("#need[data-need=proof]").await;
    browser.click("#transfer [data-send]").await;
    opened(browser).await;
    let words = in_dialog(browser, "return dialog.innerText").await;
    let operation = format!("Transfer 251.50 EUR to {PAYEE}");
    assert!(words.as_str().unwrap().contains(&operation), "{words}");
    assert_eq!(browser.path().await, "/");
    let heights = in_dialog(browser, "return [dialog.scrollHeight, dialog.clientHeight]").await;
    assert_eq!(heights[0], heights[1], "nothing is there to scroll to");
    let violations = browser.policy_violations().await;
    assert!(violations.is_empty(), "{violations:#?}");
    let problems = browser.accessibility_problems().await;
    assert!(problems.is_empty(), "{problems:#?}");
    // To know of the styles in a shadow tree, axe-core applies some itself.
    browser.policy_violations().await;
    browser.picture(&format!("dialog/{}", bank_of(launch))).await;
    assert!(done(&alice).await.is_empty());

    // Whoever gives up has done nothing.
    browser.press_here(ESCAPE).await;
    closed(browser).await;
    until_said(browser, "Nothing was done.").await;
    assert!(browser.text("#transfer-result .problem").await.starts_with("Nothing was done."));
    assert_typed(browser, PAYEE, "251.5").await;
    let focused = "return document.activeElement.matches('#transfer [data-send]')";
    assert_eq!(browser.run(focused, Vec::new()).await, true, "the focus is where it was");
    assert!(done(&alice).await.is_empty());

    // Nobody is sent a second message for the same.
    browser.click("#transfer [data-send]").await;
    opened(browser).await;
    assert_eq!(visit.bank.message_count().await, 1);
    let pin = visit.bank.newest_pin().await;
    let wrong = flexsecure_conformance::inbox::wrong(&pin);
    browser.press_here(&wrong).await;
    browser.press_here(ENTER).await;
    browser
        .until("a word about the PIN", async || {
            let problem = "return dialog.querySelector('#problem')?.textContent ?? ''";
            let problem = in_dialog(browser, problem).await;
            problem.as_str().is_some_and(|it| it.starts_with("That is not the PIN"))
        })
        .await;
    assert!(done(&alice).await.is_empty());
    browser.press_here(&pin).await;
    browser.press_here(ENTER).await;
    closed(browser).await;
    until_said(browser, "Sent 251.50 EUR").await;
    let result = browser.text("#transfer-result").await;
    assert!(result.contains("251.50 EUR") && result.contains("confirmed by PIN"), "{result}");
    assert_typed(browser, PAYEE, "251.5").await;
    assert_eq!(browser.path().await, "/");
    assert_eq!(done(&alice).await, ["251.50"]);
    assert_eq!(visit.bank.message_count().await, 1);
    visit.end().await;
}

/// F42: for links that are approved elsewhere, too, one after the other.
async fn a_dialog_is_one_however_many_are_refused(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    let bob = visit.log_in("bob").await;
    visit.open("/").await;
    browser.find("#statements-result").await;
    browser.find("[data-load='/statements']:not([hidden])").await;
    let both = "for (const css of [\"[data-load='/statements']\", '#transfer [data-send]']) {
        document.querySelector(css).click();
    }";
    browser.run(both, Vec::new()).await;
    opened(browser).await;
    let number = async || {
        in_dialog(browser, "return dialog.querySelector('#match')?.textContent ?? ''").await
    };
    let shown = number().await;
    // The other one waits for its turn, and so for its number.
    let first = shown.as_str().unwrap().to_owned();
    assert_eq!(first.len(), 2, "{shown}");
    approve(&visit, &first).await;
    browser.until("the other number", async || number().await != shown).await;
    assert_eq!(count_dialogs(browser).await, 1);
    let second = number().await.as_str().unwrap().to_owned();
    approve(&visit, &second).await;
    closed(browser).await;
    browser
        .until("both results", async || {
            browser.text("#statements-result").await.contains("statements")
                && browser.text("#transfer-result").await.contains("confirmed by link")
        })
        .await;
    assert_eq!(done(&bob).await, ["250.00"]);
    assert_eq!(visit.bank.message_count().await, 2);
    visit.end().await;
}

/// Approves whichever of the newest links the number belongs to.
async fn approve(visit: &Visit, number: &str) {
    let system = in_dialog(&visit.browser, "return dialog.innerText").await;
    let is_transfer = system.as_str().unwrap().contains("Transfer");
    let messages = visit.bank.messages().await;
    let wanted = if is_transfer { "bank-transfers" } else { "bank" };
    let message = messages.iter().find(|message| message.system() == wanted).unwrap();
    message.link().approve(number).await.assert_status(200);
}

async fn opened(browser: &Browser) {
    let is_open = "return document.querySelector('flexsecure-dialog')?.shadowRoot
        .querySelector('dialog[open] #step-up') != null";
    browser.until("a dialog", async || browser.run(is_open, Vec::new()).await == json!(true)).await;
    assert_eq!(count_dialogs(browser).await, 1);
}

async fn closed(browser: &Browser) {
    browser.until("no dialog", async || count_dialogs(browser).await == 0).await;
}

async fn count_dialogs(browser: &Browser) -> usize {
    browser.count("flexsecure-dialog").await
}

/// Runs the body of a function that knows the `dialog`.
async fn in_dialog(browser: &Browser, script: &str) -> Value {
    let script = format!(
        "const dialog = document.querySelector('flexsecure-dialog')?.shadowRoot
            .querySelector('dialog');
        if (!dialog) return '';
        {script}"
    );
    browser.run(&script, Vec::new()).await
}

async fn until_said(browser: &Browser, start: &str) {
    browser
        .until(start, async || {
            let said = "return document.querySelector('#said').textContent";
            let said = browser.run(said, Vec::new()).await;
            said.as_str().is_some_and(|said| said.starts_with(start))
        })
        .await;
}

async fn type_transfer(browser: &Browser, to: &str, amount: &str) {
    for (field, text) in [("#to", to), ("#amount", amount)] {
        browser.find(field).await.clear().await.unwrap();
        browser.press(field, text).await;
    }
}

async fn assert_typed(browser: &Browser, to: &str, amount: &str) {
    assert_eq!((&*browser.value("#to").await, &*browser.value("#amount").await), (to, amount));
}

fn bank_of(launch: &Launch) -> &'static str {
    if format!("{launch:?}").contains("subject-axum") { "axum" } else { "actix" }
}

const PAYEE: &str = "Zoë & Co <img src=x onerror=alert(1)>";

const ESCAPE: &str = "\u{e00c}";

const ENTER: &str = "\u{e007}";
