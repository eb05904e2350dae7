use std::sync::Arc;

use super::*;
use crate::flow::FlowId;
use crate::{Elevation, Elevations, Method, Scope};

fn when(condition: &str) -> CedarRules {
    rules(&format!("permit(principal, action, resource) when {{ {condition} }};"))
}

fn elevation(scope: &Scope, number: u128, age: Duration, method: Method) -> Elevation {
    Elevation {
        scope: scope.clone(),
        method,
        authenticated_at: MONDAY_NOON.before(age),
        flow: FlowId::from_bits(number),
        address: None,
        spent: false,
    }
}

fn held_by(auth_id: &str, list: impl IntoIterator<Item = Elevation>) -> Elevations {
    let mut held = Elevations::none(auth_id.into());
    list.into_iter().for_each(|elevation| held.grant(elevation));
    held
}

/// Whether `rules` let alice through who holds `held`.
fn passes(rules: &CedarRules, held: &Elevations) -> bool {
    let (asked, alice) = (Asked::to("GET /a"), alice());
    let facts = Facts::new(&asked, &alice, MONDAY_NOON);
    is_open(&rules.0.in_force().decide(&facts, Some(held), None))
}

#[test]
fn the_age_and_the_method_of_a_proof_at_hand_can_be_asked_for() {
    let fresh = when("context.held has bank && context.held.bank.age < 60");
    let by_pin = when(r#"context.held has bank && context.held.bank.method == "pin""#);
    let hold = |age, method| held_by("alice", [elevation(bank().scope(), 1, age, method)]);
    let young = hold(Duration::from_secs(59), Method::Passwordless);
    assert!(passes(&fresh, &young) && !passes(&by_pin, &young));
    // Not yet a minute, but more than 59 seconds.
    assert!(!passes(&fresh, &hold(Duration::from_millis(59_001), Method::Pin)));
    let old = hold(minutes(30), Method::Pin);
    assert!(!passes(&fresh, &old) && passes(&by_pin, &old));
    assert!(is_denied(&said(&fresh, "GET /a")) && is_denied(&said(&by_pin, "GET /a")));
}

#[test]
fn only_proofs_that_can_be_used_again_are_at_hand() {
    let holds = when("context.held has bank");
    let of = |scope: &Scope| elevation(scope, 1, minutes(1), Method::Pin);
    assert!(passes(&holds, &held_by("alice", [of(bank().scope())])));
    let once = bank().single_use();
    let approved = bank().operation(crate::Operation::new("Close the account"));
    let mut spent = of(bank().scope());
    spent.spend();
    for elevation in [
        of(once.scope()),
        of(approved.scope()),
        spent,
        of(Requirement::system("audit").scope()),
        elevation(bank().scope(), 1, minutes(61), Method::Pin),
    ] {
        assert!(!passes(&holds, &held_by("alice", [elevation.clone()])), "{elevation:?}");
    }
    assert!(!passes(&holds, &held_by("bob", [of(bank().scope())])));
    let text = "permit(principal, action, resource) when { context.held has bank };";
    let declared_twice = builder().system("bank").read_text(text).unwrap();
    assert!(passes(&declared_twice, &held_by("alice", [of(bank().scope())])));
    let both = when("context.held has bank && context.held has audit");
    let audit = elevation(Requirement::system("audit").scope(), 2, minutes(2), Method::Pin);
    assert!(passes(&both, &held_by("alice", [of(bank().scope()), audit])));
}

#[test]
fn an_amount_is_compared_digit_by_digit() {
    let rules = when(r#"context has amount && context.amount.lessThan(decimal("100.0"))"#);
    for (amount, expected) in [
        ("99.9999", true),
        ("0", true),
        ("-922337203685477.5808", true),
        ("0099.99", true),
        ("100", false),
        ("100.0000", false),
        ("922337203685477.5807", false),
    ] {
        let decision = said(&rules, &format!("GET /a?amount={amount}"));
        assert_eq!(is_open(&decision), expected, "{amount}");
    }
    // In floats of 32 bits these two are the same, and with three digits they are, too.
    let exactly = when(r#"context has amount && context.amount == decimal("16777217.0001")"#);
    assert!(is_open(&said(&exactly, "GET /a?amount=16777217.0001")));
    assert!(is_denied(&said(&exactly, "GET /a?amount=16777217.0002")));
}

#[test]
fn an_amount_that_is_none_denies_whatever_is_permitted() {
    let rules = rules("permit(principal, action, resource);");
    for amount in [
        "1e3",
        "0.00001",
        "1.",
        ".5",
        "%2B5",
        "%205",
        "5%20",
        "",
        "-",
        "--5",
        "1,5",
        "0x10",
        "NaN",
        "922337203685477.5808",
        "99999999999999999999999",
        "%D9%A1",
    ] {
        assert!(is_denied(&said(&rules, &format!("GET /a?amount={amount}"))), "{amount}");
    }
    assert!(is_open(&said(&rules, "GET /a?amount=5")));
    assert!(is_open(&said(&rules, "GET /a")));
}

#[test]
fn what_is_not_known_is_absent() {
    let has = |name: &str| when(&format!("context has {name}"));
    assert!(is_denied(&said(&has("amount"), "GET /a?payee=bob")));
    assert!(is_denied(&said(&has("amount"), "GET /a?amount=1&amount=2")));
    assert!(is_denied(&said(&has("payee"), "GET /a?amount=1")));
    assert!(is_denied(&said(&has("network"), "GET /a")));
    let to_bob = when(r#"context has payee && context.payee == "bob \"b\"""#);
    assert!(is_open(&said(&to_bob, "GET /a?payee=bob+%22b%22")));
}

#[test]
fn a_network_can_be_asked_for() {
    let inside = when(
        r#"context has network && (context.network.isInRange(ip("10.0.0.0/8"))
           || context.network.isInRange(ip("2001:db8::/32")))"#,
    );
    for (peer, expected) in [
        ("10.255.0.1", true),
        ("::ffff:10.255.0.1", true),
        ("11.0.0.1", false),
        ("2001:db8::7", true),
        ("2001:db9::7", false),
    ] {
        let decision = said_at(&inside, Asked::to("GET /a").from(peer), MONDAY_NOON);
        assert_eq!(is_open(&decision), expected, "{peer}");
    }
}

#[test]
fn hours_and_days_can_be_asked_for() {
    let hours = when("context.minute >= 8 * 60 && context.minute < 18 * 60");
    let days = when(r#"!["saturday", "sunday"].contains(context.weekday)"#);
    let at = |after| MONDAY_NOON.after(minutes(after));
    let is_open_at = |rules, after| is_open(&said_at(rules, Asked::to("GET /a"), at(after)));
    assert!(is_open_at(&hours, 0) && is_open_at(&hours, 359) && !is_open_at(&hours, 360));
    assert!(!is_open_at(&hours, 20 * 60 - 1) && is_open_at(&hours, 20 * 60));
    // From Monday noon: midnight to Saturday, and to Monday.
    assert!(is_open_at(&days, (12 + 4 * 24) * 60 - 1) && !is_open_at(&days, (12 + 4 * 24) * 60));
    assert!(!is_open_at(&days, (12 + 6 * 24) * 60 - 1) && is_open_at(&days, (12 + 6 * 24) * 60));
}

#[test]
fn who_asks_and_for_what_can_be_asked_for() {
    let text = r#"
        permit(principal == User::"alice", action in Action::"GET", resource == App::"app");
        permit(principal, action, resource) when { context.route like "/users/*" };
        forbid(principal == User::"bob", action, resource);
    "#;
    let rules = rules(text);
    let by = |who: &str, request| {
        let asked = Asked::to(request);
        let decision = rules.decide(&Facts::new(&asked, &Identity::new(who, "s"), MONDAY_NOON));
        is_open(&decision)
    };
    assert!(by("alice", "GET /a") && by("alice", "HEAD /a") && !by("alice", "POST /a"));
    assert!(by("carol", "DELETE /users/{id}") && !by("carol", "GET /a"));
    assert!(!by("bob", "DELETE /users/{id}"));
    // What would end a literal is but a part of the name.
    assert!(!by("x\" || true || \"", "GET /a"));
}

/// Requests are built without the schema, so that each has to fit it here.
#[test]
fn every_request_fits_the_schema() {
    let full = "GET /a?amount=5&payee=bob";
    let held = held_by(
        "alice",
        [
            elevation(bank().scope(), 1, minutes(1), Method::Pin),
            elevation(Requirement::system("audit").scope(), 2, minutes(1), Method::Passwordless),
        ],
    );
    let builder = || builder().count_refusals(minutes(60));
    let rules = builder().read_text("permit(principal, action, resource);").unwrap();
    let vocabulary = Arc::clone(&rules.0.vocabulary);
    for (asked, held) in [
        (Asked::to("POST /a"), None),
        (Asked::to(full).from("10.0.0.1"), Some(&held)),
        (Asked::to(full).from("2001:db8::1"), Some(&held)),
    ] {
        let alice = alice();
        let facts = Facts::new(&asked, &alice, MONDAY_NOON);
        let request = vocabulary.request(&facts, held, Some(3)).unwrap();
        let checked = cedar_policy::Request::new(
            request.principal().unwrap().clone(),
            request.action().unwrap().clone(),
            request.resource().unwrap().clone(),
            request.context().unwrap().clone(),
            Some(&vocabulary.schema),
        );
        assert!(checked.is_ok(), "{:?}", checked.err());
    }
}
