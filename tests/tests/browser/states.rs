//! What the step-up page says in each state and to each problem, to everybody.

use std::collections::BTreeSet;

use flexsecure_conformance::browser::{Browser, Scripts, Settings, start};
use flexsecure_conformance::in_front_of_one_bank;
use flexsecure_conformance::subject::Launch;
use serde_json::{Value, json};

use crate::walk;

in_front_of_one_bank! {
    both:
        each_page_says_what_it_is_about_and_what_to_do;
    on:
        everybody_can_read_each_page_on_each_screen
        everybody_can_read_it_in_a_dialog_too
        whoever_reads_german_reads_no_english;
}

async fn each_page_says_what_it_is_about_and_what_to_do(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let mut left: BTreeSet<_> = PAGES.iter().map(|page| page.name).collect();
    let look = async |browser: &Browser, name: &str| {
        let page = PAGES.iter().find(|page| page.name == name);
        assert!(page.is_some(), "a page that is new: {name}");
        let page = page.unwrap();
        left.remove(name);
        let main = browser.text("main#step-up").await;
        assert_eq!(browser.text("h1").await, page.title, "{name}: {main}");
        for sentence in page.says {
            assert!(main.contains(sentence), "{name}: {sentence:?} is not in {main}");
        }
        for element in page.has {
            assert!(browser.has(element).await, "{name}: no {element} in {main}");
        }
        let is_told = browser.has("#problem[role=alert]").await;
        assert_eq!(is_told, page.is_problem, "{name}: {main}");
        // For those who do not see what has changed.
        if scripts == Scripts::On && browser.has("#step-up-status").await && page.is_problem {
            let problem = browser.text("#problem").await;
            let told = browser.attribute("main#step-up", "data-announce").await;
            assert_eq!(told.as_deref(), Some(&*problem), "{name}");
        }
    };
    let visit = walk::past_everything(launch, visit, scripts, look).await;
    if scripts == Scripts::On {
        // The button is not there to be pressed too soon.
        left.remove("too soon");
    }
    assert!(left.is_empty(), "never seen: {left:?}");
    visit.end().await;
}

async fn everybody_can_read_each_page_on_each_screen(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let look = async |browser: &Browser, name: &str| {
        for is_dark in [false, true] {
            emulate(browser, (1000, 900), is_dark).await;
            let problems = browser.accessibility_problems().await;
            assert!(problems.is_empty(), "{name}, dark: {is_dark}: {problems:#?}");
            browser.picture(&format!("step-up/{name}{}", if is_dark { " dark" } else { "" })).await;
        }
        assert_fits(browser, name).await;
    };
    walk::past_everything(launch, visit, scripts, look).await.end().await;
}

async fn everybody_can_read_it_in_a_dialog_too(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    for (user, element) in [("alice", "#pin"), ("bob", "#match")] {
        visit.log_in(user).await;
        visit.open("/").await;
        browser.click("[data-load='/statements']").await;
        let is_there = "return document.querySelector('flexsecure-dialog')
            ?.shadowRoot.querySelector(arguments[0]) != null";
        let is_there = async || browser.run(is_there, vec![element.into()]).await == json!(true);
        browser.until("the dialog", is_there).await;
        // What axe-core itself does in a shadow root is against it.
        let violations = browser.policy_violations().await;
        assert!(violations.is_empty(), "{violations:#?}");
        for is_dark in [false, true] {
            emulate(browser, (1000, 900), is_dark).await;
            // What is behind it can't be reached, nor can the other `main` there.
            let dialog = json!({"fromShadowDom": ["flexsecure-dialog", "dialog"]});
            let mut problems = browser.accessibility_problems_within(dialog).await;
            problems.retain(|problem| !problem.starts_with("landmark-no-duplicate-main: "));
            assert!(problems.is_empty(), "{user}, dark: {is_dark}: {problems:#?}");
            let name = format!("step-up/dialog {user}{}", if is_dark { " dark" } else { "" });
            browser.picture(&name).await;
        }
        assert_eq!(browser.run(OVERFLOW, Vec::new()).await, json!([0, 0]), "nothing to scroll");
        emulate(browser, (320, 568), false).await;
        assert_eq!(browser.run(OVERFLOW, Vec::new()).await[0], 0);
        browser.picture(&format!("step-up/dialog {user} phone")).await;
        browser.policy_violations().await;
    }
    visit.browser.close().await;
}

async fn whoever_reads_german_reads_no_english(launch: &Launch, scripts: Scripts) {
    let settings = Settings::default().scripts(scripts).languages("de,en");
    let english = english();
    let look = async |browser: &Browser, name: &str| {
        assert_eq!(browser.attribute("html", "lang").await.as_deref(), Some("de"), "{name}");
        let seen =
            format!("{}\n{}", browser.text("body").await, browser.client().title().await.unwrap());
        for text in &english {
            assert!(!seen.contains(text), "{name}: {text:?} in {seen}");
        }
        // Its words are longer.
        assert_fits(browser, name).await;
        browser.picture(&format!("step-up/de {name}")).await;
    };
    let visit = start(launch, &settings).await;
    walk::past_everything(launch, visit, scripts, look).await.end().await;
}

/// All that is said in English and not in German, but for what is filled in.
fn english() -> Vec<String> {
    let texts = |text| serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap();
    let german = texts(include_str!("../../../flexsecure-core/src/page/texts/de.json"));
    let english = texts(include_str!("../../../flexsecure-core/src/page/texts/en.json"));
    let alike = english.iter().filter(|(name, text)| german[*name] == **text);
    let alike: Vec<_> = alike.map(|(name, _)| &**name).collect();
    assert_eq!(alike, ["reason.missing"], "not translated");
    let own = english.into_iter().filter(|(name, text)| german[name] != *text);
    let parts = own.flat_map(|(_, text)| {
        let text = text.as_str().unwrap().to_owned();
        let parts: Vec<_> = text
            .split("{{")
            .map(|part| part.split("}}").last().unwrap())
            .map(str::to_owned)
            .collect();
        parts
    });
    let parts: Vec<_> =
        parts.map(|part| part.trim().to_owned()).filter(|part| part.len() > 3).collect();
    assert!(parts.len() > 50, "{parts:?}");
    parts
}

/// On phones down to the smallest: nothing is cut off, and whatever is to be pressed is as large as a
/// finger.
async fn assert_fits(browser: &Browser, name: &str) {
    for (width, height) in [(360, 640), (320, 568)] {
        emulate(browser, (width, height), false).await;
        let seen = browser.run(MEASURE, Vec::new()).await;
        assert_eq!(seen["width"], json!([width, width]), "{name}");
        assert_eq!(seen["small"], json!([]), "{name} at {width}");
    }
    browser.picture(&format!("step-up/{name} phone")).await;
    emulate(browser, (1000, 900), false).await;
}

async fn emulate(browser: &Browser, (width, height): (u32, u32), is_dark: bool) {
    let screen =
        json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 400});
    browser.cdp("Emulation.setDeviceMetricsOverride", screen).await;
    let scheme = if is_dark { "dark" } else { "light" };
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.cdp("Emulation.setEmulatedMedia", media).await;
}

struct Page {
    name: &'static str,
    title: &'static str,
    says: &'static [&'static str],
    has: &'static [&'static str],
    is_problem: bool,
}

const fn page(
    name: &'static str,
    title: &'static str,
    says: &'static [&'static str],
    has: &'static [&'static str],
) -> Page {
    Page { name, title, says, has, is_problem: false }
}

const fn problem(
    name: &'static str,
    title: &'static str,
    says: &'static [&'static str],
    has: &'static [&'static str],
) -> Page {
    Page { name, title, says, has, is_problem: true }
}

const CONFIRM: &str = "Confirm that it is you";
const ENDED: &str = "Not confirmed";
const FAILED: &str = "That did not work";
const IMPOSSIBLE: &str = "This is not possible";

const TRY_AGAIN: &[&str] = &["a#go-on[href$='/statements']"];

const PAGES: &[Page] = &[
    page(
        "PIN",
        CONFIRM,
        &["For bank", "8-digit PIN from your message", "5 attempts left", "Time left: 4:5"],
        &[
            "label[for=pin]",
            "#pin[inputmode=numeric][autocomplete=one-time-code]",
            "#resend button",
            "#cancel button",
        ],
    ),
    problem(
        "malformed",
        CONFIRM,
        &["A PIN has 8 digits. Look again; this has cost no attempt.", "5 attempts left"],
        &["#pin[aria-invalid=true][aria-describedby~=problem]"],
    ),
    problem(
        "wrong",
        CONFIRM,
        &["That is not the PIN that was sent to you. Look at the newest", "4 attempts left"],
        &["#pin[aria-invalid=true][aria-describedby~=problem]"],
    ),
    problem("last attempt", CONFIRM, &["One attempt left"], &["#pin"]),
    problem(
        "too many attempts",
        ENDED,
        &["There were too many wrong PINs. Try again, and you are sent another one."],
        TRY_AGAIN,
    ),
    problem(
        "too soon",
        CONFIRM,
        &["A message was sent to you a moment ago. If it does not come, wait ", "5 attempts left"],
        &["#pin", "#resend button"],
    ),
    problem("cancelled", ENDED, &["This was cancelled. Nothing has happened."], TRY_AGAIN),
    page(
        "link",
        CONFIRM,
        &[
            "Open the link that was sent to you, and type this number there:",
            "This page goes on by itself once you have approved.",
            "Time left: 9:5",
        ],
        &["#match", "#resend button", "#cancel button"],
    ),
    problem(
        "declined",
        ENDED,
        &["Somebody has answered that it was not you. Try again only if it was you who asked."],
        TRY_AGAIN,
    ),
    page(
        "operation",
        CONFIRM,
        &["You confirm:", "Transfer 9999.99 EUR to Donaudampf", "5 attempts left"],
        &[".operation bdi", "#pin", "#pin-form [name=form]"],
    ),
    page(
        "form",
        "Confirmed",
        &[
            "You have confirmed:",
            "Your form has not been sent yet",
            "The button sends it now, as you have filled it in, to /transfers.",
            "9999.99",
            "Send the form now",
        ],
        &["form#again[action$='/transfers'] button"],
    ),
    problem(
        "idle",
        CONFIRM,
        &[
            "Your last confirmation was for one time, and has been used.",
            "You will be sent a message, with a PIN or a link.",
            "Send me the message",
        ],
        &["#start button", "#cancel button"],
    ),
    problem("denied", IMPOSSIBLE, &["This is not allowed, whoever confirms it.", "Go back"], &[]),
    problem("unknown", FAILED, &["There is nothing to confirm here", "Go back, and repeat"], &[]),
    problem(
        "refused",
        IMPOSSIBLE,
        &["You can't confirm this. Ask those who run this system."],
        &[],
    ),
    problem(
        "too many messages",
        FAILED,
        &["You have been sent many messages lately. Wait ", "then try again."],
        TRY_AGAIN,
    ),
    problem("stranger", FAILED, &["Log in first, then try again."], &[]),
    problem(
        "other site",
        FAILED,
        &["Another site wanted this done in your name", "Do it from"],
        &[],
    ),
    page(
        "PIN or link",
        CONFIRM,
        &["If it was a link that was sent to you: open it, and approve there.", "8-digit PIN"],
        &["#pin", "#check"],
    ),
    problem(
        "time up",
        ENDED,
        &["The time is up. Try again, and you are sent another message."],
        TRY_AGAIN,
    ),
    problem(
        "in progress",
        FAILED,
        &["You are asked to confirm something else at the moment. Finish that, or wait "],
        TRY_AGAIN,
    ),
    problem(
        "authority down",
        FAILED,
        &["The service that sends you messages can't be reached. Nothing has happened. Wait "],
        TRY_AGAIN,
    ),
];

const MEASURE: &str = "
    const small = [...document.querySelectorAll('button, .button, summary, #pin')]
        .map((each) => [each.getBoundingClientRect(), each.outerHTML])
        .filter(([box]) => box.width > 0 && (box.height < 44 || box.width < 44))
        .map(([box, html]) => `${box.width} x ${box.height}: ${html}`);
    return {width: [document.documentElement.scrollWidth, innerWidth], small};";

/// How far a dialog could be scrolled, to the side and down.
const OVERFLOW: &str = "
    const dialog = document.querySelector('flexsecure-dialog').shadowRoot.querySelector('dialog');
    return [dialog.scrollWidth - dialog.clientWidth, dialog.scrollHeight - dialog.clientHeight];";
