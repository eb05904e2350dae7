use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Authority, send};

struct Asked {
    authority: Authority,
    link: String,
    number: String,
    txn: Value,
}

impl Asked {
    async fn new() -> Self {
        let authority = Authority::new().await;
        let body = json!({
            "system": "bank", "authid": "bob", "ip": "203.0.113.7",
            "user_agent": "Mozilla/5.0", "operation": "Transfer 250.00 EUR to <b>Zoë</b>",
        });
        let started = authority.post("/v1/start", &body).await.json();
        let link = authority.newest().link().unwrap().to_owned();
        let number = started["match"].as_str().unwrap().to_owned();
        Self { txn: started["txn"].clone(), authority, link, number }
    }

    async fn answer(&self, number: &str, action: &str) -> Answer {
        self.authority.answer_link(&self.link, &[("match", number), ("action", action)]).await
    }

    async fn check(&self) -> Answer {
        self.authority.check("bob", json!({"txn": self.txn})).await
    }

    async fn is_pending(&self) -> bool {
        self.check().await.json()["result"] == "pending"
    }

    fn other_number(&self) -> &'static str {
        if self.number == "47" { "48" } else { "47" }
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let asked = Asked::new().await;
    let authority = &asked.authority;
    for _ in 0..3 {
        let page = send(authority.http.get(&asked.link)).await;
        assert_eq!(page.status, 200);
        let shown = ["bank", "Transfer 250.00 EUR to &lt;b&gt;Zoë", "203.0.113.7", "UTC"];
        for text in shown {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(
            !page.body.contains("<b>Zoë") && !page.body.contains(&format!(">{}<", asked.number))
        );
        assert!(!page.headers.contains_key("set-cookie"));
        let head = send(authority.http.head(&asked.link)).await;
        assert_eq!(head.status, 200);
        let query = format!("{}?match={}&action=approve", asked.link, asked.number);
        assert_eq!(send(authority.http.get(query)).await.status, 200);
    }
    assert!(asked.is_pending().await);
}

#[tokio::test]
async fn the_right_number_approves_once() {
    let asked = Asked::new().await;
    let page = asked.answer(&asked.number, "approve").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Approved"));
    for _ in 0..2 {
        asked.check().await.is(200, &json!({"result": "authenticated"}));
    }
    assert_eq!(asked.answer(&asked.number, "approve").await.status, 404);
    assert_eq!(asked.answer("", "decline").await.status, 404);
    asked.check().await.is(200, &json!({"result": "authenticated"}));

    let unbound = async || asked.authority.check("bob", json!({})).await;
    unbound().await.is(200, &json!({"result": "authenticated"}));
    unbound().await.is(403, &json!({"result": "expired"}));
    assert_eq!(asked.authority.audited("authenticated").await, 1);
}

#[tokio::test]
async fn a_wrong_number_ends_it() {
    let asked = Asked::new().await;
    assert_eq!(asked.answer(asked.other_number(), "approve").await.status, 200);
    asked.check().await.is(403, &json!({"result": "security error", "reason": "declined"}));
    assert_eq!(asked.answer(&asked.number, "approve").await.status, 404);
    asked.check().await.is(403, &json!({"result": "security error", "reason": "declined"}));
    assert_eq!(asked.authority.audited("wrong match").await, 1);
}

#[tokio::test]
async fn no_number_changes_nothing() {
    let asked = Asked::new().await;
    for (number, action) in [
        ("", "approve"),
        ("4", "approve"),
        ("471", "approve"),
        ("ab", "approve"),
        (&asked.number, ""),
    ] {
        let page = asked.answer(number, action).await;
        assert_eq!(page.status, 422);
        assert!(page.body.contains("Enter the two digits") && page.body.contains("<form"));
    }
    let nothing: [(&str, &str); 0] = [];
    assert_eq!(asked.authority.answer_link(&asked.link, &nothing).await.status, 422);
    let twice = [("match", asked.other_number()), ("match", &asked.number), ("action", "approve")];
    assert!(asked.authority.answer_link(&asked.link, &twice).await.status.is_client_error());
    assert!(asked.is_pending().await);
}

#[tokio::test]
async fn declining_needs_no_number() {
    let asked = Asked::new().await;
    assert_eq!(asked.answer("", "decline").await.status, 200);
    asked.check().await.is(403, &json!({"result": "security error", "reason": "declined"}));
    assert_eq!(asked.authority.audited("declined").await, 1);
}

#[tokio::test]
async fn an_answer_from_another_page_is_refused() {
    let asked = Asked::new().await;
    let form = [("match", asked.number.as_str()), ("action", "approve")];
    let post = |name: &'static str, value: &str| {
        send(asked.authority.http.post(&asked.link).form(&form).header(name, value.to_owned()))
    };
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ];
    for (name, value) in foreign {
        assert_eq!(post(name, value).await.status, 403, "{name}: {value}");
    }
    assert!(asked.is_pending().await);
    assert_eq!(post("origin", &asked.authority.base).await.status, 200);
}

#[tokio::test]
async fn unknown_answered_and_expired_links_look_alike() {
    let asked = Asked::new().await;
    let authority = &asked.authority;
    let unknown = authority.get("/a/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(unknown.status, 404);

    let answered = Asked::new().await;
    answered.answer("", "decline").await;
    let answered = send(answered.authority.http.get(&answered.link)).await;
    authority.clock.advance(Duration::from_secs(600));
    let expired = send(authority.http.get(&asked.link)).await;
    assert_eq!((answered.status, &answered.body), (unknown.status, &unknown.body));
    assert_eq!((expired.status, &expired.body), (unknown.status, &unknown.body));
    assert_eq!(asked.answer(&asked.number, "approve").await.body, unknown.body);
    asked.check().await.is(403, &json!({"result": "expired"}));
}

#[tokio::test]
async fn a_disabled_user_has_no_link() {
    let asked = Asked::new().await;
    asked.authority.server.directory().disable("bob").await.unwrap();
    assert_eq!(asked.answer(&asked.number, "approve").await.status, 404);
}

#[tokio::test]
async fn no_header_changes_a_link() {
    let authority = Authority::new().await;
    let body = json!({"system": "bank", "authid": "bob"});
    let mut request = authority.request("/v1/start", &body).header("host", "evil.example");
    let names = ["x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded"];
    for name in names {
        request = request.header(name, "evil.example");
    }
    assert_eq!(send(request).await.status, 200);
    let message = authority.newest();
    assert!(message.link().unwrap().starts_with(&format!("{}/a/", authority.base)));
    assert!(!message.text().contains("evil"));
}
