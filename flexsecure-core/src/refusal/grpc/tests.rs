use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message;
use tonic_types::pb::{ErrorInfo, RetryInfo, Status};

use crate::refusal::tests::{flow, header, refusal, requirement, site};
use crate::refusal::{Details, Format, Problem, Reason, Refusal};
use crate::{Operation, Requirement};

fn status(refusal: &Refusal) -> Status {
    let details = header(refusal, "grpc-status-details-bin").unwrap();
    Status::decode(&*STANDARD_NO_PAD.decode(details).unwrap()).unwrap()
}

fn error_info(status: &Status) -> ErrorInfo {
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    ErrorInfo::decode(&*status.details[0].value).unwrap()
}

fn metadata<const N: usize>(entries: [(&str, &str); N]) -> HashMap<String, String> {
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Every byte, read by the library that other languages generate from the same schema.
#[test]
fn what_is_wrong_is_in_the_error_classes_of_grpc_too() {
    let status = status(&refusal("Überweisung", Format::Grpc));
    assert_eq!((status.code, &*status.message), (16, "Step-up authentication required"));
    assert_eq!(status.details.len(), 1);
    let info = error_info(&status);
    assert_eq!((&*info.reason, &*info.domain), ("MISSING", "flexsecure"));
    let expected = metadata([
        ("type", "urn:flexsecure:problem:step-up-required"),
        ("detail", "Prove who you are, then repeat the request."),
        ("system", "bank"),
        ("max_age", "300"),
        ("operation", "Überweisung"),
        ("flow", "00000000000000000000000000000007"),
        ("url", "/step-up/flows/00000000000000000000000000000007"),
        ("state", "idle"),
    ]);
    assert_eq!(info.metadata, expected);
}

#[test]
fn a_wait_is_a_retry_info() {
    for (millis, seconds) in [(1, 1), (1000, 1), (299_001, 300), (u64::MAX, 18_446_744_073_709_552)]
    {
        let details =
            Details::of(Problem::TooManyStarts).retry_after(Duration::from_millis(millis));
        let refusal = details.refuse(Format::Grpc, &site());
        assert_eq!(header(&refusal, "retry-after"), Some(&*seconds.to_string()));
        let status = status(&refusal);
        let info = error_info(&status);
        assert_eq!((status.code, &*info.reason), (8, "TOO_MANY_STARTS"));
        assert_eq!(status.details[1].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        let delay = RetryInfo::decode(&*status.details[1].value).unwrap().retry_delay.unwrap();
        assert_eq!((delay.seconds, delay.nanos), (seconds, 0));
    }
}

/// `[A-Z][A-Z0-9_]+[A-Z0-9]`, says `google.rpc.ErrorInfo`.
#[test]
fn a_reason_is_spelt_as_its_schema_wants_it() {
    for (problem, reason) in [
        (Problem::StepUpRequired(Reason::NoMethod), "NO_METHOD"),
        (Problem::StepUpRequired(Reason::Loop), "LOOP"),
        (Problem::IdentificationRequired, "IDENTIFICATION_REQUIRED"),
        (Problem::PinRejected, "PIN_REJECTED"),
        (Problem::PolicyUnavailable, "POLICY_UNAVAILABLE"),
    ] {
        let refusal = Details::of(problem).attempts_left(Some(0)).refuse(Format::Grpc, &site());
        let info = error_info(&status(&refusal));
        assert_eq!(info.reason, reason);
        assert_eq!(info.metadata["attempts_left"], "0");
    }
}

#[test]
fn the_longest_operation_fits_into_what_clients_take() {
    for c in ["a", "\"", "é", "\u{ffff}", "\u{1f600}"] {
        let operation = c.repeat(Operation::MAX_CHARS);
        let refusal = refusal(&operation, Format::Grpc);
        assert_eq!(error_info(&status(&refusal)).metadata["operation"], operation);
        assert!(header(&refusal, "flexsecure-problem").is_some());
        assert!(size(&refusal) < 8 * 1024, "{}", size(&refusal));
    }
}

/// A system's name has no bound of its own.
#[test]
fn what_does_not_fit_is_left_out() {
    for length in [1, 100, 1000, 2000, 4000, 6000, 10_000, 1_000_000] {
        let long = Requirement::system(&"s".repeat(length));
        let details = Details::of(Problem::StepUpRequired(Reason::Missing)).requirement(long);
        let refusal = details.flow(flow(&requirement(""))).refuse(Format::Grpc, &site());
        assert!(size(&refusal) < 8 * 1024, "{length}: {}", size(&refusal));
        assert_eq!(header(&refusal, "grpc-status"), Some("16"));
        assert!(header(&refusal, "flexsecure-flow").is_some());
        assert_eq!(
            header(&refusal, "grpc-status-details-bin").is_some(),
            length < 3000,
            "{length}"
        );
    }
}

/// As HTTP/2 counts them.
fn size(refusal: &Refusal) -> usize {
    let headers = refusal.answer().headers();
    headers.iter().map(|(name, value)| [name.len(), value.len(), 32].iter().sum::<usize>()).sum()
}

#[test]
fn a_status_has_no_challenge() {
    let details = Details::of(Problem::StepUpRequired(Reason::Missing));
    let details = details.bearer(crate::refusal::AcrValues::parse("phr"));
    let refusal = details.requirement(requirement("Transfer")).refuse(Format::Grpc, &site());
    assert_eq!(header(&refusal, "www-authenticate"), None);
}
