//! Ways around the gate (T10, T12, T14, T15, T18).

use super::{done, transfer};
use crate::client::{Answer, Request};
use crate::subject::Subject;

/// T10, T15: no other spelling of a path leads behind the gate.
pub async fn no_spelling_of_a_path_leads_around_the_gate(bank: &Subject) {
    let alice = bank.login("alice").await;
    for target in spellings() {
        for method in ["GET", "HEAD", "POST"] {
            let answer = alice.peek(Request::new(method, &target)).await;
            assert!(!is_behind(&answer), "{method} {target}: {answer:?}");
        }
    }
}

/// T10: nor in the form that proxies are sent.
pub async fn an_absolute_target_is_gated_too(bank: &Subject) {
    let alice = bank.login("alice").await;
    for target in ["/statements", "/admin/users"] {
        let answer = alice.peek(Request::get(&format!("http://{}{target}", bank.address()))).await;
        assert!(!is_behind(&answer), "{target}: {answer:?}");
        let answer = alice.peek(Request::get(&format!("http://evil.example{target}"))).await;
        assert!(!is_behind(&answer), "{target}: {answer:?}");
    }
}

/// T12: nor another method.
pub async fn no_method_leads_around_the_gate(bank: &Subject) {
    let alice = bank.login("alice").await;
    let body = br#"{"to":"bob","amount":250,"user":"bob"}"#;
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND",
        "get",
    ] {
        for path in
            ["/statements", "/admin/users", "/admin/freeze", "/admin/users/bob", "/transfers"]
        {
            if (path, method) == ("/transfers", "GET") {
                continue;
            }
            let request = Request::new(method, path).body("application/json", body.as_slice());
            for request in [
                request.clone(),
                request.clone().header("x-http-method-override", "GET"),
                request.header("x-http-method", "OPTIONS"),
            ] {
                let answer = alice.peek(request).await;
                let is_listing = path == "/transfers" && method == "HEAD";
                assert!(is_listing || !is_behind(&answer), "{method} {path}: {answer:?}");
            }
        }
    }
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T14: nothing in a header is an elevation.
pub async fn no_header_is_taken_for_an_elevation(bank: &Subject) {
    let alice = bank.login("alice").await;
    let mut request = Request::get("/statements");
    for name in [
        "flexsecure-flow",
        "flexsecure-problem",
        "flexsecure-elevation",
        "flexsecure-elevated",
        "flexsecure-identity",
        "x-flexsecure-elevated",
        "x-stepup",
        "x-step-up",
        "x_step_up",
        "x-stepup-method",
        "x-middleware-subrequest",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-prefix",
        "x-authenticated",
        "x-auth-user",
        "authorization",
    ] {
        let answer = alice.peek(Request::get("/statements").header(name, "true")).await;
        assert!(!is_behind(&answer), "{name}: {answer:?}");
        request = request.header(name, "/healthz");
    }
    assert!(!is_behind(&alice.peek(request).await));
}

/// T18: what follows a refused request on its connection is a request of its own.
pub async fn a_request_behind_a_refused_one_is_refused_too(bank: &Subject) {
    let alice = bank.login("alice").await;
    let one = alice.wire_form(&transfer("bob", 250));
    let answers = alice.pipeline([one.clone(), one].concat(), 2).await;
    assert!(!answers.is_empty());
    for answer in answers {
        let _flow = answer.refused("missing");
    }
    assert_eq!(done(&alice).await, [""; 0]);
}

/// T18: what is in the body of a refused request is no request.
pub async fn a_request_inside_a_refused_one_is_never_run(bank: &Subject) {
    let alice = bank.login("alice").await;
    let smuggled = alice.wire_form(&transfer("bob", 5));
    let refused = Request::post("/admin/freeze").body("application/json", smuggled);
    let probe = alice.wire_form(&Request::get("/healthz"));
    let answers = alice.pipeline([alice.wire_form(&refused), probe].concat(), 2).await;
    answers[0].assert_problem(401, "step-up-required");
    for answer in &answers[1..] {
        assert_eq!(answer.text(), "ok");
    }
    assert_eq!(done(&alice).await, [""; 0]);
}

/// What only a proof opens: an answer with something in it, or a deed.
fn is_behind(answer: &Answer) -> bool {
    let is_success = (200..300).contains(&answer.status);
    let is_options = answer.header("allow").is_some() && answer.body.is_empty();
    is_success && !is_options
}

fn spellings() -> Vec<String> {
    let mut all = Vec::new();
    for (first, rest) in [("statements", ""), ("admin", "/users"), ("admin", "/freeze")] {
        let (head, tail) = first.split_at(1);
        let encoded = format!("%{:02x}", head.as_bytes()[0]);
        for path in [
            format!("/{first}{rest}"),
            format!("//{first}{rest}"),
            format!("///{first}{rest}"),
            format!("/./{first}{rest}"),
            format!("/x/../{first}{rest}"),
            format!("/healthz/../{first}{rest}"),
            format!("/%2e/{first}{rest}"),
            format!("/%2f{first}{rest}"),
            format!("/{encoded}{tail}{rest}"),
            format!("/{}{rest}", first.to_uppercase()),
            format!("/{first};x=y{rest}"),
            format!("/{first}%00{rest}"),
            format!("/{first}%20{rest}"),
            format!("/{first}{}", rest.replace('/', "//")),
            format!("/{first}{}", rest.replace('/', "%2f")),
            format!("/{first}{}", rest.replace('/', "\\")),
            format!("/{first}{}", rest.replace('/', "/./")),
            format!("/{first}{}", rest.replace('/', "/x/../")),
        ] {
            for end in ["", "/", "//", "?x=/healthz", "?/healthz", ";", "%2f", "/.", "/..", "%3fx"]
            {
                all.push(format!("{path}{end}"));
            }
        }
    }
    all
}
