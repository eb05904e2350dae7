use std::time::Duration;

use super::{AcrValues, Details, Format, Problem, Reason, Site, Way};
use crate::flow::{FlowId, Over};
use crate::page::{Language, step_up};
use crate::refusal::FlowObject;
use crate::store::{Binding, FlowRecord};
use crate::{Flow, Identity, Method, Operation, Requirement, Timestamp};

const HTML: Format = Format::Html(Language::DEFAULT);

pub(super) fn site() -> Site {
    Site { prefix: "/step-up".into(), pages: step_up(None).unwrap() }
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

pub(super) fn requirement(text: &str) -> Requirement {
    Requirement::system("bank").within(Duration::from_secs(300)).operation(Operation::new(text))
}

pub(super) fn flow(requirement: &Requirement) -> FlowObject {
    let identity = Identity::new("alice", "session");
    let mut binding =
        Binding::new(*identity.session(), identity.shared_auth_id(), requirement.scope().clone());
    binding.return_to = Some("/statements".into());
    let record = FlowRecord {
        id: FlowId::from_bits(7),
        version: 0,
        binding: binding.into(),
        flow: Flow::open(NOW, Method::Pin),
    };
    FlowObject::new(&record, "/step-up", NOW)
}

pub(super) fn refusal(text: &str, format: Format) -> super::Refusal {
    let requirement = requirement(text);
    let flow = flow(&requirement);
    Details::of(Problem::StepUpRequired(Reason::Missing))
        .flow(flow)
        .requirement(requirement)
        .refuse(format, &site())
}

pub(super) fn header<'a>(refusal: &'a super::Refusal, name: &str) -> Option<&'a str> {
    let headers = refusal.answer().headers();
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_refusal_for_programs_is_a_problem_with_a_challenge() {
    let refusal = refusal("Transfer 250.00 EUR to bob", Format::Json);
    assert_eq!(refusal.answer().status(), 401);
    assert_eq!(header(&refusal, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&refusal, "cache-control"), Some("no-store"));
    assert_eq!(
        header(&refusal, "www-authenticate"),
        Some(
            "FlexSecure error=\"insufficient_user_authentication\", \
             error_description=\"Prove who you are, then repeat the request.\", max_age=\"300\", \
             flow=\"00000000000000000000000000000007\""
        )
    );
    assert_eq!(
        std::str::from_utf8(refusal.answer().body()).unwrap(),
        "{\"type\":\"urn:flexsecure:problem:step-up-required\",\
         \"title\":\"Step-up authentication required\",\"status\":401,\
         \"detail\":\"Prove who you are, then repeat the request.\",\"reason\":\"missing\",\
         \"system\":\"bank\",\"max_age\":300,\"operation\":\"Transfer 250.00 EUR to bob\",\
         \"flow\":{\"id\":\"00000000000000000000000000000007\",\
         \"url\":\"/step-up/flows/00000000000000000000000000000007\",\"state\":\"idle\"}}"
    );
}

/// T43, T44: no text of an operation leaves the place it was put in.
#[test]
fn an_operation_can_inject_nothing_anywhere() {
    let hostile = "<script>alert(1)</script>\"'&\r\nset-cookie: a=b\u{202e}\u{1f600}é";
    for format in [Format::Json, HTML, Format::Grpc] {
        let refusal = refusal(hostile, format);
        for (name, value) in refusal.answer().headers() {
            let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            assert!(is_plain, "{format:?} {name}: {value}");
        }
        let body = std::str::from_utf8(refusal.answer().body()).unwrap();
        assert!(!body.contains('\r') && !body.contains('\u{202e}'), "{format:?}: {body}");
        if format == HTML {
            // The one that is there is the page's own, and has nothing in it.
            assert_eq!(body.matches("<script").count(), 1, "{body}");
            assert!(body.contains("></script>"), "{body}");
            assert!(
                body.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&#x27;&amp;"),
                "{body}"
            );
        }
    }
}

#[test]
fn a_refusal_for_grpc_is_in_the_trailers_alone() {
    let refusal = refusal("Überweisung", Format::Grpc);
    assert_eq!(refusal.answer().status(), 200);
    assert!(refusal.answer().body().is_empty());
    assert_eq!(header(&refusal, "grpc-status"), Some("16"));
    assert_eq!(header(&refusal, "flexsecure-flow"), Some("00000000000000000000000000000007"));
    let problem: serde_json::Value =
        serde_json::from_str(header(&refusal, "flexsecure-problem").unwrap()).unwrap();
    assert_eq!(problem["operation"], "Überweisung");
}

/// T52: no cache takes the answer to one request for that to another.
#[test]
fn every_answer_says_what_it_depends_on() {
    let expected = "Accept, Authorization, Content-Type, Cookie, FlexSecure-Pin, Origin, Prefer, \
                    Purpose, Sec-Fetch-Mode, Sec-Fetch-Site, Sec-Purpose, X-Moz";
    let flow = flow(&requirement("Transfer"));
    let led = Details::of(Problem::StepUpRequired(Reason::Missing)).flow(flow.clone());
    let led = led.way(Way::Back("/statements".into())).refuse(HTML, &site()).into_answer();
    assert_eq!(led.status(), 303);
    let refused = [Format::Json, HTML, Format::Grpc].map(|format| refusal("", format));
    for answer in
        refused.map(super::Refusal::into_answer).into_iter().chain([flow.to_answer(), led])
    {
        let headers = answer.headers().iter();
        let vary: Vec<_> = headers.filter(|(name, _)| *name == "vary").collect();
        let is_page = answer.headers().iter().any(|(name, _)| *name == "content-language");
        let language = if is_page { ", Accept-Language" } else { "" };
        assert_eq!(vary, [&("vary", format!("{expected}{language}"))]);
    }
}

/// RFC 9110, section 11.6.1, allows a header for each challenge.
#[test]
fn a_client_of_oauth_is_challenged_beside_the_others() {
    for format in [Format::Json, HTML] {
        let details = Details::of(Problem::StepUpRequired(Reason::Stale));
        let details = details.requirement(requirement("Transfer"));
        let refusal = details.bearer(AcrValues::parse("phr phrh")).refuse(format, &site());
        let headers = refusal.answer().headers().iter();
        let challenges: Vec<_> = headers
            .filter(|(name, _)| *name == "www-authenticate")
            .map(|(_, value)| value.split_once(' ').unwrap())
            .collect();
        let [(own, _), (bearer, parameters)] = *challenges else { panic!("{challenges:?}") };
        assert_eq!((own, bearer), ("FlexSecure", "Bearer"));
        assert!(parameters.ends_with(", acr_values=\"phr phrh\", max_age=\"300\""), "{parameters}");
    }
}

/// T41: a page that could be framed, or run a script of somebody else, could be made to approve.
#[test]
fn a_page_runs_no_foreign_script_and_sits_in_no_frame() {
    let refusal = refusal("Transfer", HTML);
    let policy = header(&refusal, "content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(header(&refusal, "x-frame-options"), Some("DENY"));
    assert_eq!(header(&refusal, "referrer-policy"), Some("no-referrer"));
}

#[test]
fn a_retry_after_is_rounded_up() {
    for (millis, expected) in [(1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
        let details = Details::of(Problem::TooSoon).retry_after(Duration::from_millis(millis));
        assert_eq!(header(&details.refuse(Format::Json, &site()), "retry-after"), Some(expected));
    }
}

#[test]
fn a_reason_that_no_proof_helps_says_not_to_repeat() {
    let reasons = [
        (Reason::Missing, "missing", true),
        (Reason::Stale, "stale", true),
        (Reason::Method, "method", true),
        (Reason::Operation, "operation", true),
        (Reason::Network, "network", true),
        (Reason::Spent, "spent", true),
        (Reason::Timeout, "timeout", true),
        (Reason::Attempts, "attempts", true),
        (Reason::Declined, "declined", true),
        (Reason::Cancelled, "cancelled", true),
        (Reason::Refused, "refused", false),
        (Reason::NoMethod, "no-method", false),
        (Reason::Loop, "loop", false),
    ];
    for (reason, word, can_be_repeated) in reasons {
        let detail = Problem::StepUpRequired(reason).detail();
        assert_eq!(reason.as_str(), word);
        assert_eq!(reason.is_final(), !can_be_repeated, "{word}");
        assert_eq!(!detail.contains("do not repeat"), can_be_repeated, "{word}: {detail}");
        assert!(detail.contains("repeat the request"), "{word}: {detail}");
    }
}

#[test]
fn a_held_request_is_told_how_its_flow_ended() {
    for over in [Over::Timeout, Over::Attempts, Over::Refused, Over::Declined, Over::Cancelled] {
        assert_eq!(Reason::from(over).as_str(), over.as_str());
    }
}
