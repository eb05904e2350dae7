use std::time::Duration;

use super::*;
use crate::{challenge::limits::Failures, store::AccountId};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

fn ago(seconds: u64) -> UnixMillis {
    NOW.saturating_sub(Duration::from_secs(seconds))
}

fn after(seconds: u64) -> UnixMillis {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn contact(channel: Channel, address: &str) -> ContactFacts {
    ContactFacts { channel, address: address.to_owned(), sent: Vec::new(), prefix_today: 0 }
}

fn facts() -> StartFacts {
    StartFacts {
        method: Method::Pin,
        failures: Failures::default(),
        pending: None,
        contacts: vec![
            contact(Channel::Sms, "+41790000001"),
            contact(Channel::Email, "alice@example.com"),
        ],
        sms: SmsFacts { countries: "+41 +49".to_owned(), daily_budget: 1_000, today: 0 },
        network: NetworkFacts::default(),
    }
}

fn pending(sent_at: UnixMillis, sends: u32) -> Challenge {
    Challenge {
        id: 7,
        account: AccountId(1),
        user: 1,
        txn: "t".to_owned(),
        method: Method::Pin,
        server_key: "k".to_owned(),
        nonce: vec![],
        match_number: None,
        expires_at: after(1),
        sent_at,
        sends,
        attempts: 0,
        state: State::Pending,
        claimed: false,
    }
}

fn failed(in_row: u32, streak: u32, last_at: UnixMillis) -> Failures {
    Failures { in_row, streak, last_at }
}

/// What is decided once `change` is made to what is harmless.
fn decided(change: impl FnOnce(&mut StartFacts)) -> StartPlan {
    let mut facts = facts();
    change(&mut facts);
    plan_start(&facts, NOW)
}

fn goes_on(step: StartStep) -> StartPlan {
    StartPlan { ends: None, step }
}

fn limited(limit: Limit, until: UnixMillis) -> StartPlan {
    goes_on(StartStep::Limit { limit, until })
}

#[test]
fn the_first_contact_is_sent_to() {
    assert_eq!(decided(|_| {}), goes_on(StartStep::Open { contact: 0 }));
}

#[test]
fn a_repeat_within_the_cool_down_sends_nothing_whatever_else_is_used_up() {
    let plan = decided(|facts| {
        facts.pending = Some(pending(ago(29), 1));
        facts.network.starts = 1_000;
        facts.sms.today = 1_000;
        facts.contacts[1].sent = vec![ago(1); 20];
    });
    assert_eq!(plan, goes_on(StartStep::Repeat));
}

#[test]
fn after_the_cool_down_which_doubles_it_is_sent_again() {
    let at = |seconds, sends| decided(|facts| facts.pending = Some(pending(ago(seconds), sends)));
    assert_eq!(at(30, 1), goes_on(StartStep::Resend { contact: 0 }));
    assert_eq!(at(59, 2), goes_on(StartStep::Repeat));
    assert_eq!(at(60, 2), goes_on(StartStep::Resend { contact: 0 }));
}

#[test]
fn a_message_is_not_sent_again_beyond_a_limit() {
    let plan = decided(|facts| {
        facts.pending = Some(pending(ago(30), 1));
        facts.contacts = vec![contact(Channel::Email, "alice@example.com")];
        facts.contacts[0].sent = [100, 200, 300, 400, 500].map(ago).to_vec();
    });
    assert_eq!(plan, limited(Limit::Recipient, after(100)));
}

#[test]
fn what_has_run_out_or_has_another_method_makes_room() {
    let expired = decided(|facts| {
        facts.pending = Some(Challenge { expires_at: NOW, ..pending(ago(1), 1) });
    });
    let step = StartStep::Open { contact: 0 };
    assert_eq!(expired, StartPlan { ends: Some(State::Expired), step });
    let switched = decided(|facts| {
        facts.pending = Some(Challenge { method: Method::Passwordless, ..pending(ago(1), 1) });
    });
    assert_eq!(switched, StartPlan { ends: Some(State::Withdrawn), step });
}

#[test]
fn a_hundred_failures_refuse_and_a_pending_one_does_not_help() {
    let plan = decided(|facts| {
        facts.failures = failed(100, 1, ago(1_000_000));
        facts.pending = Some(pending(ago(1), 1));
    });
    assert_eq!(plan, goes_on(StartStep::Refuse));
    let plan = decided(|facts| facts.failures = failed(99, 1, ago(1_000_000)));
    assert_eq!(plan, goes_on(StartStep::Open { contact: 0 }));
}

#[test]
fn a_back_off_keeps_from_links_but_not_from_pins() {
    let after_ten = |method| {
        decided(|facts| {
            facts.method = method;
            facts.failures = failed(10, 10, ago(10));
        })
    };
    assert_eq!(after_ten(Method::Passwordless), limited(Limit::Failures, after(20)));
    assert_eq!(after_ten(Method::Pin), goes_on(StartStep::Open { contact: 0 }));
}

#[test]
fn a_network_starts_twenty_a_minute() {
    let starts =
        |starts| decided(|facts| facts.network = NetworkFacts { starts, oldest: Some(ago(50)) });
    assert_eq!(starts(19), goes_on(StartStep::Open { contact: 0 }));
    assert_eq!(starts(20), limited(Limit::Network, after(10)));
}

#[test]
fn where_sms_may_not_go_the_next_contact_is_sent_to() {
    let second = goes_on(StartStep::Open { contact: 1 });
    assert_eq!(decided(|facts| facts.sms.countries = "+49 +1".to_owned()), second);
    assert_eq!(decided(|facts| facts.sms.countries.clear()), second);
    assert_eq!(decided(|facts| facts.sms.today = 1_000), second);
    assert_eq!(decided(|facts| facts.contacts[0].prefix_today = 100), second);
    assert_eq!(
        decided(|facts| facts.contacts[0].prefix_today = 99).step,
        StartStep::Open { contact: 0 }
    );
}

#[test]
fn where_there_is_no_other_way_the_limit_is_told() {
    let only_sms = |change: fn(&mut StartFacts)| {
        decided(|facts| {
            facts.contacts.truncate(1);
            change(facts);
        })
    };
    let midnight = limits::day(NOW).1;
    assert_eq!(only_sms(|facts| facts.sms.today = 1_000), limited(Limit::SmsBudget, midnight));
    let no_country = only_sms(|facts| facts.sms.countries.clear());
    assert!(matches!(no_country.step, StartStep::Limit { limit: Limit::Country, .. }));
    let both = decided(|facts| {
        facts.sms.today = 1_000;
        facts.contacts[1].sent = vec![ago(595); 5];
    });
    assert_eq!(both, limited(Limit::Recipient, after(5)));
    let had_his_share = decided(|facts| facts.contacts[0].sent = vec![ago(595); 5]);
    assert_eq!(had_his_share, limited(Limit::Recipient, after(5)));
    let nobody = decided(|facts| facts.contacts.clear());
    assert_eq!(nobody, limited(Limit::Recipient, NOW));
}
