//! A walk past everything that the step-up page has to show, one page after the other. It goes by what
//! the pages are made of, and so is the same in every language.

use flexsecure_conformance::browser::{Browser, Scripts, Visit};
use flexsecure_conformance::client::Request;
use flexsecure_conformance::inbox::wrong;
use flexsecure_conformance::legacy::{Fault, Legacy, Variant, Verb};
use flexsecure_conformance::subject::Launch;

/// Past all of it, in two banks: one with the embedded authority, then one whose authority is old.
pub(crate) async fn past_everything(
    launch: &Launch,
    visit: Visit,
    scripts: Scripts,
    mut look: impl AsyncFnMut(&Browser, &str),
) -> Visit {
    past_pins(&visit, scripts, &mut look).await;
    past_links(&visit, &mut look).await;
    past_forms(&visit, &mut look).await;
    past_dead_ends(&visit, &mut look).await;
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let visit = Visit { bank, browser: visit.browser };
    past_old_authority(&visit, &legacy, scripts, &mut look).await;
    visit
}

async fn past_pins(visit: &Visit, scripts: Scripts, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let Visit { bank, browser } = visit;
    visit.log_in("alice").await;
    visit.open("/statements").await;
    browser.find("main[data-state] #pin").await;
    look(browser, "PIN").await;
    submit_pin(browser, "1234").await;
    browser.find("#problem").await;
    look(browser, "malformed").await;
    let wrong = wrong(&bank.newest_pin().await);
    submit_pin(browser, &wrong).await;
    browser.find("main[data-attempts='4'] #problem").await;
    look(browser, "wrong").await;
    for left in (1..4).rev() {
        submit_pin(browser, &wrong).await;
        browser.find(&format!("main[data-attempts='{left}']")).await;
    }
    look(browser, "last attempt").await;
    submit_pin(browser, &wrong).await;
    browser.find("main[data-state=expired]").await;
    look(browser, "too many attempts").await;
    browser.follow("#go-on").await;
    browser.find("main[data-state] #pin").await;
    if scripts == Scripts::Off {
        browser.follow("#resend button").await;
        browser.find("#problem").await;
        look(browser, "too soon").await;
    }
    browser.click("#cancel button").await;
    browser.find("main[data-state=expired]").await;
    look(browser, "cancelled").await;
}

async fn past_links(visit: &Visit, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let Visit { bank, browser } = visit;
    visit.log_in("bob").await;
    visit.open("/statements").await;
    browser.find("main[data-state] #match").await;
    look(browser, "link").await;
    bank.newest_link().await.decline().await.assert_status(200);
    browser.find("main[data-state=expired]").await;
    look(browser, "declined").await;
}

async fn past_forms(visit: &Visit, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let Visit { bank, browser } = visit;
    visit.log_in("alice").await;
    transfer(visit, PAYEE, "9999.99").await;
    browser.find("main[data-state] #pin").await;
    look(browser, "operation").await;
    submit_pin(browser, &bank.newest_pin().await).await;
    browser.find("main[data-state=authenticated] #again").await;
    browser.click("#again summary").await;
    look(browser, "form").await;
    browser.follow("#again button").await;
    // What it confirmed has been done.
    transfer(visit, PAYEE, "9999.99").await;
    browser.find("main[data-state=idle] #start").await;
    look(browser, "idle").await;
    transfer(visit, "bob", "10000.01").await;
    browser.find("main#step-up:not([data-state]) #problem").await;
    look(browser, "denied").await;
}

async fn past_dead_ends(visit: &Visit, look: &mut impl AsyncFnMut(&Browser, &str)) {
    let Visit { bank, browser } = visit;
    let unknown = format!("/step-up/flows/{}", "0".repeat(32));
    visit.open(&unknown).await;
    browser.find("#problem").await;
    look(browser, "unknown").await;
    visit.log_in("carol").await;
    visit.open("/statements").await;
    browser.find("main[data-state=expired]").await;
    look(browser, "refused").await;

    visit.log_in("alice").await;
    for _ in 0..20 {
        let mut alice = bank.login("alice").await;
        if alice.send(Request::get("/statements")).await.status == 429 {
            break;
        }
    }
    visit.open("/statements").await;
    browser.find("#problem").await;
    look(browser, "too many messages").await;
    browser.client().delete_all_cookies().await.unwrap();
    visit.open("/statements").await;
    browser.find("main").await;
    look(browser, "stranger").await;
    let form = format!("<form method=post action='{}/pin'><button>", visit.at(&unknown));
    browser.open(&format!("data:text/html,{form}")).await;
    browser.follow("button").await;
    browser.find("#problem").await;
    look(browser, "other site").await;
}

async fn past_old_authority(
    visit: &Visit,
    legacy: &Legacy,
    scripts: Scripts,
    look: &mut impl AsyncFnMut(&Browser, &str),
) {
    let Visit { bank, browser } = visit;
    visit.log_in("alice").await;
    visit.open("/statements").await;
    browser.find("main[data-state] #pin").await;
    look(browser, "PIN or link").await;
    legacy.expire("bank", "alice");
    let is_over = async || browser.has("main[data-state=expired]").await;
    browser
        .until("the end", async || {
            // The authority is not asked each time.
            if scripts == Scripts::Off {
                browser.follow("#check button").await;
            }
            is_over().await
        })
        .await;
    look(browser, "time up").await;

    let elsewhere = bank.login("bob").await;
    elsewhere.peek(Request::get("/statements")).await.assert_status(401);
    visit.log_in("bob").await;
    visit.open("/statements").await;
    browser.find("#problem").await;
    look(browser, "in progress").await;

    let down = Fault::Says(503, "text/plain", "down".to_owned());
    legacy.break_down(Verb::Start, Some(down));
    visit.log_in("carol").await;
    visit.open("/statements").await;
    browser.find("#problem").await;
    look(browser, "authority down").await;
}

/// Fills in the bank's form and sends it without a script.
pub(crate) async fn transfer(visit: &Visit, to: &str, amount: &str) {
    visit.open("/").await;
    for (field, text) in [("#to", to), ("#amount", amount)] {
        visit.browser.find(field).await.clear().await.unwrap();
        visit.browser.press(field, text).await;
    }
    visit.browser.follow("#transfer button:not([data-send])").await;
}

/// Types `pin` in the place of what is there, and sends it.
pub(crate) async fn submit_pin(browser: &Browser, pin: &str) {
    browser.find("#pin").await.clear().await.unwrap();
    browser.press("#pin", pin).await;
    browser.click("#pin-form button").await;
}

/// As long as a payee may be.
pub(crate) const PAYEE: &str = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterne";
