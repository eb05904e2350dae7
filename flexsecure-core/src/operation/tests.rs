use std::fmt::Write;

use proptest::prelude::*;

use super::json::{NoValue, Object};
use super::{Decimal, Operation, Place, Value, form};

fn transfer() -> Operation {
    Operation::new("Transfer 250.00 EUR to bob")
}

fn json(body: &str, name: &str) -> Result<Value<'static>, NoValue> {
    Object::parse(body.as_bytes()).unwrap_or_else(|| panic!("{body} is an object")).value(name)
}

fn decimal(text: &str) -> Option<String> {
    text.parse::<Decimal>().ok().map(|number| number.to_string())
}

#[test]
fn text_and_fields_and_their_order_make_the_operation() {
    let bound = transfer().field("to", "bob").field("amount", "250.00");
    assert_eq!(bound, transfer().field("to", "bob").field("amount", "250.00"));
    let others = [
        transfer(),
        transfer().field("to", "bob"),
        transfer().field("amount", "250.00").field("to", "bob"),
        transfer().field("to", "bob").field("amount", "2500.00"),
        transfer().field("to", "bob").field("amount", "250.00").field("note", ""),
        Operation::new("Transfer 250.00 EUR to eve").field("to", "bob").field("amount", "250.00"),
    ];
    assert!(others.iter().all(|other| *other != bound));
}

#[test]
fn no_delimiter_moves_between_name_and_value() {
    assert_ne!(transfer().field("ab", "c"), transfer().field("a", "bc"));
    assert_ne!(transfer().field("", "a"), transfer().field("a", ""));
}

#[test]
fn a_field_is_bound_to_its_place_and_its_type() {
    let places = [Place::App, Place::Request, Place::Path, Place::Query, Place::Body];
    let values = ["250".into(), 250_u64.into(), "true".into(), true.into()];
    let all: Vec<_> = places
        .iter()
        .flat_map(|place| values.iter().map(|value| transfer().bind(*place, "amount", value)))
        .collect();
    for (index, one) in all.iter().enumerate() {
        assert!(all.iter().skip(index + 1).all(|other| one != other));
    }
    assert_eq!(transfer().field("amount", 250_i64), transfer().field("amount", 250_u64));
}

#[test]
fn text_shown_reads_as_one_line_from_left_to_right() {
    let shown = Operation::new("to\nbob\u{202e}eve\u{2066}\u{200b}\u{feff}\u{61c}\0\u{85}.");
    assert_eq!(shown.text(), "to bob eve      .");
    assert_ne!(shown, Operation::new("to bob eve      ."));
}

#[test]
fn long_text_is_cut_where_it_is_shown_but_not_where_it_is_compared() {
    let long = "\u{e4}".repeat(Operation::MAX_CHARS);
    let longer = format!("{long}!");
    assert_eq!(Operation::new(&longer).text(), long);
    assert_ne!(Operation::new(&longer), Operation::new(&long));
}

/// Each line of the file is a digest and the lines of a case, `|` between them.
#[test]
fn the_digests_are_those_of_the_vectors() {
    let mut told = String::new();
    let mut cases = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (digest, case) = line.split_once(" | ").expect("a digest and a case");
        let mut parts = case.split(" | ");
        let text: String = parsed(parts.next().expect("a text"));
        let operation = parts.fold(Operation::new(&text), bound);
        let mut hex = String::new();
        operation.digest().iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
        if hex != digest {
            writeln!(told, "{hex} | {case}").unwrap();
        }
        cases += 1;
    }
    assert!(told.is_empty(), "these are the digests:\n{told}");
    assert!(cases > 20, "{cases}");
}

/// `place name = value`, name and value in JSON.
fn bound(operation: Operation, field: &str) -> Operation {
    let (place, rest) = field.split_once(' ').expect("a place");
    let (name, value) = rest.split_once(" = ").expect("a name and a value");
    let place = match place {
        "a" => Place::App,
        "r" => Place::Request,
        "p" => Place::Path,
        "q" => Place::Query,
        "f" => Place::Body,
        other => panic!("{other} is no place"),
    };
    let value = json(&format!("{{\"it\":{value}}}"), "it").expect("a value");
    operation.bind(place, &parsed::<String>(name), &value)
}

fn parsed<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn equal_numbers_have_one_text() {
    for (expected, texts) in [
        ("250", &["250", "250.0", "250.00", "2.5e2", "2.5E+2", "25e1", "2500e-1", "250e0"][..]),
        ("0", &["0", "-0", "0.0", "0e5", "-0.000e-7"]),
        ("0.05", &["0.05", "5e-2", "0.050", "50E-3"]),
        ("-12.5", &["-12.5", "-125e-1", "-1.25e1"]),
        ("0.30000000000000004", &["0.30000000000000004"]),
        ("9007199254740993", &["9007199254740993", "9007199254740993.0"]),
        ("100", &["1e2", "100", "1.00e2"]),
        ("10.01", &["10.010", "1001e-2"]),
    ] {
        for text in texts {
            assert_eq!(decimal(text).as_deref(), Some(expected), "{text}");
        }
    }
}

#[test]
fn what_is_no_number_or_too_long_a_one_is_refused() {
    let long = "9".repeat(65);
    let endless = format!("0.{}1", "0".repeat(64));
    for text in [
        "",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1.e2",
        "0x10",
        "1_000",
        "1,5",
        " 1",
        "1 ",
        "NaN",
        "Infinity",
        "1e1000000000",
        "1e-1000000000",
        "0e1000000000",
        "1e64",
        "1e-65",
        "1e99999999999999999999",
        "\u{0661}",
        &long,
        &endless,
    ] {
        assert_eq!(decimal(text), None, "{text}");
    }
    assert_eq!(decimal("1e63").map(|text| text.len()), Some(64));
    assert_eq!(decimal("1e-64").map(|text| text.len()), Some(66));
}

proptest! {
    #[test]
    fn a_number_is_the_same_however_it_is_shifted(number in any::<i64>(), shift in 0_i32..19) {
        let shifted = format!("{number}{}e-{shift}", "0".repeat(usize::try_from(shift).unwrap()));
        prop_assert_eq!(decimal(&shifted), Some(number.to_string()));
    }

    #[test]
    fn two_numbers_of_cents_are_the_same_only_if_they_are_equal(one in 0_u64..5000, other in 0_u64..5000) {
        let cents = |cents: u64| decimal(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
        prop_assert_eq!(one == other, cents(one) == cents(other));
        prop_assert_eq!(cents(one), decimal(&format!("{one}e-2")).unwrap());
    }

    #[test]
    fn any_text_comes_through_json_and_forms_as_it_is(text in any::<String>()) {
        let body = serde_json::json!({"note": text, "to": "bob"}).to_string();
        prop_assert_eq!(json(&body, "note"), Ok((&text).into()));
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("to", "bob")
            .append_pair("note", &text)
            .finish();
        prop_assert_eq!(form::value(&form, "note"), Ok((&text).into()));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in any::<Vec<u8>>()) {
        let _ = Object::parse(&bytes).map(|object| object.value("to").is_ok());
        let _ = form::value(&String::from_utf8_lossy(&bytes), "to");
    }
}

#[test]
fn order_and_white_space_of_json_do_not_count() {
    for body in [
        r#"{"to":"bob","amount":250}"#,
        " {\n\t\"amount\" : 2.50e2 ,\r\n \"to\":\"b\\u006fb\" } ",
        r#"{"note":{"a":[1,null,{"b":1e5}]},"\u0074o":"bob","amount":250.00}"#,
    ] {
        assert_eq!(json(body, "to"), Ok("bob".into()), "{body}");
        assert_eq!(json(body, "amount"), Ok(250_u64.into()), "{body}");
    }
    assert_eq!(json(r#"{"is":true}"#, "is"), Ok(true.into()));
    assert_ne!(json(r#"{"amount":"250"}"#, "amount"), Ok(250_u64.into()));
}

#[test]
fn json_that_two_parsers_could_read_in_two_ways_is_refused() {
    let deep = format!("{{\"to\":\"bob\",\"note\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        r#"{"amount":250,"amount":2500}"#,
        r#"{"amount":250,"amount":250}"#,
        r#"{"amount":250,"\u0061mount":2500}"#,
        r#"{"amount":250,"note":{"a":1,"a":2}}"#,
        r#"{"amount":250,"notes":[{"a":1,"a":2}]}"#,
        r#"{"amount":250}{"amount":2500}"#,
        r#"{"amount":250,}"#,
        r#"{"amount":250} // 2500"#,
        r#"{"amount":0250}"#,
        r#"{"amount":+250}"#,
        r#"{"amount":NaN}"#,
        r"{'amount':250}",
        r#"{"amount":250"#,
        r#"[{"amount":250}]"#,
        r#"{"note":"\ud800","amount":250}"#,
        "{\"note\":\"\u{0}\",\"amount\":250}",
        "\u{feff}{\"amount\":250}",
        "250",
        "",
        &deep,
    ] {
        assert!(Object::parse(body.as_bytes()).is_none(), "{body}");
    }
    assert!(Object::parse(b"{\"to\":\"\xff\"}").is_none());
}

#[test]
fn only_texts_numbers_and_booleans_are_values() {
    for value in ["null", "[]", "{}", "[250]", r#"{"amount":250}"#] {
        let body = format!(r#"{{"amount":{value}}}"#);
        assert_eq!(json(&body, "amount"), Err(NoValue::NotScalar), "{body}");
    }
    assert_eq!(json(r#"{"Amount":250}"#, "amount"), Err(NoValue::Missing));
    assert_eq!(json(r#"{"amount":1e70}"#, "amount"), Err(NoValue::TooLong));
}

#[test]
fn a_form_has_each_selected_field_once() {
    assert_eq!(form::value("to=bob&amount=2%2C50+EUR", "amount"), Ok("2,50 EUR".into()));
    assert_eq!(form::value("%74o=b%6fb&box=1&box=2", "to"), Ok("bob".into()));
    assert_eq!(form::value("to", "to"), Ok("".into()));
    assert_eq!(form::value("to=a=b", "to"), Ok("a=b".into()));
    for twice in ["to=bob&to=eve", "to=bob&%74o=bob", "to&amount=1&to", "to=bob&to=%ff"] {
        assert_eq!(form::value(twice, "to"), Err(NoValue::Twice), "{twice}");
    }
    for missing in ["", "To=bob", "to[]=bob", "to%00=bob", "xto=bob", "a=to=bob", "t%6=bob"] {
        assert_eq!(form::value(missing, "to"), Err(NoValue::Missing), "{missing}");
    }
    assert_eq!(form::value("to=%ff", "to"), Err(NoValue::NotText));
}

#[test]
fn numbers_are_in_the_order_of_their_values() {
    let order = [
        "-1e9",
        "-100.01",
        "-100",
        "-99.999",
        "-9",
        "-0.5",
        "-0.05",
        "0",
        "0.0005",
        "0.05",
        "0.5",
        "0.51",
        "1",
        "9",
        "9.99",
        "10",
        "99.999999999",
        "100",
        "100.01",
        "1e9",
    ];
    let order = order.map(|text| text.parse::<Decimal>().unwrap());
    assert!(order.is_sorted());
    for (index, one) in order.iter().enumerate() {
        for (other_index, other) in order.iter().enumerate() {
            assert_eq!(one.cmp(other), index.cmp(&other_index), "{one} {other}");
        }
    }
}

const VECTORS: &str = include_str!("vectors.txt");
