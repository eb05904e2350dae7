//! What reads mail before its receiver does, and follows all that is in it.

use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use tokio::task::JoinSet;

use crate::{asked::Asked, harness::send};

/// As many at once as an organisation with a few of them has.
const ROBOTS: usize = 50;

const FORM: &str = "application/x-www-form-urlencoded";

/// Where a page leads: each address in it.
fn addresses(page: &str) -> Vec<String> {
    let of = |name: &str| {
        let start = format!(" {name}=\"");
        let rests: Vec<_> = page.split(&start).skip(1).collect();
        rests.into_iter().map(|rest| rest.split('"').next().unwrap().replace("&#x2f;", "/"))
    };
    ["href", "action", "src", "formaction"].into_iter().flat_map(of).collect()
}

/// All that a robot tries, and what each is answered. It even guesses the number, where no person would send it.
fn requests(asked: &Asked, page: &str) -> Vec<(u16, RequestBuilder)> {
    let (http, link, number) = (&asked.authority.http, &asked.link, &asked.number);
    let right = format!("action=approve&match={number}");
    let get = |query: &str| (200, http.get(format!("{link}?{query}")));
    let post = |status, content_type: &str, body: &str| {
        (status, http.post(link).header(CONTENT_TYPE, content_type).body(body.to_owned()))
    };
    let mut requests = vec![
        (200, http.get(link)),
        (200, http.head(link)),
        (405, http.request(Method::OPTIONS, link)),
        (200, http.get(link).header("purpose", "prefetch")),
        (200, http.get(link).header("sec-purpose", "prefetch;prerender")),
        (200, http.get(link).header("x-moz", "prefetch")),
        (200, http.get(link).header("sec-fetch-mode", "navigate").header("sec-fetch-user", "?1")),
        // The form, sent by GET.
        get(&right),
        get("action=approve&match="),
        get("action=approve"),
        get("action=decline&match="),
        get("match="),
        (200, http.head(format!("{link}?{right}"))),
        // The form, sent by POST, by whoever can't read what is asked for.
        post(422, FORM, ""),
        post(422, FORM, "action=approve"),
        post(422, FORM, "action=approve&match="),
        post(422, FORM, "action=approve&match=%20%20"),
        post(422, FORM, "action=approve&match=test"),
        post(422, FORM, "match="),
        post(422, FORM, &format!("match={number}")),
        post(422, FORM, "email=robot%40example.com&submit=1"),
        (422, http.post(format!("{link}?{right}")).header(CONTENT_TYPE, FORM)),
        (415, http.post(link)),
        (415, http.post(format!("{link}?{right}"))),
    ];
    let json = [
        "{}",
        r#"{"action":"approve"}"#,
        r#"{"url":"x"}"#,
        &format!(r#"{{"action":"approve","match":"{number}"}}"#),
    ];
    requests.extend(json.map(|body| post(415, "application/json", body)));
    requests
        .extend(["", "action=approve", "url=x", &right].map(|body| post(415, "text/plain", body)));
    let part = |name: &str, value: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let end = "--b--\r\n";
    let parts = [
        end.to_owned(),
        format!("{}{end}", part("action", "approve")),
        format!("{}{end}", part("url", "x")),
        format!("{}{}{end}", part("action", "approve"), part("match", number)),
    ];
    requests.extend(parts.map(|body| post(415, "multipart/form-data; boundary=b", &body)));
    let methods = [Method::PUT, Method::PATCH, Method::DELETE];
    requests.extend(methods.map(|method| (405, http.request(method, link).body(right.clone()))));
    for address in addresses(page) {
        let url = url::Url::parse(link).unwrap().join(&address).unwrap();
        requests.push((200, http.get(url)));
    }
    requests
}

/// The challenge, and all that the trail says.
async fn stored(asked: &Asked) -> (String, Vec<String>) {
    let challenge = "SELECT state, attempts, claimed, expires_at, sent_at FROM challenges";
    let challenge = asked.authority.sql(challenge).await.unwrap();
    let trail = "SELECT event FROM audit WHERE challenge_id IS NOT NULL ORDER BY id";
    let trail = asked.authority.sql(trail).await.unwrap();
    (challenge.concat().join(" "), trail.concat())
}

/// T25
#[tokio::test(flavor = "multi_thread")]
async fn robots_that_follow_everything_decide_nothing() {
    let asked = Asked::new().await;
    asked.authority.until_audited("sent").await;
    let before = stored(&asked).await;
    assert!(before.0.starts_with("pending ") && before.1 == ["start", "sent"], "{before:?}");
    let page = asked.page("en").await.body;
    assert_eq!(addresses(&page), ["/style.css"]);

    let mut robots = JoinSet::new();
    for _ in 0..ROBOTS {
        let requests = requests(&asked, &page);
        robots.spawn(async move {
            for (status, request) in requests {
                let line = format!("{request:?}");
                let answer = send(request).await;
                assert_eq!(answer.status, status, "{line}: {answer:?}");
                assert!(!answer.headers.contains_key("set-cookie"), "{line}");
            }
        });
    }
    robots.join_all().await;

    assert!(asked.is_pending().await);
    assert_eq!(stored(&asked).await, before);
    let page = asked.answer(&asked.number, "approve").await;
    assert!(page.status == 200 && page.body.contains("<h1>Approved</h1>"), "{page:?}");
    assert_eq!(asked.check().await.json()["result"], "authenticated");
    assert_eq!(stored(&asked).await.1, ["start", "sent", "authenticated"]);
}
