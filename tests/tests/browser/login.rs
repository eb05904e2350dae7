//! A whole login, from the first click to where it was asked for.

use flexsecure_conformance::browser::{Scripts, Settings, start};
use flexsecure_conformance::in_front_of_both_banks;
use flexsecure_conformance::subject::Launch;

in_front_of_both_banks! {
    both:
        a_pin_leads_back_to_where_it_was_asked_for;
}

async fn a_pin_leads_back_to_where_it_was_asked_for(launch: &Launch, scripts: Scripts) {
    let visit = start(launch, &Settings::default().scripts(scripts)).await;
    visit.log_in("alice").await;
    visit.open("/statements?month=11&of=2026").await;
    visit.browser.find("input[name=pin]").await;
    let pin = visit.bank.newest_pin().await;
    visit.browser.press("input[name=pin]", &pin).await;
    visit.browser.press("input[name=pin]", "\u{e007}").await;
    visit.browser.until_at("/statements?month=11&of=2026").await;
    assert!(visit.browser.text("body").await.contains("2026-01"));
    assert_eq!(visit.bank.message_count().await, 1);
    visit.end().await;
}
