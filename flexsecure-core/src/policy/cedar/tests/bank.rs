//! The example that comes with the bank.

use std::path::{Path, PathBuf};

use super::*;
use crate::policy::all_of;

/// The routes as they are in `examples/src/axum_bank.rs`, those left out that anybody may call.
const ROUTES: [(&str, &str); 8] = [
    ("GET", "/balance"),
    ("GET", "/statements"),
    ("GET", "/transfers"),
    ("POST", "/transfers"),
    ("GET", "/probe"),
    ("GET", "/admin/users"),
    ("POST", "/admin/freeze"),
    ("DELETE", "/admin/users/{user}"),
];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies").join(name)
}

fn bank_rules() -> CedarRules {
    CedarRules::builder()
        .app("bank")
        .routes(ROUTES)
        .system("bank")
        .system("bank-admin")
        .system("bank-transfers")
        .decimal("amount", |facts| facts.query("amount").map(Cow::into_owned))
        .count_refusals(minutes(60))
        .read_file(example("bank.cedar"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What is asked for at `now`, of a user who was refused `refusals` times.
fn asks(asked: Asked<'_>, now: Timestamp, refusals: u32) -> Decision<'static> {
    let (rules, alice) = (bank_rules(), alice());
    rules.0.in_force().decide(&Facts::new(&asked, &alice, now), None, Some(refusals))
}

fn asks_for(request: &str) -> Decision<'static> {
    asks(Asked::to(request), MONDAY_NOON, 0)
}

fn admin() -> Requirement {
    Requirement::system("bank-admin").pin().within(minutes(1))
}

#[test]
fn a_login_is_enough_for_most() {
    for request in ["GET /balance", "HEAD /balance", "GET /transfers", "GET /probe"] {
        assert!(is_open(&asks_for(request)), "{request}");
    }
    for request in ["POST /balance", "GET /", "GET /admin", "PUT /transfers"] {
        assert!(is_denied(&asks_for(request)), "{request}");
    }
}

#[test]
fn statements_take_less_in_a_branch() {
    let from = |peer| required(asks(Asked::to("GET /statements").from(peer), MONDAY_NOON, 0));
    assert_eq!(required(asks_for("GET /statements")), bank().within(minutes(5)));
    assert_eq!(from("192.0.2.1"), bank().within(minutes(5)));
    assert_eq!(from("10.20.3.4"), bank().within(minutes(60)));
}

#[test]
fn transfers_take_more_the_larger_they_are() {
    let amount = |amount: &str| asks_for(&format!("POST /transfers?amount={amount}"));
    let once = Requirement::system("bank-transfers").single_use();
    assert!(is_open(&amount("99.99")));
    assert_eq!(required(amount("100")), once);
    assert_eq!(required(amount("4999.9999")), once);
    for large in ["5000", "10000.00"] {
        let Decision::Prove(proofs) = amount(large) else { panic!("{large}") };
        assert_eq!(*proofs, all_of([once.clone(), bank().pin().within(minutes(5))]));
    }
    assert!(is_denied(&asks_for("POST /transfers")));
    for none in ["0", "-5", "x", "5&amount=6", "10000.0001", "922337203685477.0"] {
        assert!(is_denied(&amount(none)), "{none}");
    }
}

#[test]
fn after_refusals_every_transfer_takes_a_proof() {
    let small = Asked::to("POST /transfers?amount=5");
    assert!(is_open(&asks(small, MONDAY_NOON, 2)));
    assert_eq!(required(asks(small, MONDAY_NOON, 3)), bank().within(minutes(5)));
    for none in ["POST /transfers", "POST /transfers?amount=10001", "POST /transfers?amount=0"] {
        assert!(is_denied(&asks(Asked::to(none), MONDAY_NOON, 3)), "{none}");
    }
    assert!(is_open(&asks(Asked::to("GET /transfers"), MONDAY_NOON, 64)));
}

#[test]
fn the_administration_takes_a_pin_and_changes_nothing_at_night() {
    let night = MONDAY_NOON.after(minutes(10 * 60));
    let sunday = MONDAY_NOON.after(minutes(6 * 24 * 60));
    for change in ["POST /admin/freeze", "DELETE /admin/users/{user}"] {
        assert_eq!(required(asks_for(change)), admin());
        for now in [night, sunday, MONDAY_NOON.after(minutes(18 * 60 - 1))] {
            assert!(is_denied(&asks(Asked::to(change), now, 0)), "{change} {now:?}");
        }
        let morning = MONDAY_NOON.after(minutes(18 * 60));
        assert_eq!(required(asks(Asked::to(change), morning, 0)), admin());
    }
    for now in [MONDAY_NOON, night, sunday] {
        assert_eq!(required(asks(Asked::to("GET /admin/users"), now, 0)), admin());
    }
}

/// Editors and `cedar validate` read it.
#[test]
fn the_schema_beside_it_is_the_one_it_is_held_against() {
    let kept = std::fs::read_to_string(example("bank.cedarschema")).unwrap_or_default();
    let schema = bank_rules().schema().to_owned();
    assert!(kept == schema, "bank.cedarschema should be:\n{schema}");
}

#[test]
fn no_part_of_it_is_taken_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.cedar");
    let whole = std::fs::read_to_string(example("bank.cedar")).unwrap();
    let is_end = |at: usize| whole[at..].trim_end().is_empty();
    for (at, _) in
        whole.char_indices().filter(|(at, _)| whole[*at..].starts_with('\n') && !is_end(*at))
    {
        std::fs::write(&file, &whole[..at]).unwrap();
        let read = CedarRules::builder().routes(ROUTES).read_file(file.clone());
        assert!(matches!(read, Err(CedarError::Refused(_))), "{}", &whole[..at]);
    }
}
