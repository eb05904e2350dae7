//! What the gate reads from a request: T40, T42 of the threat list, and content negotiation.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::gate::client::{Client, TrustedOrigins, format, wait};
use crate::page::{Language, step_up};
use crate::policy::Networks;
use crate::refusal::{Format, Site, VARY};
use crate::{PlainRequest, RequestView};

const HTML: Format = Format::Html(Language::DEFAULT);

fn site() -> Site {
    Site { prefix: "/step-up".into(), pages: step_up(None).unwrap() }
}

fn read(request: &dyn RequestView) -> Client {
    Client::read(request, &site(), &TrustedOrigins::default(), &Networks::default())
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn foreign(headers: Pairs<'_>, trusted: &[&str]) -> bool {
    let trusted = TrustedOrigins(trusted.iter().map(|origin| (*origin).into()).collect());
    trusted.is_foreign(&PlainRequest { method: "POST", path: "/", headers })
}

#[test]
fn only_pages_of_the_own_origin_and_people_are_not_foreign() {
    let own: &[Pairs<'_>] = &[
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://bank.example"), ("host", "bank.example")],
        &[("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000")],
    ];
    let others: &[Pairs<'_>] = &[
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("origin", "https://evil.example"), ("host", "bank.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "null"), ("host", "bank.example")],
        &[("origin", "https://bank.example.evil"), ("host", "bank.example")],
        &[("origin", "https://bank.example:444"), ("host", "bank.example")],
    ];
    for headers in own {
        assert!(!foreign(headers, &[]), "{headers:?}");
    }
    for headers in others {
        assert!(foreign(headers, &[]), "{headers:?}");
    }
}

#[test]
fn a_trusted_origin_has_to_match_exactly() {
    let headers: Pairs<'_> =
        &[("sec-fetch-site", "same-site"), ("origin", "https://app.bank.example")];
    assert!(!foreign(headers, &["https://app.bank.example"]));
    assert!(foreign(headers, &["https://bank.example"]));
    assert!(foreign(headers, &["http://app.bank.example"]));
    assert!(foreign(&[("sec-fetch-site", "cross-site")], &["https://app.bank.example"]));
}

#[test]
fn another_site_can_neither_send_a_message_nor_spend_an_attempt() {
    let headers: Pairs<'_> = &[("sec-fetch-site", "cross-site"), ("flexsecure-pin", "12345678")];
    let client = read(&PlainRequest { method: "GET", path: "/", headers });
    assert!(client.is_silent);
    assert!(client.pin.is_none());
}

#[test]
fn a_prefetch_sends_nothing() {
    for header in
        [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")]
    {
        let headers: Pairs<'_> = &[header, ("sec-fetch-site", "same-origin")];
        let client = read(&PlainRequest { method: "GET", path: "/", headers });
        assert!(client.is_silent, "{header:?}");
    }
}

fn return_to(path: &str) -> Option<Box<str>> {
    let headers: Pairs<'_> = &[("sec-fetch-mode", "navigate")];
    read(&PlainRequest { method: "GET", path, headers }).way.back().map(Box::from)
}

#[test]
fn a_browser_is_sent_back_to_a_path_of_this_site_and_nowhere_else() {
    for path in ["/", "/statements", "/a/b?c=d&e=%2F%2Fevil.example", "/a//b"] {
        assert_eq!(return_to(path).as_deref(), Some(path));
    }
    for path in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "",
        "evil.example",
        "/\t/evil.example",
        "/a\r\nset-cookie: x=y",
        "/\u{fe00}evil",
        "/ /evil.example",
    ] {
        assert_eq!(return_to(path), None, "{path:?}");
    }
    assert_eq!(return_to(&format!("/{}", "a".repeat(4096))), None);
}

#[test]
fn only_a_request_without_side_effects_is_come_back_to() {
    let headers: Pairs<'_> = &[("sec-fetch-mode", "navigate")];
    let client = read(&PlainRequest { method: "POST", path: "/transfers", headers });
    assert_eq!((client.format, client.way.back()), (HTML, None));
}

#[test]
fn the_form_of_an_answer_follows_what_the_client_says() {
    let rows: &[(Pairs<'_>, Format)] = &[
        (&[], Format::Json),
        (&[("accept", "*/*")], Format::Json),
        (&[("accept", "application/json")], Format::Json),
        (&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], HTML),
        (&[("accept", "TEXT/HTML")], HTML),
        (&[("accept", "text/html;q=0.5, application/json")], Format::Json),
        (&[("accept", "text/html;q=0")], Format::Json),
        (&[("accept", "text/html;q=NaN")], Format::Json),
        (&[("accept", "application/json;q=0.5, text/html;q=0.6")], HTML),
        (&[("accept", "application/json"), ("sec-fetch-mode", "navigate")], HTML),
        (&[("accept", "text/html;Q=0.5, application/json;q=0.9")], Format::Json),
        (&[("accept", "text/html ; level=1 ; q=0.5, application/json;q=0.4")], HTML),
        (&[("accept", "a/b;c=\", text/html, \", application/json")], Format::Json),
        (&[("accept", "a/b;c=\"\\\", text/html")], Format::Json),
        (&[("accept", ", ,, text/html,")], HTML),
        (&[("content-type", "Application/GRPC")], Format::Grpc),
        (&[("content-type", "application/grp\u{e9}")], Format::Json),
        (&[("content-type", "application/grpc")], Format::Grpc),
        (&[("content-type", "application/grpc+proto"), ("accept", "text/html")], Format::Grpc),
    ];
    for (headers, expected) in rows {
        let request = PlainRequest { method: "GET", path: "/", headers };
        assert_eq!(format(&request, &site()), *expected, "{headers:?}");
    }
}

/// Notes which headers are looked at.
struct Watched<'a> {
    request: PlainRequest<'a>,
    names: RefCell<BTreeSet<String>>,
}

impl RequestView for Watched<'_> {
    fn method(&self) -> &str {
        self.request.method
    }

    fn path(&self) -> &str {
        self.request.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.names.borrow_mut().insert(name.to_owned());
        self.request.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.request.headers(show);
    }
}

/// T52: what the gate looks at, an answer depends on; a login is by cookie or token.
#[test]
fn an_answer_varies_by_every_header_that_is_looked_at() {
    let requests: &[Pairs<'_>] =
        &[&[], &[("origin", "https://bank.example")], &[("sec-fetch-site", "cross-site")]];
    let mut names = BTreeSet::from(["authorization".to_owned(), "cookie".to_owned()]);
    for headers in requests {
        let request = PlainRequest { method: "GET", path: "/", headers };
        let watched = Watched { request, names: RefCell::default() };
        let _ = read(&watched);
        names.append(&mut watched.names.into_inner());
    }
    // The host is part of what a cache looks an answer up by, and the user agent is passed on alone.
    assert!(names.remove("host") && names.remove("user-agent"));
    let listed: BTreeSet<_> = VARY.split(", ").map(str::to_ascii_lowercase).collect();
    assert_eq!(listed, names);
}

#[test]
fn an_unusable_wait_is_none_and_a_longer_one_is_capped() {
    let longest = Duration::from_secs(30);
    for (prefer, seconds) in [
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("Wait = 7", 7),
        ("wait=\"3\"", 3),
        ("wait=31", 30),
        ("wait=18446744073709551615", 30),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait=", 0),
        ("await=5", 0),
        ("wait=abc, wait=5", 0),
        ("wait=6, wait=5", 6),
        ("wait=8; strict", 8),
        ("respond-async; wait=5", 0),
        ("note=\"a, wait=5\"", 0),
        ("note=\"a, \\\", wait=5\", wait=9", 9),
        (", ,wait=4", 4),
        ("", 0),
    ] {
        let headers: Pairs<'_> = &[("prefer", prefer)];
        let request = PlainRequest { method: "GET", path: "/", headers };
        assert_eq!(wait(&request, longest), Duration::from_secs(seconds), "{prefer:?}");
    }
}

/// RFC 9110, section 5.3: a list may come on several lines.
#[test]
fn a_list_is_the_same_on_however_many_lines_it_comes() {
    let headers: Pairs<'_> = &[
        ("prefer", "respond-async"),
        ("accept", "application/json;q=0.5"),
        ("prefer", "wait=5"),
        ("accept", "text/html"),
    ];
    let request = PlainRequest { method: "GET", path: "/", headers };
    assert_eq!(wait(&request, Duration::from_secs(30)), Duration::from_secs(5));
    assert_eq!(format(&request, &site()), HTML);
}
