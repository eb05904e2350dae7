use std::time::Duration;

use serde_json::json;

use crate::{
    asked::Asked,
    harness::{Authority, send},
};

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
        // Nothing of a script, and nothing that the policy would have to stop.
        assert!(!page.body.contains("script") && !page.body.contains("style="));
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
async fn it_says_what_is_asked_when_and_from_where_in_the_language_of_the_browser() {
    let asked = Asked::new().await;
    let authority = &asked.authority;
    // 30 November 2026, 23:48:27.
    authority.sql("UPDATE challenges SET created_at = 1796082507999").await.unwrap();
    let common = [
        "<bdi>Transfer 250.00 EUR to &lt;b&gt;Zoë&lt;&#x2f;b&gt;</bdi>",
        "<dd><bdi>bank</bdi></dd>",
        "<dd><bdi>203.0.113.7</bdi></dd>",
        "<input id=\"match\" name=\"match\"",
        "<label for=\"match\">",
        "<button name=\"action\" value=\"approve\">",
        "<button name=\"action\" value=\"decline\"",
    ];
    let english = [
        "<html lang=\"en\" dir=\"ltr\">",
        "<time datetime=\"2026-11-30T23:48:27Z\" dir=\"auto\">30 November 2026, 23:48 UTC</time>",
        "<bdi>Firefox on Windows</bdi> <span class=\"hint\">by its own account</span>",
        ">Approve</button>",
        ">This wasn’t me</button>",
        "nobody is let in",
    ];
    let german = [
        "<html lang=\"de\" dir=\"ltr\">",
        "<time datetime=\"2026-11-30T23:48:27Z\" dir=\"auto\">30. November 2026, 23:48 Uhr UTC</time>",
        "<bdi>Firefox auf Windows</bdi> <span class=\"hint\">nach eigener Angabe</span>",
        ">Zustimmen</button>",
        ">Das war ich nicht</button>",
        "wird niemand eingelassen",
    ];
    for (accept, tag, texts) in
        [("en-GB,en;q=0.5", "en", english), ("de-CH,de;q=0.9,en;q=0.1", "de", german)]
    {
        let page = asked.page(accept).await;
        assert_eq!(page.headers["content-language"], tag);
        for text in common.iter().chain(&texts) {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
    }
    assert!(asked.page("fr").await.body.contains(">Approve</button>"));
}

#[tokio::test]
async fn nothing_that_whoever_asks_says_of_itself_becomes_part_of_the_page() {
    let authority = Authority::new().await;
    for (index, (user_agent, shown)) in [
        ("<script>alert(1)</script> Firefox/1 <b>", Some("Firefox")),
        ("Your bank: \u{202e}approve this at once", None),
        ("\"><img src=x onerror=alert(1)> curl/8 Linux", Some("curl on Linux")),
        ("", None),
    ]
    .into_iter()
    .enumerate()
    {
        let operation = format!("transfer {index}");
        let body = json!({
            "system": "bank", "authid": "bob", "user_agent": user_agent, "operation": operation,
        });
        assert_eq!(authority.post("/v1/start", &body).await.status, 200);
        let page = send(authority.http.get(authority.newest().link().unwrap())).await.body;
        let device = page.lines().find_map(|line| line.strip_prefix("<dt>Device</dt><dd><bdi>"));
        let device = device.map(|line| line.split_once("</bdi>").unwrap().0);
        assert_eq!(device, shown, "{user_agent}");
        for part in ["alert", "Your bank", "\u{202e}", "<b>", "<img"] {
            assert!(!page.contains(part), "{part}: {page}");
        }
        assert!(page.contains("<dd>unknown</dd>"), "{page}");
    }
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
        // Told at once, and again by the field that has the focus.
        assert!(page.body.contains("<p class=\"problem\" id=\"problem\" role=\"alert\">"));
        assert!(
            page.body.contains(
                "aria-describedby=\"problem match-hint\" aria-invalid=\"true\" autofocus>"
            )
        );
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

    // However he was disabled: nothing has been withdrawn here.
    let asked = Asked::new().await;
    let disabled = "UPDATE users SET disabled = TRUE WHERE auth_id = 'bob'";
    asked.authority.sql(disabled).await.unwrap();
    assert_eq!(asked.page("en").await.status, 404);
    assert_eq!(asked.answer(&asked.number, "approve").await.status, 404);
    let states = "SELECT state FROM challenges";
    assert_eq!(asked.authority.sql(states).await.unwrap().concat(), ["pending"]);
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
