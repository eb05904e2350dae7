mod hostile;

use std::time::Duration;

use reqwest::header::{DATE, HeaderName, HeaderValue, RETRY_AFTER};

use self::hostile::hostile;
use super::*;

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Body::Whole(Bytes::from(body.into())),
    }
}

fn with(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    answer.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    answer
}

fn broken(status: u16, body: Body) -> Answer {
    Answer { body, ..answer(status, "") }
}

fn started(body: &str) -> StartReply {
    start(&answer(200, body), Capabilities::V1)
}

#[test]
fn nothing_like_authenticated_authenticates() {
    let bodies = hostile("authenticated");
    assert!(bodies.len() >= 150, "{}", bodies.len());
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(99)]).into_owned();
        assert_eq!(check(&answer(200, body)), CheckReply::Pending, "{shown}");
    }
}

#[test]
fn nothing_like_success_is_one() {
    for body in hostile("success") {
        for promised in [Capabilities::V1, Capabilities::FULL] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(99)]).into_owned();
            assert_eq!(start(&answer(200, body.clone()), promised), StartReply::Unknown, "{shown}");
        }
    }
}

#[test]
fn nothing_like_expired_ends_a_flow() {
    for body in hostile("over") {
        // Two bodies of the list are the documented ones; they belong to 403.
        let documented = [r#"{"result":"expired"}"#, r#"{"result":"security error"}"#];
        if documented.iter().any(|known| known.as_bytes() == body) {
            continue;
        }
        let unavailable = CheckReply::Unavailable { retry_after: None, sent: true };
        assert_eq!(check(&answer(403, body)), unavailable);
    }
}

#[test]
fn authenticated_is_authenticated_at_200_alone() {
    let body = r#"{"result":"authenticated"}"#;
    for status in 200..=999 {
        let is_it = check(&answer(status, body)) == CheckReply::Authenticated;
        assert_eq!(is_it, status == 200, "{status}");
        let started = start(&answer(status, r#"{"result":"success"}"#), Capabilities::V1);
        assert_eq!(matches!(started, StartReply::Accepted(_)), status == 200, "{status}");
    }
}

#[test]
fn documented_results_in_any_json_spelling() {
    for body in [
        r#"{"result":"authenticated"}"#,
        "\r\n\t { \"result\" : \"authenticated\" } \n",
        r#"{"result":"\u0061uthenticated"}"#,
        r#"{"new":{"field":[1,null,{"a":true}]},"result":"authenticated","expires_in":-1e3}"#,
    ] {
        assert_eq!(check(&answer(200, body)), CheckReply::Authenticated, "{body}");
    }
    assert_eq!(check(&answer(403, r#"{"result":"expired"}"#)), CheckReply::Expired);
    let refused = start(&answer(403, r#"{"result":"security error"}"#), Capabilities::FULL);
    assert_eq!(refused, StartReply::Refused);
}

#[test]
fn a_content_type_that_says_otherwise_counts() {
    let table = [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("text/json", true),
        ("application/problem+json", true),
        ("text/plain; charset=utf-8", true),
        ("text/html", false),
        ("text/html; application/json", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/mixed", false),
        ("image/png", false),
        ("", false),
        ("application/jsonp", false),
        ("\u{e4}", false),
    ];
    for (content_type, is_json) in table {
        let answer = answer(200, r#"{"result":"authenticated"}"#);
        let reply = check(&with(answer, CONTENT_TYPE, content_type));
        assert_eq!(reply == CheckReply::Authenticated, is_json, "{content_type}");
        assert!(matches!(reply, CheckReply::Authenticated | CheckReply::Pending));
    }
    for encoding in ["gzip", "br", "identity, gzip", "x"] {
        let answer = answer(200, r#"{"result":"authenticated"}"#);
        assert_eq!(check(&with(answer, CONTENT_ENCODING, encoding)), CheckReply::Pending);
    }
}

#[test]
fn every_status_of_a_start() {
    for status in 100..=999 {
        let reply = start(&answer(status, ""), Capabilities::V1);
        let expected = match status {
            401 | 403 => StartReply::Misconfigured,
            300..=499 | 503 => StartReply::NotStarted { retry_after: None },
            _ => StartReply::Unknown,
        };
        assert_eq!(reply, expected, "{status}");
    }
}

#[test]
fn every_status_of_a_check() {
    for status in 100..=999 {
        let expected = match status {
            200..=299 => CheckReply::Pending,
            429 | 503 => CheckReply::Unavailable { retry_after: None, sent: false },
            _ => CheckReply::Unavailable { retry_after: None, sent: true },
        };
        assert_eq!(check(&answer(status, "")), expected, "{status}");
    }
}

#[test]
fn a_body_that_did_not_arrive_leaves_it_open() {
    let lost = CheckReply::Unavailable { retry_after: None, sent: true };
    for body in [|| Body::TooLong, || Body::CutShort] {
        for status in [200, 201, 204, 403] {
            assert_eq!(start(&broken(status, body()), Capabilities::V1), StartReply::Unknown);
            assert_eq!(check(&broken(status, body())), lost);
        }
        assert_eq!(start(&broken(401, body()), Capabilities::V1), StartReply::Misconfigured);
        let not_started = StartReply::NotStarted { retry_after: None };
        assert_eq!(start(&broken(503, body()), Capabilities::V1), not_started);
    }
    assert_eq!(capabilities(&broken(200, Body::CutShort)), None);
    assert_eq!(capabilities(&broken(200, Body::TooLong)), Some(Capabilities::V1));
}

#[test]
fn malformed_fields_of_a_start_are_passed_over() {
    for field in [
        r#""method":"sms""#,
        r#""method":1"#,
        r#""method":null"#,
        r#""match":47"#,
        r#""match":"4""#,
        r#""match":"477""#,
        r#""match":"4x""#,
        r#""expires_in":"300""#,
        r#""expires_in":-1"#,
        r#""expires_in":0"#,
        r#""expires_in":1.5"#,
        r#""expires_in":99999999999999999999999"#,
        r#""interval":[]"#,
        r#""interval":null"#,
        r#""txn":null"#,
    ] {
        let reply = started(&format!(r#"{{"result":"success",{field}}}"#));
        assert_eq!(reply, StartReply::Accepted(Accepted::default()), "{field}");
    }
    let longest = started(&format!(r#"{{"result":"success","expires_in":{}}}"#, u64::MAX));
    let accepted = Accepted::default().expires_in(Duration::from_secs(u64::MAX));
    assert_eq!(longest, StartReply::Accepted(accepted));
}

#[test]
fn a_malformed_name_is_never_passed_over() {
    let long = format!("\"{}\"", "x".repeat(257));
    for txn in
        [r#""""#, "1", "true", "[]", "{}", r#"" ""#, r#""a b""#, r#""a\n""#, "\"\u{e4}\"", &long]
    {
        let body = format!(r#"{{"result":"success","txn":{txn}}}"#);
        for promised in [Capabilities::V1, Capabilities::FULL] {
            assert_eq!(
                start(&answer(200, body.clone()), promised),
                StartReply::Misconfigured,
                "{txn}"
            );
        }
    }
    for body in [r#"{"result":"success"}"#, r#"{"result":"success","txn":null}"#] {
        assert_eq!(start(&answer(200, body), Capabilities::FULL), StartReply::Misconfigured);
    }
}

#[test]
fn what_a_security_error_may_tell() {
    let table = [
        (r#""attempts_left":3"#, Some(3), None),
        (r#""attempts_left":0,"reason":"attempts""#, Some(0), Some(SecurityErrorReason::Attempts)),
        (r#""reason":"declined""#, None, Some(SecurityErrorReason::Declined)),
        (r#""reason":"Declined""#, None, Some(SecurityErrorReason::Other)),
        (r#""reason":"""#, None, Some(SecurityErrorReason::Other)),
        (r#""reason":1,"attempts_left":"3""#, None, None),
        (r#""attempts_left":256"#, None, None),
        (r#""attempts_left":-1"#, None, None),
    ];
    for (fields, attempts_left, reason) in table {
        let reply = check(&answer(403, format!(r#"{{"result":"security error",{fields}}}"#)));
        assert_eq!(reply, CheckReply::SecurityError { attempts_left, reason }, "{fields}");
    }
}

#[test]
fn retry_after_in_every_shape() {
    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let table = [
        ("0", Some(0)),
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("007", Some(7)),
        ("3600", Some(3600)),
        ("3601", Some(3600)),
        ("99999999999999999999999999", Some(3600)),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("", None),
        ("soon", None),
        ("7, 8", None),
        ("7s", None),
        ("\u{0664}", None),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
        ("Sun Nov  6 08:49:47 1994", Some(10)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
        ("Sun, 36 Nov 1994 08:49:47 GMT", None),
    ];
    for (value, seconds) in table {
        for status in [429, 503] {
            let answer = with(with(answer(status, ""), RETRY_AFTER, value), DATE, NOW);
            let retry_after = seconds.map(Duration::from_secs);
            let reply = CheckReply::Unavailable { retry_after, sent: false };
            assert_eq!(check(&answer), reply, "{value}");
            let reply = StartReply::NotStarted { retry_after };
            assert_eq!(start(&answer, Capabilities::V1), reply, "{value}");
        }
    }
    let undated = with(answer(429, ""), RETRY_AFTER, "Sun, 06 Nov 1994 08:49:47 GMT");
    assert_eq!(check(&undated), CheckReply::Unavailable { retry_after: None, sent: false });
    let misdated = with(undated, DATE, "today");
    assert_eq!(check(&misdated), CheckReply::Unavailable { retry_after: None, sent: false });
}

#[test]
fn capabilities_of_the_documented_object() {
    let known = |body: &str| capabilities(&answer(200, body));
    assert_eq!(
        known(r#"{"txn":true,"match":true,"wait":30,"idempotency":true,"more":{"a":1}}"#),
        Some(Capabilities::FULL)
    );
    assert_eq!(known("{}"), Some(Capabilities::V1));
    let some = Capabilities { txn: true, wait: Duration::from_secs(5), ..Capabilities::V1 };
    assert_eq!(known(r#"{"txn":true,"wait":5}"#), Some(some));
    let long = Capabilities { wait: LONGEST_WAIT, ..Capabilities::V1 };
    assert_eq!(known(r#"{"wait":18446744073709551615}"#), Some(long));
    for status in [429, 500, 502, 503, 504] {
        assert_eq!(capabilities(&answer(status, r#"{"txn":true}"#)), None, "{status}");
    }
}
