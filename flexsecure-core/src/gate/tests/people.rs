//! Somebody in front of a browser: pages in the place of what was refused, and what they carry.

use std::sync::Arc;

use super::world::{PIN, World, alice, bank};
use crate::authority::{ScriptedAuthority, StartReply};
use crate::policy::OnDemand;
use crate::refusal::Answer;
use crate::{Check, FlowBody, Pass, PlainRequest, Policy, Refusal, Verdict};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const NAVIGATION: (&str, &str) = ("sec-fetch-mode", "navigate");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ORDER: &str = "to=bob&amount=250.00&note=%C3%A4+%26&token=abc";

struct Page(Answer);

impl Page {
    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.0.headers().iter();
        headers.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// With what the template engine escapes and a browser reads back.
    fn html(&self) -> String {
        std::str::from_utf8(self.0.body()).unwrap().replace("&#x2f;", "/")
    }

    fn has(&self, part: &str) -> bool {
        self.html().contains(part)
    }

    fn leads_to(&self) -> Option<&str> {
        assert_eq!(self.0.status() == 303, self.header("location").is_some());
        self.header("location")
    }

    /// The value of a hidden field.
    fn hidden(&self, name: &str) -> Option<String> {
        let html = self.html();
        let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    }

    fn flow(&self) -> String {
        let html = self.html();
        let (_, rest) = html.split_once("data-url=\"").expect("a flow");
        rest.split('"').next().unwrap().to_owned()
    }
}

async fn refusal(world: &World, method: &str, path: &str, headers: Pairs<'_>) -> Refusal {
    let headers = [&[NAVIGATION], headers].concat();
    let view = PlainRequest { method, path, headers: &headers };
    let policy: Arc<dyn Policy> = Arc::new(bank());
    let verdict = match world.gate.check(&policy, &view, Some(&alice())) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    };
    let Verdict::Refuse(refusal) = verdict else { panic!("the request was let through") };
    refusal
}

async fn get(world: &World, path: &str) -> Page {
    Page(refusal(world, "GET", path, &[]).await.into_answer())
}

/// A form that is sent to `/transfers?from=1`, by a browser that says more in `headers`.
async fn post(world: &World, body: &str, headers: Pairs<'_>) -> Page {
    let length = body.len().to_string();
    let headers = [&[FORM, ("content-length", length.as_str())], headers].concat();
    let refusal = refusal(world, "POST", "/transfers?from=1", &headers).await;
    let is_read = refusal.form_reading().is_some();
    let refusal = if is_read { refusal.carrying(body.to_owned().into()) } else { refusal };
    Page(refusal.into_answer())
}

async fn endpoint(world: &World, request: &str, body: &str, headers: Pairs<'_>) -> Page {
    let (method, path) = request.split_once(' ').unwrap();
    let headers = [&[NAVIGATION, FORM], headers].concat();
    let view = PlainRequest { method, path, headers: &headers };
    let asked = world.gate.flow_request(path, &view, Some(&alice()));
    Page(world.gate.answer(asked, FlowBody::Complete(body.to_owned().into())).await)
}

fn by_pin() -> World {
    World::new(ScriptedAuthority::pin(PIN))
}

#[tokio::test]
async fn a_page_is_led_to_its_flow_and_comes_back() {
    let world = by_pin();
    let led = get(&world, "/statements?month=11").await;
    let flow = led.leads_to().unwrap().to_owned();
    assert!(flow.starts_with("/step-up/flows/"));
    let page = endpoint(&world, &format!("GET {flow}"), "", &[]).await;
    assert!(page.has("data-back=\"/statements?month=11\""), "{}", page.html());
    assert!(page.has("id=\"pin-form\""));
    let wrong = endpoint(&world, &format!("POST {flow}/pin"), "pin=11111111", &[]).await;
    assert_eq!(wrong.0.status(), 403);
    assert!(wrong.has("data-back=\"/statements?month=11\""), "{}", wrong.html());
    // As the form of that page sends it: what is wrong is told here too.
    let pin = "pin=11111111&back=/statements?month%3D11";
    let wrong = endpoint(&world, &format!("POST {flow}/pin"), pin, &[]).await;
    assert_eq!((wrong.0.status(), wrong.has("id=\"problem\"")), (403, true));
    // It would be loaded again from where there is nothing to load.
    assert!(!wrong.has("http-equiv"));
    let done = endpoint(&world, &format!("POST {flow}/pin"), &format!("pin={PIN}"), &[]).await;
    assert_eq!(done.leads_to(), Some(&*flow));
    let again = endpoint(&world, &format!("GET {flow}"), "", &[]).await;
    assert_eq!(again.leads_to(), Some("/statements?month=11"));
}

/// Of many tabs each one lands where it was, though they share a flow.
#[tokio::test]
async fn each_page_comes_back_to_its_own_path() {
    let world = by_pin();
    get(&world, "/first").await;
    let second = get(&world, "/second?x=1&y=2").await;
    assert_eq!(second.0.status(), 401);
    assert!(second.header("www-authenticate").unwrap().starts_with("FlexSecure "));
    assert_eq!(second.hidden("back").as_deref(), Some("/second?x=1&amp;y=2"));
    assert_eq!(world.authority.messages(), 1);
    let submit = format!("POST {}/pin", second.flow());
    let wrong = endpoint(&world, &submit, "pin=11111111&back=/second?x=1%26y=2", &[]).await;
    assert_eq!((wrong.0.status(), wrong.hidden("back").is_some()), (403, true));
    let right = format!("pin={PIN}&back=/second?x=1%26y=2");
    let done = endpoint(&world, &submit, &right, &[]).await;
    assert_eq!(done.leads_to(), Some("/second?x=1&y=2"));
}

#[tokio::test]
async fn a_form_is_carried_to_the_end_and_sent_by_nobody_but_the_user() {
    let world = by_pin();
    let page = post(&world, ORDER, &[]).await;
    assert_eq!((page.0.status(), world.authority.messages()), (401, 1));
    assert_eq!(page.hidden("back").as_deref(), Some("/transfers?from=1"));
    let form = page.hidden("form").unwrap();
    assert!(!page.has("id=\"again\"") && !page.has("data-back"), "{}", page.html());
    // It would be loaded again without the form.
    assert!(!page.has("http-equiv"));

    let flow = page.flow();
    let carried = format!("back=/transfers?from=1&form={form}");
    for (request, status) in [
        (format!("POST {flow}"), 200),
        (format!("POST {flow}/start"), 429),
        (format!("POST {flow}/pin"), 400),
    ] {
        let page = endpoint(&world, &request, &format!("{carried}&pin=1"), &[]).await;
        assert_eq!(page.0.status(), status, "{request}");
        assert_eq!(page.hidden("form").as_deref(), Some(&*form), "{request}");
        assert!(!page.has("id=\"again\""), "{request}");
    }
    let submit = format!("POST {flow}/pin");
    let done = endpoint(&world, &submit, &format!("pin={PIN}&{carried}"), &[]).await;
    assert_eq!(done.0.status(), 200);
    for part in [
        "<form id=\"again\" method=\"post\" action=\"/transfers?from=1\">",
        "name=\"to\" value=\"bob\"",
        "name=\"note\" value=\"\u{e4} &amp;\"",
        "name=\"token\" value=\"abc\"",
        "<dd><bdi>250.00</bdi></dd>",
    ] {
        assert!(done.has(part), "{part}: {}", done.html());
    }
    assert!(!done.has("<bdi>abc</bdi>"));
    let loaded = endpoint(&world, &format!("POST {flow}"), &carried, &[]).await;
    assert_eq!(loaded.html(), done.html());
}

/// Before any proof is asked.
#[tokio::test]
async fn a_form_that_cannot_be_carried_sends_nothing_before_that_is_said() {
    let long = "a".repeat(64 * 1024 + 1).len().to_string();
    let rows: &[Pairs<'_>] = &[
        &[("content-type", "multipart/form-data; boundary=x"), ("content-length", "9")],
        &[("content-type", "text/plain"), ("content-length", "9")],
        &[FORM, ("content-length", &long)],
        &[FORM, ("content-length", "-1")],
        &[FORM],
        &[("content-length", "0")],
        &[FORM, ("content-length", "9"), ("content-encoding", "gzip")],
    ];
    for headers in rows {
        let world = by_pin();
        let refusal = refusal(&world, "POST", "/transfers", headers).await;
        assert!(refusal.form_reading().is_none(), "{headers:?}");
        let page = Page(refusal.into_answer());
        assert_eq!((page.0.status(), world.authority.messages()), (401, 0), "{headers:?}");
        assert!(page.has("can&#x27;t be kept here") && page.has("id=\"start\""), "{}", page.html());
        assert!(page.hidden("form").is_none());
        let started = endpoint(&world, &format!("POST {}/start", page.flow()), "", &[]).await;
        assert_eq!(started.leads_to(), Some(&*page.flow()));
        assert_eq!(world.authority.messages(), 1);
    }
}

/// What cannot be sent again as it was is not carried either.
#[tokio::test]
async fn a_form_that_would_change_on_the_way_is_not_carried() {
    let world = by_pin();
    let page = post(&world, "to=%ff", &[]).await;
    assert!(page.hidden("form").is_none() && page.has("can&#x27;t be kept here"));
}

/// T06, T40: our page must not pass off as the user's own what another site made up.
#[tokio::test]
async fn a_form_of_another_site_is_neither_carried_nor_answered_by_a_message() {
    for header in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let world = by_pin();
        let page = post(&world, "to=mallory&amount=9000", &[header]).await;
        assert_eq!((page.0.status(), world.authority.messages()), (401, 0));
        assert!(page.hidden("form").is_none() && !page.has("mallory"), "{}", page.html());
        assert!(page.has("Another site has sent this form"));

        let flow = page.flow();
        let carried = "back=/transfers&form=dG89bWFsbG9yeQ";
        for request in ["", "/start", "/pin", "/cancel"] {
            let request = format!("POST {flow}{request}");
            let answer = endpoint(&world, &request, carried, &[header]).await;
            assert_eq!(answer.0.status(), 403, "{request}");
            assert!(answer.hidden("form").is_none() && !answer.has("mallory"), "{request}");
        }
        assert_eq!(world.authority.messages(), 0);
    }
}

/// T42: nor does a page lead to another site, whatever it is said to carry.
#[tokio::test]
async fn nothing_leads_to_another_site() {
    let world = by_pin();
    get(&world, "/statements").await;
    let flow = get(&world, "/other").await.flow();
    endpoint(&world, &format!("POST {flow}/pin"), &format!("pin={PIN}"), &[]).await;
    for back in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/%0D%0Aset-cookie:a=b",
        "%09//evil.example",
        "/\u{2025}/evil.example",
        "",
    ] {
        for form in ["", "&form=dG89Ym9i"] {
            let (request, body) = (format!("POST {flow}"), format!("back={back}{form}"));
            let page = endpoint(&world, &request, &body, &[]).await;
            assert_eq!(page.leads_to(), Some("/statements"), "{back}");
        }
    }
}

#[tokio::test]
async fn a_flow_is_cancelled_by_a_form_too_and_can_be_tried_again() {
    let world = by_pin();
    get(&world, "/statements").await;
    let page = get(&world, "/other").await;
    let cancel = format!("POST {}/cancel", page.flow());
    let cancelled = endpoint(&world, &cancel, "back=/other", &[]).await;
    assert!(cancelled.has("data-state=\"expired\"") && cancelled.has("This was cancelled"));
    assert!(cancelled.has("<a id=\"go-on\" class=\"button\" href=\"/other\">Try again</a>"));
    let again = endpoint(&world, &cancel, "back=/other", &[]).await;
    assert_eq!(again.0.status(), 409);
}

/// A handler has read the body: it is carried if it is handed over.
#[tokio::test]
async fn a_handler_hands_over_the_form_that_it_has_read() {
    for (form, messages) in [(Some(ORDER), 1), (None, 0), (Some("to=%ff"), 0)] {
        let world = by_pin();
        let headers = [NAVIGATION, FORM, ("content-length", "40")];
        let view = PlainRequest { method: "POST", path: "/transfers", headers: &headers };
        let policy: Arc<dyn Policy> = Arc::new(OnDemand);
        let check = world.gate.check(&policy, &view, Some(&alice()));
        let Check::Done(Verdict::Pass(Pass::OnDemand(ask))) = check else { panic!("{check:?}") };
        let ask = ask.carrying(form.map(Into::into));
        let refusal = ask.require(bank()).await.unwrap_err();
        assert!(refusal.form_reading().is_none());
        let page = Page(refusal.into_answer());
        assert_eq!(world.authority.messages(), messages, "{form:?}");
        assert_eq!(page.hidden("form").is_some(), messages == 1, "{form:?}");
    }
}

#[tokio::test]
async fn a_problem_without_a_flow_has_a_way_on_as_well() {
    let world = by_pin();
    world.authority.answer_starts(|_| Some(StartReply::NotStarted { retry_after: None }));
    let page = get(&world, "/statements").await;
    assert_eq!((page.0.status(), page.header("retry-after").is_some()), (503, true));
    assert!(page.has("can&#x27;t be reached") && page.has("href=\"/statements\">Try again"));
    assert!(!page.has("data-url"));
    let page = post(&world, ORDER, &[]).await;
    assert_eq!(page.0.status(), 503);
    assert!(page.has("<form id=\"again\"") && page.has("Try again</button>"), "{}", page.html());
}

#[tokio::test]
async fn people_are_answered_in_their_language() {
    let world = by_pin();
    get(&world, "/statements").await;
    let view = [NAVIGATION, ("accept-language", "de-AT, en;q=0.5")];
    let request = PlainRequest { method: "GET", path: "/other", headers: &view };
    let policy: Arc<dyn Policy> = Arc::new(bank());
    let Check::Pending(pending) = world.gate.check(&policy, &request, Some(&alice())) else {
        panic!("it takes a proof")
    };
    let Verdict::Refuse(refusal) = pending.await else { panic!("it takes a proof") };
    let page = Page(refusal.into_answer());
    assert_eq!(page.header("content-language"), Some("de"));
    assert!(page.header("vary").unwrap().ends_with(", Accept-Language"));
    assert!(page.has("<html lang=\"de\" dir=\"ltr\">") && page.has("PIN aus Ihrer Nachricht"));
}

#[tokio::test]
async fn the_files_of_the_page_are_there_for_everybody() {
    let world = by_pin();
    for (name, content_type) in [
        ("step-up.css", "text/css; charset=utf-8"),
        ("step-up.js", "text/javascript; charset=utf-8"),
    ] {
        let view = PlainRequest { method: "GET", path: &format!("/step-up/{name}"), headers: &[] };
        let asked = world.gate.flow_request("/", &view, None);
        let file = Page(world.gate.answer(asked, FlowBody::Complete("".into())).await);
        assert_eq!((file.0.status(), file.header("content-type")), (200, Some(content_type)));
        assert_eq!(file.header("cache-control"), Some("public, max-age=300"));
        assert!(!file.0.body().is_empty());
        assert_eq!(
            endpoint(&world, &format!("POST /step-up/{name}"), "", &[]).await.0.status(),
            405
        );
    }
    assert_eq!(endpoint(&world, "GET /step-up/logo", "", &[]).await.0.status(), 404);
}
