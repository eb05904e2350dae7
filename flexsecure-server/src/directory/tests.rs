use super::validate::*;

#[test]
fn what_is_shown_to_people_can_neither_break_a_line_nor_turn_it_round() {
    assert!(validate_operation(""));
    assert!(validate_operation("Transfer 250.00 EUR to Zoë & Søn"));
    for bad in [
        "a\nb",
        "a\r\nBcc: x",
        "a\0",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{2028}b",
        "a\u{ad}b",
    ] {
        assert!(!validate_operation(bad), "{bad:?}");
        assert!(!validate_name(bad), "{bad:?}");
        assert!(!validate_auth_id(bad), "{bad:?}");
    }
    assert!(!validate_name("") && !validate_auth_id(""));
    assert!(validate_auth_id(&"é".repeat(255)) && !validate_auth_id(&"é".repeat(256)));
}

#[test]
fn an_address_is_one_bare_address() {
    assert!(validate_email("alice@example.com"));
    let bad = [
        "",
        "alice",
        "alice@",
        "Alice <alice@example.com>",
        "alice@example.com, bob@example.com",
        "alice@example.com\r\nBcc: mallory@example.com",
        "alice\r\n.\r\n@example.com",
        "\"a\r\nb\"@example.com",
    ];
    for bad in bad {
        assert!(!validate_email(bad), "{bad:?}");
    }
}

#[test]
fn a_number_is_e164() {
    assert!(validate_sms("+41790000001"));
    for bad in
        ["", "+", "41790000001", "+0790000001", "+41 79 000 00 01", "+4179x", "+1234567890123456"]
    {
        assert!(!validate_sms(bad), "{bad:?}");
    }
}
