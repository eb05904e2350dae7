use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Authority, send};

fn is_guarded(answer: &Answer) {
    let expected = [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.headers.get(name).unwrap(), value, "{answer:?}");
    }
}

#[tokio::test]
async fn every_page_is_guarded_errors_too() {
    let authority = Authority::new().await;
    authority.start("bob").await;
    let link = authority.newest().link().unwrap().to_owned();
    let http = &authority.http;
    let url = |path: &str| format!("{}{path}", authority.base);
    let large = "x".repeat(20_000);
    let pages = [
        (200, http.get(url("/"))),
        (200, http.get(url("/inbox"))),
        (200, http.get(&link)),
        (404, http.get(url("/nothing"))),
        (404, http.get(url("/a/unknown"))),
        (404, http.get(url("/a/%FF"))),
        (404, http.post(url("/a/%FF")).form(&[("action", "decline")])),
        (404, http.get(url("/logo"))),
        (405, http.delete(&link)),
        (405, http.post(url("/inbox"))),
        (415, http.post(&link).body("match=12")),
        (413, http.post(&link).form(&[("match", &large)])),
        (403, http.post(&link).form(&[("match", "12")]).header("sec-fetch-site", "cross-site")),
        (422, http.post(&link).form(&[("action", "approve")])),
        (200, http.post(&link).form(&[("action", "decline")])),
        (404, http.get(&link)),
    ];
    for (status, request) in pages {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{answer:?}");
        assert!(answer.body.contains("<h1>") && !answer.body.contains("<script"));
        assert_eq!(answer.headers["vary"], "Accept-Language", "{answer:?}");
        assert_eq!(answer.headers["content-language"], "en", "{answer:?}");
        is_guarded(&answer);
    }
}

#[tokio::test]
async fn the_stylesheet_and_the_health_check_are_there() {
    let authority = Authority::new().await;
    let style = authority.get("/style.css").await;
    assert_eq!(
        (style.status.as_u16(), &style.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );
    assert_eq!(authority.get("/health/alive").await.status, 200);
}

#[tokio::test]
async fn the_inbox_is_newest_first_and_holds_what_applies() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    authority.start("bob").await;
    let inbox = authority.get("/inbox.json").await.json();
    let messages = authority.server.inbox().messages();
    let expected = json!([
        {
            "to": "bob@example.com", "channel": "email", "system": "bank", "kind": "passwordless",
            "link": messages[0].link(), "text": messages[0].text(),
        },
        {
            "to": "alice@example.com", "channel": "email", "system": "bank", "kind": "pin",
            "pin": messages[1].pin(), "text": messages[1].text(),
        },
    ]);
    assert_eq!(inbox, expected);
    assert!(authority.get("/inbox").await.body.contains(messages[1].pin().unwrap()));
}

#[tokio::test]
async fn the_api_refuses_what_it_can_not_use() {
    let authority = Authority::new().await;
    let url = format!("{}/v1/start", authority.base);
    let post = || authority.http.post(&url).header("apikey", &authority.key);
    let json_type = ("content-type", "application/json");
    let cases = [
        (400, post().header(json_type.0, json_type.1).body("{")),
        (400, post().header(json_type.0, json_type.1).body("")),
        (400, post().json(&json!([]))),
        (400, post().json(&json!({"system": "bank"}))),
        (400, post().json(&json!({"system": 1, "authid": "alice"}))),
        (
            400,
            post()
                .header(json_type.0, json_type.1)
                .body(r#"{"system":"bank","authid":"bob","authid":"alice"}"#),
        ),
        (400, post().json(&json!({"system": "bank", "authid": "alice", "ip": "here"}))),
        (
            400,
            post()
                .json(&json!({"system": "bank", "authid": "alice"}))
                .header("idempotency-key", ""),
        ),
        (413, post().json(&json!({"system": "bank", "authid": "x".repeat(20_000)}))),
        (415, post().body(r#"{"system":"bank","authid":"alice"}"#)),
        (405, authority.http.get(&url)),
        (405, authority.http.post(format!("{}/v1/capabilities", authority.base))),
    ];
    for (status, request) in cases {
        let answer = send(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["result"]),
            (status, &json!("bad request"))
        );
        assert!(answer.json()["detail"].is_string());
        is_guarded(&answer);
    }
    let told = json!({"result": "bad request",
        "detail": "a field is missing, given twice, or of the wrong type"});
    let deep = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    assert_eq!(send(post().header(json_type.0, json_type.1).body(deep)).await.status, 400);
    // Whom nobody knows is told that first.
    for path in ["start", "check"] {
        let stranger = authority.http.post(format!("{}/v1/{path}", authority.base));
        let stranger = stranger.header("apikey", "fsk_nobody").body("{");
        send(stranger).await.is(401, &json!({"result": "security error"}));
        authority.post(&format!("/v1/{path}"), &json!([])).await.is(400, &told);
    }
    authority.get("/v1/nothing").await.is(404, &json!({"result": "not found"}));
    assert_eq!(authority.sent(), 0);
}

#[tokio::test]
async fn every_call_needs_a_live_key() {
    let mut authority = Authority::new().await;
    let refused = json!({"result": "security error"});
    let good = authority.key.clone();
    let calls = async |authority: &Authority, status: u16, answer: Option<&Value>| {
        let capabilities = authority.http.get(format!("{}/v1/capabilities", authority.base));
        let body = json!({"system": "bank", "authid": "nobody"});
        let requests = [
            capabilities.header("apikey", &authority.key),
            authority.request("/v1/start", &body),
            authority.request("/v1/check", &body),
        ];
        for request in requests {
            let got = send(request).await;
            if let Some(answer) = answer {
                got.is(status, answer);
            } else {
                assert_ne!(got.status.as_u16(), 401);
            }
        }
    };
    calls(&authority, 200, None).await;
    let mut forged = good.clone();
    forged.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
    // Well-formed, down to its checksum, with the prefix of a live key.
    let body = &forged[..forged.len() - 6];
    let sum: String = Sha256::digest(body)[..3].iter().map(|byte| format!("{byte:02x}")).collect();
    let well_formed = format!("{body}{sum}");
    for wrong in ["", "nonsense", &good[..good.len() - 1], &forged, &well_formed] {
        authority.key = wrong.to_owned();
        calls(&authority, 401, Some(&refused)).await;
    }
    // Another server, as this one has met enough wrong keys by now.
    let mut authority = authority.twin().await;
    let directory = authority.server.directory().clone();
    authority.key = directory
        .create_expiring_key("short", std::time::Duration::from_secs(60))
        .await
        .unwrap()
        .expose()
        .to_owned();
    calls(&authority, 200, None).await;
    authority.clock.advance(std::time::Duration::from_secs(60));
    calls(&authority, 401, Some(&refused)).await;

    authority.key = good;
    calls(&authority, 200, None).await;
    directory.revoke_key("tests").await.unwrap();
    calls(&authority, 401, Some(&refused)).await;
    let no_key = authority.http.get(format!("{}/v1/capabilities", authority.base));
    send(no_key).await.is(401, &refused);
}

#[tokio::test]
async fn it_says_what_it_can_do() {
    let authority = Authority::new().await;
    let request = authority.http.get(format!("{}/v1/capabilities", authority.base));
    let answer = send(request.header("apikey", &authority.key)).await;
    answer.is(200, &json!({"txn": true, "match": true, "wait": 30, "idempotency": true}));
}
