//! A gRPC service on tonic.

use flexsecure_conformance::scenario::grpc::{self, Vault};
use flexsecure_conformance::subject::Launch;

macro_rules! on_tonic {
    ($($scenario:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            let bank = Launch::new(env!("CARGO_BIN_EXE_subject-axum"));
            let vault = Launch::new(env!("CARGO_BIN_EXE_subject-tonic"));
            grpc::$scenario(&Vault::start(&bank, &vault).await).await;
        })*
    };
}

on_tonic! {
    a_call_is_refused_until_the_pin_is_posted
    the_pin_in_the_metadata_lets_the_call_through
    the_proof_of_one_caller_does_not_do_for_another
    a_call_by_nobody_is_unauthenticated
    no_spelling_of_a_method_leads_around_the_gate
    what_is_wrong_is_in_the_error_classes_of_grpc
    a_refusal_is_trailers_only
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_call_goes_through_after_the_click() {
    let vault = Launch::new(env!("CARGO_BIN_EXE_subject-tonic"));
    grpc::a_held_call_goes_through_after_the_click(&vault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_says_when_to_try_again() {
    let vault = Launch::new(env!("CARGO_BIN_EXE_subject-tonic"));
    grpc::an_outage_says_when_to_try_again(&vault).await;
}
