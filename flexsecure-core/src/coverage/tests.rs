use super::*;
use crate::HeadRouting;
use crate::refusal::Reason;

const ASKED: Option<Problem> = Some(Problem::StepUpRequired(Reason::Missing));

/// An app is what it answers.
fn report(routes: &[&str], app: impl Fn(&Probe) -> (u16, Option<Problem>)) -> Report {
    let mut report = Report::new(HeadRouting::AsGet);
    for probe in probes(routes) {
        let (status, problem) = app(&probe);
        report.note(probe, status, problem);
    }
    report
}

fn is_open(path: &str) -> impl Fn(&Probe) -> (u16, Option<Problem>) {
    move |probe| if probe.path == path { (200, None) } else { (401, ASKED) }
}

#[test]
fn an_answer_of_the_gate_is_gated_whatever_its_status_and_nothing_else_is() {
    assert_eq!(Finding::of(401, ASKED, true), Finding::Gated);
    assert_eq!(Finding::of(303, ASKED, true), Finding::Gated);
    assert_eq!(Finding::of(401, Some(Problem::IdentificationRequired), false), Finding::Gated);
    let unknown = Finding::of(401, Some(Problem::IdentificationRequired), true);
    assert_eq!(unknown, Finding::Unidentified);
    assert_eq!(Finding::of(403, Some(Problem::Denied), true), Finding::Denied);
    for status in [200, 204, 301, 400, 401, 403, 415, 500, 503] {
        assert_eq!(Finding::of(status, None, true), Finding::Open, "{status}");
    }
    for status in [404, 405] {
        assert_eq!(Finding::of(status, None, true), Finding::Absent, "{status}");
        assert_eq!(Finding::of(status, ASKED, true), Finding::Gated, "{status}");
    }
}

#[test]
fn a_route_is_asked_for_in_many_ways() {
    let asked = probes(&["GET /admin/users?page=2"]);
    let paths: Vec<&str> = asked.iter().map(|probe| &*probe.path).collect();
    for path in [
        "//admin/users?page=2",
        "/%61dmin/users?page=2",
        "/admin/%75sers?page=2",
        "/admin%2fusers?page=2",
        "/ADMIN/USERS?page=2",
        "/Admin/Users?page=2",
        "/admin/./users?page=2",
        "/x/../admin/users?page=2",
        "/admin;x=y/users?page=2",
        "/admin/users/?page=2",
        "/admin/users?x=/health",
        "/%61%64",
        "/admin/users/zzz",
        "/admin/usersx",
        "/admin",
        "/admin/",
        "/admin/zzz",
        "/adminx",
        "/no-such-route-7f3a",
    ] {
        assert!(paths.iter().any(|asked| asked.starts_with(path)), "{path} is not asked for");
    }
    let methods = asked.iter().filter(|probe| probe.shape == Shape::Method).count();
    assert!(methods >= 11 && asked.len() > 60, "{methods} {}", asked.len());
}

#[test]
#[should_panic(expected = "is no route")]
fn what_is_no_route_is_not_skipped() {
    let _ = probes(&["/statements"]);
}

#[test]
fn all_is_well_if_the_gate_answers_everything() {
    let all_gated = report(&["GET /a", "POST /a/b"], |_| (401, ASKED));
    all_gated.assert_gated_except(&[]);
    assert_eq!(all_gated.to_string(), "gated        GET /a\ngated        POST /a/b\n");
    assert_eq!((all_gated.open().count(), all_gated.finding("GET /b")), (0, None));
}

#[test]
fn whatever_is_open_is_told_with_its_cause() {
    for (open, line, cause) in [
        ("/a/b", "\n  GET /a/b is open: answered 200", "- a route: "),
        ("//a/b", "\n  GET //a/b, another spelling of GET /a/b, is open", "- a spelling: "),
        ("/a/b/zzz", "\n  GET /a/b/zzz, next to GET /a/b, is open", "- a neighbour: "),
        (
            "/no-such-route-7f3a",
            "\n  GET /no-such-route-7f3a, which is no route,",
            "- a neighbour: ",
        ),
    ] {
        let told = report(&["GET /a/b"], is_open(open)).gated_except(&[]).unwrap_err().to_string();
        assert!(told.contains(line) && told.contains(cause), "{open}: {told}");
    }
    let by_post = |probe: &Probe| if probe.method == "POST" { (200, None) } else { (401, ASKED) };
    let told = report(&["GET /a"], by_post).gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains("\n  POST /a, another method of GET /a, is open"), "{told}");
    assert!(told.contains("- a method: "), "{told}");
    let to_nobody = |probe: &Probe| {
        if probe.is_logged_in { (401, ASKED) } else { (200, None) }
    };
    let to_nobody = report(&["GET /a"], to_nobody);
    assert_eq!(to_nobody.finding("GET /a"), Some(Finding::Open));
    let told = to_nobody.gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains("GET /a, with nobody logged in, is open"), "{told}");
}

#[test]
fn what_is_named_as_open_may_be_and_its_spellings_with_it() {
    let spelled = |probe: &Probe| match probe.shape {
        Shape::Route | Shape::Spelling => (200, None),
        Shape::Method if probe.method == "HEAD" => (200, None),
        Shape::Method | Shape::Neighbour => (404, None),
    };
    let spelled = report(&["GET /a"], spelled);
    spelled.assert_gated_except(&["GET /a"]);
    spelled.assert_gated_except(&["* /a"]);
    assert!(spelled.gated_except(&["POST /a"]).is_err());
    let mut apart = Report::new(HeadRouting::Apart);
    for probe in probes(&["GET /a"]) {
        let is_read = matches!(&*probe.method, "GET" | "HEAD");
        apart.note(probe, if is_read { 200 } else { 404 }, None);
    }
    assert!(apart.gated_except(&["GET /a"]).unwrap_err().to_string().contains("HEAD /a"));
    assert!(spelled.gated_except(&["* *"]).is_err());
    let told = spelled.gated_except(&["GET /a", "GET /b"]).unwrap_err().to_string();
    assert!(told.contains("GET /b: named as open, but no such route was listed"), "{told}");

    let preflight = |probe: &Probe| {
        if probe.method == "OPTIONS" { (200, None) } else { (401, ASKED) }
    };
    let preflight = report(&["GET /a", "GET /b"], preflight);
    preflight.assert_gated_except(&["OPTIONS *"]);
    assert!(preflight.gated_except(&["* /a"]).is_err());
    // Whatever is open of one route, its other methods are not.
    let by_post = |probe: &Probe| if probe.method == "PUT" { (200, None) } else { (401, ASKED) };
    assert!(report(&["GET /a"], by_post).gated_except(&["GET /a"]).is_err());
}

#[test]
fn what_says_nothing_about_the_gate_is_no_assurance() {
    for (status, problem, word) in [
        (404, None, "is absent"),
        (403, Some(Problem::Denied), "is denied"),
        (401, Some(Problem::IdentificationRequired), "is unidentified"),
    ] {
        let found = report(&["GET /a"], |_| (status, problem));
        let told = found.gated_except(&[]).unwrap_err().to_string();
        assert!(told.contains(word), "{told}");
    }
}
