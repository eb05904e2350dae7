use super::*;
use crate::policy::{Rules, all_of};

fn permits(annotations: &str) -> CedarRules {
    rules(&format!("{annotations} permit(principal, action, resource);"))
}

#[test]
fn annotations_say_what_a_request_takes() {
    for (annotations, requirement) in [
        (r#"@system("bank")"#, bank()),
        (r#"@id("x") @system("audit")"#, Requirement::system("audit")),
        (r#"@system("bank") @max_age("90s")"#, bank().within(Duration::from_secs(90))),
        (r#"@system("bank") @max_age("5m")"#, bank().within(minutes(5))),
        (r#"@system("bank") @max_age("1h")"#, bank().within(minutes(60))),
        (r#"@system("bank") @methods("pin")"#, bank().pin()),
        (r#"@system("bank") @methods("passwordless")"#, bank().passwordless()),
        (r#"@system("bank") @methods("pin, passwordless")"#, bank()),
        (r#"@system("bank") @single_use("true")"#, bank().single_use()),
        (r#"@system("bank") @single_use("false")"#, bank()),
        (
            r#"@single_use("true") @methods("pin") @max_age("10s") @system("bank")"#,
            bank().single_use().pin().within(Duration::from_secs(10)),
        ),
    ] {
        assert_eq!(required(said(&permits(annotations), "GET /a")), requirement, "{annotations}");
    }
}

#[test]
fn a_permit_without_a_system_takes_nothing_beyond_an_identity() {
    assert!(is_open(&said(&permits(""), "GET /a")));
    assert!(is_open(&said(&permits(r#"@id("open")"#), "GET /a")));
}

#[test]
fn an_annotation_that_says_nothing_is_refused_where_it_stands() {
    for (annotation, says) in [
        (r#"@age("5m")"#, "@age is unknown"),
        (r#"@max_ages("5m")"#, "@max_ages is unknown"),
        (r#"@max_age("5")"#, "write an age"),
        (r#"@max_age("")"#, "write an age"),
        (r#"@max_age("+5m")"#, "write an age"),
        (r#"@max_age("5 m")"#, "write an age"),
        (r#"@max_age("5d")"#, "write an age"),
        (r#"@max_age("9s")"#, "write an age"),
        (r#"@max_age("61m")"#, "write an age"),
        (r#"@max_age("99999999999999999999h")"#, "write an age"),
        (r#"@max_age("5µ")"#, "write an age"),
        (r#"@methods("PIN")"#, "write \"pin\""),
        (r#"@methods("")"#, "write \"pin\""),
        (r#"@methods("pin, sms")"#, "write \"pin\""),
        (r#"@single_use("yes")"#, "write \"true\""),
        (r#"@single_use"#, "write \"true\""),
        (r#"@id("")"#, "not empty"),
    ] {
        let text = format!(
            "permit(principal, action, resource);\n// @max_age(\"x\")\n@system(\"bank\")\n  {annotation}\n\
             permit(principal, action, resource);"
        );
        let [fault] = faults(builder().read_text(&text)).try_into().unwrap();
        assert_eq!((fault.line, fault.column), (4, 3), "{annotation}: {fault}");
        assert!(fault.message.contains(says), "{annotation}: {fault}");
    }
}

#[test]
fn an_annotation_out_of_place_is_refused() {
    for (text, says) in [
        (r#"@max_age("5m") permit(principal, action, resource);"#, "@max_age takes a @system"),
        (r#"@system("bonk") permit(principal, action, resource);"#, "\"bonk\" is no system"),
        (r#"@system("bank") forbid(principal, action, resource);"#, "a forbid takes nothing"),
        (r#"@single_use("true") forbid(principal, action, resource);"#, "a forbid takes nothing"),
        (
            r#"@id("a") permit(principal, action, resource); @id("a") forbid(principal, action, resource);"#,
            "\"a\" is there already",
        ),
    ] {
        let [fault] = faults(builder().read_text(text)).try_into().unwrap();
        assert!(fault.message.contains(says), "{fault}");
    }
}

/// T09: of two policies that match, neither weakens the other.
#[test]
fn of_all_that_permit_every_one_has_to_be_satisfied() {
    let both = |one: &str, other: &str| {
        let policy = "permit(principal, action, resource);";
        [format!("{one} {policy} {other} {policy}"), format!("{other} {policy} {one} {policy}")]
            .map(|text| said(&rules(&text), "GET /a"))
    };
    for decision in both(r#"@system("bank") @max_age("1m")"#, r#"@system("bank") @methods("pin")"#)
    {
        assert_eq!(required(decision), bank().within(minutes(1)).pin());
    }
    for decision in both(r#"@system("bank") @single_use("true")"#, "") {
        assert_eq!(required(decision), bank().single_use());
    }
    let [one, other] = both(r#"@system("bank")"#, r#"@system("audit")"#);
    let Decision::Prove(proofs) = one else { panic!("{one}") };
    assert_eq!(*proofs, all_of([bank(), Requirement::system("audit")]));
    assert!(matches!(other, Decision::Prove(_)));
    for decision in
        both(r#"@system("bank") @methods("pin")"#, r#"@system("bank") @methods("passwordless")"#)
    {
        let Decision::Prove(proofs) = decision else { panic!("{decision}") };
        assert!(proofs.is_impossible());
    }
}

#[test]
fn a_forbid_outweighs_every_permit() {
    let text = r#"
        permit(principal, action, resource);
        @system("bank") permit(principal, action, resource);
        forbid(principal, action == Action::"POST /a", resource);
    "#;
    assert!(is_denied(&said(&rules(text), "POST /a")));
    assert_eq!(required(said(&rules(text), "GET /a")), bank());
}

#[test]
fn what_nothing_permits_is_denied() {
    let text = r#"permit(principal, action == Action::"GET /a", resource);"#;
    assert!(is_open(&said(&rules(text), "GET /a")));
    assert!(is_open(&said(&rules(text), "HEAD /a")));
    for request in ["POST /a", "GET /b"] {
        assert!(is_denied(&said(&rules(text), request)), "{request}");
    }
}

#[test]
fn an_unknown_route_is_denied_whatever_is_permitted() {
    let rules = rules("permit(principal, action, resource);");
    for request in ["GET /", "GET /A", "GET /a/", "PUT /a", "get /a", "DELETE /users/7", "GET a"] {
        assert!(is_denied(&said(&rules, request)), "{request}");
    }
    let untold = Asked { route: None, ..Asked::to("GET /a") };
    assert!(is_denied(&said_at(&rules, untold, MONDAY_NOON)));
    let told = Asked { route: Some("/users/{id}"), ..Asked::to("DELETE /users/7") };
    assert!(is_open(&said_at(&rules, told, MONDAY_NOON)));
}

/// What Cedar would leave out might have been what forbids.
#[test]
fn a_policy_that_fails_denies() {
    let text = r#"
        permit(principal, action, resource);
        forbid(principal, action == Action::"GET /b", resource)
        when { context.minute * 9223372036854775807 > 0 };
    "#;
    assert!(is_open(&said(&rules(text), "GET /a")));
    assert!(is_denied(&said(&rules(text), "GET /b")));
    let permits = r#"
        permit(principal, action, resource);
        permit(principal, action == Action::"GET /b", resource)
        when { context.minute * 9223372036854775807 > 0 };
    "#;
    assert!(is_denied(&said(&rules(permits), "GET /b")));
}

#[test]
fn the_rules_can_be_one_of_several() {
    let operators = rules(
        r#"permit(principal, action, resource);
           @system("bank") @methods("pin") permit(principal, action == Action::"POST /a", resource);
           forbid(principal, action == Action::"GET /b", resource);"#,
    );
    let policy = Rules::floor(bank().within(minutes(5))).raise("operators", operators);
    let said = |request| {
        let asked = Asked::to(request);
        policy.decide(&Facts::new(&asked, &alice(), MONDAY_NOON)).into_owned()
    };
    assert_eq!(required(said("GET /a")), bank().within(minutes(5)));
    assert_eq!(required(said("POST /a")), bank().within(minutes(5)).pin());
    assert!(is_denied(&said("GET /b")) && is_denied(&said("GET /c")));
}
