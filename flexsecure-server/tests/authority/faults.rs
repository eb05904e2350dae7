use reqwest::RequestBuilder;
use serde_json::json;

use crate::harness::{Authority, send};

/// Breaks the database under a running server.
async fn broken() -> (Authority, String, String) {
    let authority = Authority::new().await;
    let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
    let link = authority.newest().link().unwrap().to_owned();
    authority.sql("ALTER TABLE challenges RENAME TO gone").await.unwrap();
    (authority, link, number)
}

/// F71
#[tokio::test]
async fn a_broken_database_is_an_outage_and_no_answer() {
    let (authority, link, number) = broken().await;
    let body = json!({"system": "bank", "authid": "alice"});
    let with_pin = json!({"system": "bank", "authid": "alice", "pin": "12345678"});
    let form = [("match", number.as_str()), ("action", "approve")];
    let calls: [(RequestBuilder, bool); 6] = [
        (authority.request("/v1/start", &body), true),
        (authority.request("/v1/check", &body), true),
        (authority.request("/v1/check", &with_pin), true),
        (authority.request("/v1/check", &body).header("prefer", "wait=30"), true),
        (authority.http.get(&link), false),
        (authority.http.post(&link).form(&form), false),
    ];
    for (request, is_json) in calls {
        let answer = send(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        assert!(!answer.body.contains("gone") && !answer.body.contains("SELECT"));
        if is_json {
            assert_eq!(answer.json(), json!({"result": "unavailable"}));
        }
    }
    assert_eq!(authority.sent(), 1);
}
