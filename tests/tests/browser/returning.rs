//! Where a person gets from the step-up page: back, with what was typed, and nothing is done twice.

use flexsecure_conformance::browser::{Browser, Scripts, Settings, Visit, start};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::scenario::done;
use flexsecure_conformance::subject::Launch;
use serde_json::json;

in_front_of_both_banks! {
    both:
        each_page_comes_back_with_its_own_query
        a_form_is_sent_once_and_by_a_click_of_its_own
        a_form_that_cannot_be_kept_is_told_of_before_anything_is_sent;
    on:
        nobody_is_led_to_another_site;
}

/// The flow knows the first path only; a page that shows it elsewhere leads back there.
async fn each_page_comes_back_with_its_own_query(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let browser = &visit.browser;
    visit.log_in("alice").await;
    visit.open("/statements?month=11").await;
    let flow = flow(&visit).await;
    assert_eq!(browser.path().await, flow);
    browser.reload().await;
    assert_eq!(self::flow(&visit).await, flow);
    visit.open("/statements?month=12&of=2026").await;
    for _ in 0..2 {
        assert_eq!(self::flow(&visit).await, flow);
        assert_eq!(browser.path().await, "/statements?month=12&of=2026");
        browser.reload().await;
    }
    assert_eq!(visit.bank.message_count().await, 1);
    visit.type_pin().await;
    browser.find(".rows").await;
    assert_eq!(browser.path().await, "/statements?month=12&of=2026");
    // Where nothing is to be proved any more, the page before leads to what was wanted there.
    browser.back().await;
    browser.find(".rows").await;
    visit.open(&flow).await;
    browser.until_at("/statements?month=11").await;
    assert_eq!(visit.bank.message_count().await, 1);
    visit.end().await;
}

/// T06, T44: not by the proof, nor by a page that is loaded again, nor by going back.
async fn a_form_is_sent_once_and_by_a_click_of_its_own(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let (browser, bank) = (&visit.browser, &visit.bank);
    let alice = visit.log_in("alice").await;
    visit.open("/").await;
    ask_for(browser, PAYEE, "251.5").await;
    for _ in 0..2 {
        browser.find("#pin").await;
        assert_eq!(browser.path().await, "/transfers");
        let operation = browser.text(".operation").await;
        assert!(operation.contains(&format!("Transfer 251.50 EUR to {PAYEE}")), "{operation}");
        browser.reload().await;
    }
    browser.back().await;
    assert_eq!(browser.path().await, "/");
    assert_typed(browser, PAYEE, "251.5").await;
    browser.follow(PLAIN).await;
    visit.type_pin().await;
    assert_shows_what_it_will_send(browser, PAYEE, "251.5").await;
    assert_eq!((bank.message_count().await, done(&alice).await), (1, Vec::new()));

    browser.follow("#again button").await;
    let receipt = browser.text("main").await;
    assert!(receipt.contains("251.50 EUR") && receipt.contains(PAYEE), "{receipt}");
    assert_eq!(done(&alice).await, ["251.50"]);
    // Sent once more by the browser's own button, it takes another proof, of which nobody is told.
    browser.reload().await;
    browser.find("#start").await;
    back_to_the_bank(browser).await;
    assert_typed(browser, PAYEE, "251.5").await;
    assert_eq!((bank.message_count().await, done(&alice).await.len()), (1, 1));

    // What the browser sends again of a page with a proof is the form itself, or nothing.
    ask_for(browser, "bob", "260").await;
    visit.type_pin().await;
    browser.find("#again").await;
    browser.reload().await;
    browser.find("#again, .figure").await;
    if browser.has("#again").await {
        assert!(!browser.has(".problem").await, "{}", browser.text("main").await);
        assert_eq!(done(&alice).await.len(), 1);
        browser.follow("#again button").await;
    }
    assert!(browser.text("main").await.contains("260.00 EUR"));
    assert_eq!((bank.message_count().await, done(&alice).await.len()), (2, 2));
    visit.end().await;
}

/// Whoever has to fill in a form again is to know before they prove anything.
async fn a_form_that_cannot_be_kept_is_told_of_before_anything_is_sent(
    launch: &Launch,
    scripts: Scripts,
) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    let (browser, bank) = (&visit.browser, &visit.bank);
    for (sent, change) in [(0, IN_PARTS), (1, TOO_LARGE)] {
        visit.log_in("alice").await;
        visit.open("/").await;
        browser.run(change, Vec::new()).await;
        browser.follow(FREEZE).await;
        for _ in 0..2 {
            let warning = browser.text(".problem").await;
            assert!(warning.contains("can't be kept here"), "{warning}");
            assert!(browser.has("#start").await && !browser.has("#pin").await);
            browser.reload().await;
        }
        assert_eq!(bank.message_count().await, sent);
        browser.click("#start button").await;
        browser.find("#pin").await;
        visit.type_pin().await;
        visit.flow_in("authenticated").await;
        assert!(!browser.has("#again").await && !browser.has("#go-on").await);
        let words = browser.text("main").await;
        assert!(words.contains("again") || words.contains("repeat"), "{words}");
        back_to_the_bank(browser).await;
        browser.run(AS_IT_WAS, Vec::new()).await;
        browser.follow(FREEZE).await;
        let answer = browser.text("main").await;
        assert!(answer.contains("The account of carol is frozen"), "{answer}");
        assert_eq!(bank.message_count().await, sent + 1);
    }
    visit.end().await;
}

/// T42: a way back that was made up is none, even in a page of our own.
async fn nobody_is_led_to_another_site(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    visit.log_in("alice").await;
    visit.open("/statements?own").await;
    let flow = flow(&visit).await;
    visit.open("/balance").await;
    let led = async || {
        let ways = json!(["/balance?own"].iter().chain(ELSEWHERE).collect::<Vec<_>>());
        visit.browser.run_async(WAYS, vec![json!(flow), ways]).await
    };
    let live = led().await;
    assert_eq!(live[0], json!(["/balance?own", visit.at("/balance?own")]), "it does find them");
    let own = visit.at("/");
    for pair in live.as_array().unwrap() {
        assert!(pair[1].as_str().is_none_or(|way| way.starts_with(&own)), "{pair}");
    }
    assert_eq!(live.as_array().unwrap().len(), ELSEWHERE.len() + 1);
    visit.open(&flow).await;
    visit.type_pin().await;
    visit.browser.until_at("/statements?own").await;
    // A page that carries a form leads on to where it is to be sent, by the user's own click.
    for pair in led().await.as_array().unwrap() {
        assert!(pair[1].as_str().is_none_or(|way| way.starts_with(&own)), "{pair}");
    }
    visit.end().await;
}

/// The flow of the page, which waits for its user.
async fn flow(visit: &Visit) -> String {
    let live = "main#step-up:is([data-state=started], [data-state=polling])";
    visit.browser.attribute(live, "data-url").await.unwrap()
}

/// Fills in the transfer, and sends it by the plain button.
async fn ask_for(browser: &Browser, to: &str, amount: &str) {
    for (field, text) in [("#to", to), ("#amount", amount)] {
        browser.find(field).await.clear().await.unwrap();
        browser.press(field, text).await;
    }
    browser.follow(PLAIN).await;
}

async fn assert_typed(browser: &Browser, to: &str, amount: &str) {
    assert_eq!((&*browser.value("#to").await, &*browser.value("#amount").await), (to, amount));
}

async fn assert_shows_what_it_will_send(browser: &Browser, to: &str, amount: &str) {
    browser.click("#again summary").await;
    let shown = browser.text("#again dl").await;
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["to", to, "amount", amount]);
}

/// As often as it takes: the browser puts pages of its own in place of what it would have to send.
async fn back_to_the_bank(browser: &Browser) {
    for _ in 0..8 {
        if browser.path().await == "/" && browser.has("#transfer").await {
            return;
        }
        browser.back().await;
    }
    panic!("no way back from {}", browser.path().await);
}

const PAYEE: &str = "Zoë & Co <img src=x onerror=alert(1)>";

const PLAIN: &str = "#transfer button:not([data-send])";

const FREEZE: &str = "form[action='/admin/freeze'] button:not([data-send])";

const IN_PARTS: &str =
    "document.querySelector(\"form[action='/admin/freeze']\").enctype = 'multipart/form-data'";

const TOO_LARGE: &str = "
    const field = document.createElement('textarea');
    field.name = 'note';
    field.value = 'x'.repeat(66000);
    document.querySelector(\"form[action='/admin/freeze']\").append(field)";

const AS_IT_WAS: &str = "
    const form = document.querySelector(\"form[action='/admin/freeze']\");
    form.enctype = 'application/x-www-form-urlencoded';
    form.querySelector('textarea')?.remove()";

/// What browsers have taken for another site, one way or another.
const ELSEWHERE: &[&str] = &[
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "\t//evil.example/",
    "/\n/evil.example/",
    " //evil.example/",
    "https:evil.example/",
    "http:/\\evil.example/",
    "/%09/evil.example/",
    "/..//evil.example/",
    "/.//evil.example/",
    "/balance/..//evil.example/",
    "/%2e%2e//evil.example/",
    "/;@evil.example/",
    "@evil.example/",
    ".evil.example/",
    ":80@evil.example/",
    "javascript:alert(1)",
    "/\u{2028}/evil.example/",
    "/\u{ff0f}evil.example/",
    "//evil\u{3002}example/",
    "data:text/html,x",
    "/\r\nlocation: https://evil.example/",
];

/// Where the page of a flow leads from each `back`, with a form and without, as this browser
/// understands it.
const WAYS: &str = "
    const [flow, ways, done] = arguments;
    const led = async (back, form) => {
        const body = new URLSearchParams({back, ...form});
        const headers = {accept: 'text/html'};
        const answer = await fetch(flow, {method: 'POST', body, headers, redirect: 'manual'});
        if (answer.type === 'opaqueredirect') {
            const {url, redirected} = await fetch(flow, {method: 'POST', body, headers}).catch(() => ({url: 'blocked'}));
            return [url];
        }
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const main = page.querySelector('main');
        const carried = Array.from(page.querySelectorAll('input[name=back]'), ({value}) => value);
        return [
            main.dataset.back,
            page.querySelector('#go-on')?.getAttribute('href'),
            page.querySelector('#again')?.getAttribute('action'),
            ...carried,
        ].filter((way) => way != null).map((way) => new URL(way, location.href).href);
    };
    (async () => {
        const found = [];
        for (const back of ways) {
            const all = [...await led(back), ...await led(back, {form: 'YT1i'})];
            const foreign = all.find((way) => !way.startsWith(location.origin + '/'));
            found.push([back, foreign ?? all[0] ?? null]);
        }
        return found;
    })().then(done, (error) => done(String(error)));";
