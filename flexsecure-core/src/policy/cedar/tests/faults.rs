use super::*;

fn only_fault(text: &str) -> Fault {
    let [fault] = faults(builder().read_text(text)).try_into().unwrap();
    fault
}

#[test]
fn a_syntax_error_has_its_place() {
    for (text, place) in [
        ("permit(principal, action, resource) when { true }", (1, 50)),
        (
            "permit(principal, action, resource);\n// ä\n  permit(principal, action resource);",
            (3, 28),
        ),
        ("permit(principal, action, resource);\n\"ä\" %", (2, 1)),
    ] {
        let fault = &faults(builder().read_text(text))[0];
        assert_eq!((fault.line, fault.column), place, "{fault}");
    }
}

#[test]
fn what_the_schema_does_not_have_is_refused_where_it_stands() {
    let policy = "permit(principal, action, resource)";
    for (text, place, says) in [
        (
            "permit(principal,\n  action == Action::\"GET /c\", resource);".to_owned(),
            (2, 13),
            "GET /c",
        ),
        ("permit(principal == Users::\"a\", action, resource);".to_owned(), (1, 21), "Users"),
        (format!("{policy}\nwhen {{ context.amont == 5 }};"), (2, 8), "amont"),
        (format!("{policy}\nwhen {{ 1 < 2 &&\n  context.held has bonk }};"), (3, 3), "bonk"),
    ] {
        let result = builder().read_text(&text);
        // To ask for a system that is not there is not wrong by the schema, only never so.
        if says == "bonk" {
            assert!(is_denied(&said(&result.unwrap(), "GET /a")));
            continue;
        }
        let found = faults(result);
        let fault = &found[0];
        assert_eq!((fault.line, fault.column), place, "{fault}");
        assert!(fault.message.contains(says) && !fault.message.contains("policy0"), "{fault}");
    }
}

#[test]
fn what_may_be_absent_can_only_be_used_after_a_look() {
    for condition in [
        r#"context.amount.lessThan(decimal("1.0"))"#,
        r#"context.network.isInRange(ip("10.0.0.0/8"))"#,
        "context.held.bank.age < 5",
        "context has amount || context.amount == decimal(\"1.0\")",
        "context.refusals > 3",
    ] {
        let text = format!("permit(principal, action, resource)\nwhen {{ {condition} }};");
        let fault = only_fault(&text);
        assert_eq!(fault.line, 2, "{fault}");
    }
}

#[test]
fn values_of_another_type_are_refused() {
    for condition in [
        "context.minute < \"8\"",
        "context has amount && context.amount < 100",
        "context has amount && context.amount == decimal(\"1.00001\")",
        "context has network && context.network.isInRange(ip(\"10.0.0.0/33\"))",
        "context has network && context has payee && context.network == ip(context.payee)",
        "principal.name == \"alice\"",
        "principal in context",
    ] {
        let text = format!("permit(principal, action, resource)\nwhen {{ {condition} }};");
        let found = faults(builder().read_text(&text));
        assert!(found.iter().all(|fault| fault.line == 2), "{found:?}");
    }
}

#[test]
fn all_faults_are_told_in_their_order() {
    let text = "\
        permit(principal, action == Action::\"GET /c\", resource);\n\
        @age(\"1m\") permit(principal, action, resource);\n\
        permit(principal, action, resource) when { context.nothing };";
    let error = builder().read_text(text).unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(ToOwned::to_owned).collect();
    let [action, annotation, attribute] = lines.try_into().unwrap();
    assert!(action.starts_with("rules:1:29: unrecognized action"), "{action}");
    assert!(annotation.starts_with("rules:2:1: @age is unknown"), "{annotation}");
    assert!(attribute.starts_with("rules:3:44: attribute `nothing`"), "{attribute}");
}

#[test]
fn rules_that_say_nothing_are_refused() {
    for text in ["", "  \n", "// nothing\n"] {
        assert!(only_fault(text).message.contains("no policy"));
    }
    let slot = "permit(principal == ?principal, action, resource);";
    assert!(faults(builder().read_text(slot)).iter().any(|it| it.message.contains("slot")));
}

#[test]
fn an_app_can_declare_only_what_can_be() {
    let text = "permit(principal, action, resource);";
    for (builder, named) in [
        (builder().route("get", "/x"), "get /x"),
        (builder().route("", "/x"), " /x"),
        (builder().route("GET", "x"), "GET x"),
        (builder().text("amount", |_| None), "amount"),
        (builder().decimal("held", |_| None), "held"),
        (builder().text("", |_| None), ""),
    ] {
        let error = builder.read_text(text).unwrap_err();
        let CedarError::Vocabulary { name, .. } = error else { panic!("{error}") };
        assert_eq!(name, named);
    }
    // Whatever is in a name, it is but a name in the schema.
    let odd = r#"/a"; permit/{x}"#;
    let odd_rules =
        builder().route("GET", odd).system("b\"ank").system("bank").read_text(text).unwrap();
    assert!(odd_rules.schema().contains(r#"a\"; permit"#), "{}", odd_rules.schema());
    let asked = Asked { route: Some(odd), ..Asked::to("GET /") };
    assert!(is_open(&said_at(&odd_rules, asked, MONDAY_NOON)));
}
