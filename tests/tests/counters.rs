//! Doors that count, behind every adapter and in every safe place of a gate.

#![expect(clippy::unwrap_used, reason = "sources that cannot be read are a failure")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flexsecure_conformance::scenario::holding::Door;
use flexsecure_conformance::scenario::{holding, matrix, pseudo, replay};
use flexsecure_conformance::subject::Launch;

/// Runs scenarios behind an adapter, with gates in one of the placements.
macro_rules! counted {
    ($($subject:ident $adapter:literal $placement:literal: $($of:ident::$scenario:ident)*;)*) => {
        $(mod $subject {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let counter = super::launch($adapter, $placement).start().await;
                flexsecure_conformance::scenario::$of::$scenario(&counter).await;
            })*

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn no_header_opens_a_door() {
                let counter = super::launch($adapter, $placement).start().await;
                super::matrix::no_header_opens_a_door(&counter, &super::header_names()).await;
            }
        })*
    };
}

counted! {
    axum_each "axum" "each":
        matrix::no_spelling_with_any_method_leads_around_the_gate
        matrix::no_method_in_another_place_counts
        pseudo::no_pseudo_header_leads_around_the_gate
        smuggling::what_a_refused_request_carries_is_never_run
        smuggling::a_body_that_is_never_sent_is_not_waited_for
        operation::a_proof_is_for_what_the_request_is_about_to_do
        operation::a_body_that_can_be_read_in_two_ways_is_refused
        operation::an_approved_order_runs_once_of_sixty_four
        replay::one_field_changed_and_the_proof_does_not_do
        replay::one_proof_of_two_does_not_do
        replay::a_flow_does_not_exist_for_another_caller
        holding::a_pin_rides_on_a_request_over_http2;
    axum_outer "axum" "outer":
        matrix::no_spelling_with_any_method_leads_around_the_gate
        matrix::no_method_in_another_place_counts
        pseudo::no_pseudo_header_leads_around_the_gate;
    actix_each "actix" "each":
        matrix::no_spelling_with_any_method_leads_around_the_gate
        matrix::no_method_in_another_place_counts
        pseudo::no_pseudo_header_leads_around_the_gate
        smuggling::what_a_refused_request_carries_is_never_run
        smuggling::a_body_that_is_never_sent_is_not_waited_for
        operation::a_proof_is_for_what_the_request_is_about_to_do
        operation::a_body_that_can_be_read_in_two_ways_is_refused
        operation::an_approved_order_runs_once_of_sixty_four
        replay::one_field_changed_and_the_proof_does_not_do
        replay::one_proof_of_two_does_not_do
        replay::a_flow_does_not_exist_for_another_caller
        holding::a_pin_rides_on_a_request_over_http2;
    actix_outer "actix" "outer":
        matrix::no_spelling_with_any_method_leads_around_the_gate
        matrix::no_method_in_another_place_counts
        pseudo::no_pseudo_header_leads_around_the_gate;
}

/// Runs scenarios that start programs themselves, with gates at each door.
macro_rules! launched {
    ($($subject:ident $adapter:literal: $($of:ident::$scenario:ident $(($door:expr))?)*;)*) => {
        $(mod $subject {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let launch = super::launch($adapter, "each");
                super::$of::$scenario(&launch $(, $door)?).await;
            })*
        })*
    };
}

launched! {
    axum "axum":
        replay::each_proof_opens_its_own_door_alone
        replay::of_two_rules_the_stronger_one_counts
        holding::a_held_body_stays_unread_until_the_click
        holding::a_held_body_stays_unread_over_http2
        holding::so_many_requests_of_a_user_are_held(super::Door::BANK)
        holding::who_leaves_is_not_held_any_more(super::Door::BANK)
        holding::who_is_held_is_answered_when_the_server_is_to_end(super::Door::BANK);
    actix "actix":
        replay::each_proof_opens_its_own_door_alone
        replay::of_two_rules_the_stronger_one_counts
        holding::a_held_body_stays_unread_until_the_click
        holding::a_held_body_stays_unread_over_http2
        holding::so_many_requests_of_a_user_are_held(super::Door::BANK)
        holding::who_left_is_served_once_at_the_most(super::Door::BANK)
        holding::who_is_held_is_answered_when_the_server_is_to_end(super::Door::BANK);
    tonic "tonic":
        holding::a_held_message_stays_unread_until_the_click
        holding::a_call_is_held_and_a_pin_rides_on_one
        holding::so_many_requests_of_a_user_are_held(super::Door::VAULT)
        holding::who_leaves_is_not_held_any_more(super::Door::VAULT)
        holding::who_is_held_is_answered_when_the_server_is_to_end(super::Door::VAULT);
}

mod tonic_alone {
    use super::{launch, pseudo, replay};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_pseudo_header_leads_around_a_gate_around_everything() {
        let counter = launch("tonic", "outer").start().await;
        pseudo::no_pseudo_header_leads_around_the_gate_of_grpc(&counter).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_pseudo_header_leads_around_a_gate_around_a_service() {
        let counter = launch("tonic", "each").start().await;
        pseudo::no_pseudo_header_leads_around_the_gate_of_grpc(&counter).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flow_does_not_exist_for_another_caller() {
        let counter = launch("tonic", "each").start().await;
        replay::a_flow_does_not_exist_for_another_caller(&counter).await;
    }
}

fn launch(adapter: &str, placement: &str) -> Launch {
    let launch = Launch::new(env!("CARGO_BIN_EXE_counter"));
    launch.set("ADAPTER", adapter).set("PLACEMENT", placement)
}

/// Whatever in the sources of the crates is spelled like the name of a header, and the names of one
/// word.
fn header_names() -> Vec<String> {
    let mut names: BTreeSet<String> = ONE_WORD.map(str::to_owned).into();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["core", "tower", "actix"] {
        collect(&workspace.join(format!("flexsecure-{name}/src")), &mut names);
    }
    for known in ["flexsecure-pin", "flexsecure-flow", "sec-fetch-site", "www-authenticate"] {
        assert!(names.contains(known), "{known} is not found in {names:?}");
    }
    names.into_iter().collect()
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, names);
        } else if entry.extension().is_some_and(|it| it == "rs") && !is_test(&entry) {
            let source = fs::read_to_string(&entry).unwrap();
            names.extend(source.split('"').filter(|text| is_name(text)).map(str::to_owned));
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "acceptance")
}

fn is_name(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|it| it.is_ascii_lowercase());
    text.contains('-') && text.len() < 40 && text.split('-').all(is_word)
}

/// What of these is read or written by the crates, by a framework, or by a proxy in front.
const ONE_WORD: [&str; 16] = [
    "accept",
    "authorization",
    "cookie",
    "expect",
    "forwarded",
    "from",
    "host",
    "origin",
    "prefer",
    "purpose",
    "referer",
    "te",
    "upgrade",
    "vary",
    "via",
    "x-original-url",
];
