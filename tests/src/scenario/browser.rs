//! People, with and without scripts (T41, T42, T44).

use super::{done, transfer};
use crate::client::{Answer, Request};
use crate::inbox::wrong;
use crate::subject::Subject;

/// There and back again, by nothing but links and forms.
pub async fn a_navigation_leads_to_the_page_and_back(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let target = "/statements?month=11&of=2026";
    let answer = alice.send(Request::get(target).navigate()).await.with(303);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page_path = answer.header("location").expect("a location").to_owned();
    assert!(page_path.starts_with("/step-up/flows/"), "T42: {page_path}");
    assert_eq!(bank.message_count().await, 1);

    let page = alice.send(Request::get(&page_path).navigate()).await.with(200);
    assert_page(&page);
    let action = format!("action=\"{page_path}/pin\"");
    assert!(page.html().contains(&action), "{page:?}");
    assert!(page.html().contains("name=\"pin\""), "{page:?}");

    let pin = bank.newest_pin().await;
    let form = Request::post(&format!("{page_path}/pin")).form(&[("pin", &pin)]).navigate();
    let answer = alice.send(form).await.with(303);
    assert_eq!(answer.header("location"), Some(&*page_path));
    let back = alice.send(Request::get(&page_path).navigate()).await.with(303);
    assert_eq!(back.header("location"), Some(target));
    alice.send(Request::get(target).navigate()).await.assert_status(200);
}

/// `Accept` alone does, too.
pub async fn a_client_that_prefers_html_is_led_to_the_page(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for (accept, status) in [
        ("text/html", 303),
        ("text/html;q=0.9, application/json;q=0.8", 303),
        ("application/json", 401),
        ("text/html;q=0.5, application/json", 401),
        ("application/json, text/html", 401),
        ("*/*", 401),
        ("", 401),
    ] {
        let answer = alice.send(Request::get("/statements").header("accept", accept)).await;
        assert_eq!(answer.status, status, "{accept}: {answer:?}");
    }
}

/// A wrong PIN brings the page again, with what is wrong in words.
pub async fn a_wrong_pin_in_the_form_shows_the_page_again(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    let form = |pin: &str| Request::post(&flow.path("/pin")).form(&[("pin", pin)]).navigate();
    let answer = alice.send(form(&wrong(&pin))).await.with(403);
    assert_page(&answer);
    assert!(answer.html().contains("name=\"pin\""), "{answer:?}");
    let answer = alice.send(form("abc")).await.with(400);
    assert_page(&answer);
    assert_eq!(flow.status(&alice).await.attempts_left(), Some(4));
}

/// The page of a link shows the number to compare.
pub async fn the_page_of_a_link_shows_the_number_to_compare(bank: &Subject) {
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let page = bob.send(Request::get(flow.url()).navigate()).await.with(200);
    assert_page(&page);
    assert!(page.html().contains(&format!(">{}<", flow.match_number())), "{page:?}");
    assert!(!page.html().contains("name=\"pin\""), "{page:?}");
    bank.newest_link().await.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
}

/// A request that another site made finds a page with a button on it.
pub async fn the_page_of_an_idle_flow_has_a_button(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let request = Request::get("/statements")
        .header("accept", "text/html")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "cross-site");
    let answer = alice.send(request).await.with(303);
    let path = answer.header("location").expect("a location").to_owned();
    let page = alice.send(Request::get(&path).navigate()).await.with(200);
    assert_page(&page);
    assert!(page.html().contains(&format!("action=\"{path}/start\"")), "{page:?}");
    assert_eq!(bank.message_count().await, 0);
    let button = Request::post(&format!("{path}/start")).form(&[]).navigate();
    let answer = alice.send(button).await.with(303);
    assert_eq!(answer.header("location"), Some(&*path));
    assert_eq!(bank.message_count().await, 1);
}

/// A form is answered with the page, and nothing of it has run.
pub async fn a_form_that_takes_a_proof_is_answered_with_the_page(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let form = Request::post("/transfers").form(&[("to", "bob"), ("amount", "250")]).navigate();
    let answer = alice.send(form).await.with(401);
    assert_page(&answer);
    assert!(answer.header("www-authenticate").is_some_and(|value| value.contains("flow=\"")));
    assert!(answer.html().contains("Transfer 250.00 EUR to bob"), "{answer:?}");
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T44: what a user types is text.
pub async fn a_page_shows_texts_as_texts(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for payee in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'><b>"] {
        let form = Request::post("/transfers").form(&[("to", payee), ("amount", "250")]).navigate();
        let answer = alice.send(form).await;
        for raw in ["<script>alert", "<img", "<b>"] {
            assert!(!answer.html().contains(raw), "{payee}: {answer:?}");
        }
        // A challenge stays one header, whatever stands in the operation (T43).
        let plain = alice.send(transfer(payee, 250)).await;
        assert!(plain.headers.iter().all(|(name, _)| !name.contains("script")), "{plain:?}");
    }
}

/// T43: no line break gets into a header.
pub async fn a_payee_with_line_breaks_adds_no_header(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    for payee in ["bob\r\nset-cookie: a=b", "bob\nx-evil: 1", "bob\u{2028}", "bob\u{202e}bob"] {
        let answer = alice.send(transfer(payee, 250)).await;
        assert!(matches!(answer.status, 401 | 422), "{payee:?}: {answer:?}");
        assert!(answer.header("x-evil").is_none() && answer.header("set-cookie").is_none());
    }
}

/// T42: nothing that the client sends names the place to come back to.
pub async fn the_way_back_is_the_way_there(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let flow = alice.send(Request::get("/statements").navigate()).await.with(303);
    let path = flow.header("location").expect("a location").to_owned();
    let pin = bank.newest_pin().await;
    let form = Request::post(&format!("{path}/pin?return_to=//evil.example&next=//evil.example"))
        .form(&[("pin", &pin), ("return_to", "//evil.example")])
        .header("referer", "http://evil.example/")
        .navigate();
    let answer = alice.send(form).await.with(303);
    assert_eq!(answer.header("location"), Some(&*path));
    let tempting = format!("{path}?return_to=//evil.example");
    let answer = alice.send(Request::get(&tempting).navigate()).await.with(303);
    assert_eq!(answer.header("location"), Some("/statements"));
}

/// T41: the page cannot be framed, and takes nothing from elsewhere.
#[track_caller]
fn assert_page(page: &Answer) {
    let kind = page.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/html"), "{page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store"), "{page:?}");
    let policy = page.header("content-security-policy").unwrap_or_default();
    for needed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(needed), "{needed} is not in {policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"), "{page:?}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{page:?}");
    assert!(!page.html().contains("http://") && !page.html().contains("https://"), "{page:?}");
}
