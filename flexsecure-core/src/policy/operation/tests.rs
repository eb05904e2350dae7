use std::borrow::Cow;

use bytes::Bytes;

use super::{OperationTemplate, TemplateError};
use crate::body::WithBody;
use crate::policy::{Decision, Facts, Policy, Rules, without_body};
use crate::refusal::Problem;
use crate::{Identity, Operation, PlainRequest, RequestView, Requirement, Timestamp};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request that a route was matched for.
struct Routed<'a>(PlainRequest<'a>, Option<&'a str>);

impl RequestView for Routed<'_> {
    fn method(&self) -> &str {
        self.0.method()
    }

    fn path(&self) -> &str {
        self.0.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.0.headers(show);
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        self.1.map(Cow::Borrowed)
    }
}

fn once() -> Requirement {
    Requirement::system("bank").single_use()
}

fn said(policy: &dyn Policy, request: &dyn RequestView) -> Decision<'static> {
    let alice = Identity::new("alice", "session");
    policy.decide(&Facts::new(request, &alice, Timestamp::from_millis(0))).into_owned()
}

/// What `policy` says of a POST to `path` at `route` with a body of `content_type`.
fn said_of(
    policy: &dyn Policy,
    (route, path): (Option<&str>, &str),
    (content_type, body): (&str, &str),
) -> Decision<'static> {
    let headers = [("content-type", content_type)];
    let request = Routed(PlainRequest { method: "POST", path, headers: &headers }, route);
    said(policy, &WithBody::new(&request, &Bytes::copy_from_slice(body.as_bytes())))
}

#[track_caller]
fn operation(decision: Decision<'static>) -> Operation {
    let Decision::Require(requirement) = decision else { panic!("{decision}") };
    assert!(requirement.scope().single_use());
    requirement.scope().operation().cloned().expect("an operation")
}

#[track_caller]
fn refused(decision: Decision<'static>) -> (Problem, String) {
    let Decision::Refuse(defect) = decision else { panic!("{decision}") };
    (defect.problem(), defect.detail().to_owned())
}

fn transfer() -> impl Policy {
    let template = OperationTemplate::text("Transfer {amount} EUR to {to}");
    once().operation_from(template.fields(["to", "amount"]).build().unwrap())
}

const AT: (Option<&str>, &str) = (Some("/transfers"), "/transfers");

#[test]
fn a_transfer_is_what_the_body_says_wherever_its_fields_stand() {
    let transfer = transfer();
    assert!(transfer.reads_body());
    let one = operation(said_of(&transfer, AT, (JSON, r#"{"to":"bob","amount":250.00}"#)));
    assert_eq!(one.text(), "Transfer 250 EUR to bob");
    for body in
        [r#"{"amount":2.5e2,"to":"bob"}"#, " { \"to\" : \"bob\", \"amount\":250,\"x\":[] } "]
    {
        assert_eq!(operation(said_of(&transfer, AT, (JSON, body))), one, "{body}");
    }
    let typed = "application/merge-patch+json; charset=UTF-8";
    assert_eq!(operation(said_of(&transfer, AT, (typed, r#"{"to":"bob","amount":250}"#))), one);
    let text = operation(said_of(&transfer, AT, (JSON, r#"{"to":"bob","amount":"250"}"#)));
    assert_ne!(text, one, "a text is no number");
    assert_eq!(operation(said_of(&transfer, AT, (FORM, "amount=250&to=bob"))), text);
}

#[test]
fn any_field_any_route_any_path_and_any_method_makes_another_operation() {
    let template = OperationTemplate::text("Pay {amount} to {to}")
        .path(["account"])
        .query(["currency"])
        .json(["to", "amount", "urgent"]);
    let policy = once().operation_from(template.build().unwrap());
    let body = r#"{"to":"bob","amount":250,"urgent":false}"#;
    let all = [
        ("/a/{account}", "/a/1?currency=EUR", body),
        ("/a/{account}", "/a/2?currency=EUR", body),
        ("/a/{account}", "/a/%31?currency=EUR", body),
        ("/{a}/{account}", "/a/1?currency=EUR", body),
        ("/a/{account}", "/a/1?currency=USD", body),
        ("/a/{account}", "/a/1?currency=EUR", r#"{"to":"eve","amount":250,"urgent":false}"#),
        ("/a/{account}", "/a/1?currency=EUR", r#"{"to":"bob","amount":251,"urgent":false}"#),
        ("/a/{account}", "/a/1?currency=EUR", r#"{"to":"bob","amount":250,"urgent":true}"#),
        ("/a/{account}", "/a/1?currency=EUR", r#"{"to":"bob","amount":250,"urgent":"false"}"#),
    ];
    let of = |(route, path, body): &(&str, &str, &str)| {
        operation(said_of(&policy, (Some(route), path), (JSON, body)))
    };
    for (index, one) in all.iter().enumerate() {
        assert_eq!(of(one), of(one));
        assert!(all.iter().skip(index + 1).all(|other| of(one) != of(other)), "{one:?}");
    }
    let delete = once().operation_from(OperationTemplate::text("Go").build().unwrap());
    let by = |method| operation(said(&delete, &PlainRequest { method, path: "/", headers: &[] }));
    assert_ne!(by("POST"), by("DELETE"));
}

#[test]
fn a_query_never_stands_in_for_a_body_nor_the_other_way_round() {
    let body = once().operation_from(OperationTemplate::text("{to}").json(["to"]).build().unwrap());
    let query =
        once().operation_from(OperationTemplate::text("{to}").query(["to"]).build().unwrap());
    let at = (Some("/t"), "/t?to=eve");
    let (shown, other) = (
        operation(said_of(&body, at, (JSON, r#"{"to":"bob"}"#))),
        operation(said_of(&query, at, (JSON, r#"{"to":"bob"}"#))),
    );
    assert_eq!((shown.text(), other.text()), ("bob", "eve"));
    assert_eq!(refused(said_of(&body, at, (JSON, "{}"))).0, Problem::BodyMalformed);
    let at = (Some("/t"), "/t");
    assert_eq!(refused(said_of(&query, at, (JSON, r#"{"to":"bob"}"#))).0, Problem::BodyMalformed);
    let same = (Some("/t"), "/t?to=bob");
    assert_ne!(
        operation(said_of(&body, same, (JSON, r#"{"to":"bob"}"#))),
        operation(said_of(&query, same, (JSON, r#"{"to":"bob"}"#))),
    );
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused_by_the_name_of_the_field() {
    let transfer = transfer();
    for (content_type, body, detail) in [
        (JSON, r#"{"to":"bob"}"#, "The field \"amount\" is missing."),
        (
            JSON,
            r#"{"to":null,"amount":1}"#,
            "The field \"to\" is not a text, a number or a boolean.",
        ),
        (
            JSON,
            r#"{"to":"bob","amount":1e99}"#,
            "The field \"amount\" is a number with too many digits.",
        ),
        (
            JSON,
            r#"{"amount":250,"amount":2500}"#,
            "Send one JSON object, with no name twice in it.",
        ),
        (JSON, "", "Send one JSON object, with no name twice in it."),
        (JSON, "to=bob&amount=250", "Send one JSON object, with no name twice in it."),
        (FORM, "to=bob&to=eve&amount=1", "The field \"to\" is there more than once."),
        (FORM, "to=%ff&amount=1", "The field \"to\" is not valid UTF-8."),
        (FORM, r#"{"to":"bob","amount":250}"#, "The field \"to\" is missing."),
    ] {
        let answer = refused(said_of(&transfer, AT, (content_type, body)));
        assert_eq!(answer, (Problem::BodyMalformed, detail.to_owned()), "{body}");
    }
    let long = format!(r#"{{"to":"{}","amount":250}}"#, "x".repeat(200));
    let (problem, detail) = refused(said_of(&transfer, AT, (JSON, &long)));
    assert_eq!(problem, Problem::BodyMalformed);
    assert_eq!(detail, "What is to be approved is too long to be shown.");
}

#[test]
fn a_body_of_another_type_than_was_selected_is_refused() {
    let json = once().operation_from(OperationTemplate::text("{to}").json(["to"]).build().unwrap());
    let form = once().operation_from(OperationTemplate::text("{to}").form(["to"]).build().unwrap());
    for (policy, content_type, body) in [
        (&json as &dyn Policy, FORM, "to=bob"),
        (&form, JSON, r#"{"to":"bob"}"#),
        (&json, "text/plain", r#"{"to":"bob"}"#),
        (&json, "application/jsonx", r#"{"to":"bob"}"#),
        (&json, "text/json", r#"{"to":"bob"}"#),
        (&json, "application/json; charset=utf-16", r#"{"to":"bob"}"#),
        (&form, "multipart/form-data; boundary=x", "to=bob"),
    ] {
        let answer = refused(said_of(policy, AT, (content_type, body)));
        assert_eq!(answer.0, Problem::ContentTypeUnsupported, "{content_type}");
    }
    for headers in [
        &[][..],
        &[("content-type", JSON), ("content-type", FORM)],
        &[("content-type", JSON), ("content-encoding", "gzip")],
    ] {
        let request = Routed(PlainRequest { method: "POST", path: "/t", headers }, None);
        let body = Bytes::from_static(br#"{"to":"bob"}"#);
        let answer = refused(said(&json, &WithBody::new(&request, &body)));
        assert_eq!(answer.0, Problem::ContentTypeUnsupported, "{headers:?}");
    }
}

#[test]
fn a_part_of_the_path_is_shown_as_the_handler_sees_it() {
    let template = OperationTemplate::text("Delete {{{id}}}").path(["id"]);
    let policy = once().operation_from(template.build().unwrap());
    assert!(!policy.reads_body());
    let at = |path| said_of(&policy, (Some("/users/{id}"), path), (JSON, ""));
    assert_eq!(operation(at("/users/a%2Fb%20c")).text(), "Delete {a/b c}");
    assert_eq!(operation(at("/users/x%0A%E2%80%AEy")).text(), "Delete {x  y}");
    for path in ["/users/%ff", "/users", "/users/1/2"] {
        assert_eq!(refused(at(path)).0, Problem::BodyMalformed, "{path}");
    }
    let unrouted = said_of(&policy, (None, "/users/7"), (JSON, ""));
    assert_eq!(refused(unrouted).0, Problem::BodyMalformed);
}

#[test]
fn a_closure_that_finds_nothing_refuses_the_request() {
    let policy = once().operation_from(|facts: &Facts<'_>| {
        let year = facts.query("year")?;
        Some(Operation::new(&format!("Export {year}")).field("year", &*year))
    });
    let at = |path| said(&policy, &PlainRequest { method: "GET", path, headers: &[] });
    assert_eq!(operation(at("/export?year=2026")).text(), "Export 2026");
    assert_eq!(refused(at("/export?year=2026&year=2025")).0, Problem::BodyMalformed);
    assert_eq!(refused(at("/export")).0, Problem::BodyMalformed);
}

#[test]
fn without_the_body_nothing_passes_that_needs_it() {
    let request = PlainRequest { method: "POST", path: "/", headers: &[("content-type", JSON)] };
    assert_eq!(refused(said(&transfer(), &request)).0, Problem::Denied);
    let relaxed = || Rules::open().raise("transfer", transfer());
    assert_eq!(refused(said(&relaxed(), &request)).0, Problem::Denied);
    let blind = without_body(
        |facts: &Facts<'_>| {
            if facts.body().is_some() { Decision::Deny } else { Decision::Allow }
        },
    );
    assert!(matches!(said(&*blind, &request), Decision::Allow), "it says that it needs none");
    assert!(matches!(said(&*without_body(relaxed()), &request), Decision::Deny));
}

#[test]
fn a_template_that_nobody_could_fill_in_is_an_error() {
    let built = |text: &str, path: &[&'static str]| {
        OperationTemplate::text(text).path(path.iter().copied()).build().map(drop)
    };
    let unknown = |name: &str| Err(TemplateError::UnknownPlaceholder { name: name.to_owned() });
    assert_eq!(built("Delete {user}", &["id"]), unknown("user"));
    assert_eq!(built("Delete {}", &["id"]), unknown(""));
    assert_eq!(built("Delete { id }", &["id"]), unknown(" id "));
    for text in ["Delete {id", "Delete id}", "Delete {id}}", "{{id}"] {
        assert_eq!(built(text, &["id"]), Err(TemplateError::Brace), "{text}");
    }
    assert_eq!(built("", &[""]), Err(TemplateError::Nameless));
    assert_eq!(built(&"x".repeat(201), &[]), Err(TemplateError::TooLong));
    let twice = OperationTemplate::text("{id}").path(["id"]).json(["id"]).build();
    assert_eq!(twice.unwrap_err(), TemplateError::Twice { name: "id".to_owned() });
    let two = OperationTemplate::text("").json(["a"]).form(["b"]).build();
    assert_eq!(two.unwrap_err(), TemplateError::TwoBodies);
    assert_eq!(
        built("Delete {user}", &["id"]).unwrap_err().to_string(),
        "the text names {user}, and no field is called so: select it with path, query, json, form or fields"
    );
}
