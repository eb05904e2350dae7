use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::{Office, is_problem};
use crate::harness::send;

impl Office {
    async fn works(&self, key: &str) -> bool {
        let (base, http) = (&self.authority.base, &self.authority.http);
        let look = http.get(format!("{base}/v1/capabilities")).header("apikey", key);
        let works = send(look).await.status == 200;
        // A poll has its key and its challenge found at once.
        let poll = http.post(format!("{base}/v1/check")).header("apikey", key);
        let poll = send(poll.json(&json!({"system": "bank", "authid": "nobody"}))).await;
        assert_eq!(poll.status.as_u16(), if works { 403 } else { 401 });
        works
    }

    async fn make(&self, body: &Value) -> String {
        let answer = self.post("keys", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["key"].as_str().unwrap().to_owned()
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// T49
#[tokio::test]
async fn a_rotated_key_is_good_for_another_day_and_revoking_ends_both() {
    let office = Office::new().await;
    let old = office.make(&json!({"name": "app", "scopes": ["authenticate"]})).await;
    let rotated = office.post("keys/app/rotate", &json!(null)).await;
    assert_eq!(rotated.status, 201, "{rotated:?}");
    let new = rotated.json()["key"].as_str().unwrap().to_owned();
    assert!(old != new && office.works(&old).await && office.works(&new).await);
    let listed = office.get("keys").await.json();
    let of_app: Vec<_> =
        listed["items"].as_array().unwrap().iter().filter(|key| key["name"] == "app").collect();
    assert_eq!(of_app.len(), 2);
    assert!(of_app[0]["replaced_at"].is_string() && of_app[1]["replaced_at"].is_null());
    assert!(of_app[0]["expires_at"].is_string() && of_app[1]["expires_at"].is_null());
    assert_eq!(office.get("keys/app").await.json(), rotated.json()["about"]);

    office.authority.clock.advance(24 * HOUR - Duration::from_millis(1));
    assert!(office.works(&old).await);
    office.authority.clock.advance(Duration::from_millis(1));
    assert!(!office.works(&old).await && office.works(&new).await);

    let newest = office.post("keys/app/rotate", &json!(null)).await.json()["key"].clone();
    assert!(office.works(&new).await && office.works(newest.as_str().unwrap()).await);
    assert_eq!(office.delete("keys/app").await.status, 204);
    assert!(!office.works(&new).await && !office.works(newest.as_str().unwrap()).await);
    is_problem(&office.delete("keys/app").await, 404, "not-found", &[]);
    assert_eq!(office.authority.audited("api key rotated").await, 2);
}

#[tokio::test]
async fn an_expiring_key_keeps_its_end_when_it_is_replaced() {
    let office = Office::new().await;
    let body = json!({"name": "app", "scopes": ["authenticate"], "expires_in_days": 1});
    let old = office.make(&body).await;
    office.authority.clock.advance(12 * HOUR);
    let new = office.post("keys/app/rotate", &json!(null)).await.json()["key"].clone();
    office.authority.clock.advance(12 * HOUR);
    assert!(!office.works(&old).await, "it would have ended anyway");
    assert!(office.works(new.as_str().unwrap()).await);
    office.authority.clock.advance(12 * HOUR);
    assert!(!office.works(new.as_str().unwrap()).await, "as long as the old one was to live");
    is_problem(&office.post("keys/app/rotate", &json!(null)).await, 404, "not-found", &[]);
}

#[tokio::test]
async fn a_key_for_one_system_asks_for_no_other() {
    let office = Office::new().await;
    let body = json!({"name": "till", "scopes": ["authenticate"], "system": "bank"});
    let key = office.make(&body).await;
    let rotated = office.post("keys/till/rotate", &json!(null)).await.json();
    assert_eq!(rotated["about"]["scopes"], body["scopes"]);
    let call = async |key: &str, path: &str, wait: &str, body: Value| {
        let url = format!("{}/v1/{path}", office.authority.base);
        let call = office.authority.http.post(url).header("apikey", key).json(&body);
        send(call.header("prefer", wait)).await
    };
    // There is something to be told, to whoever may ask.
    let other = json!({"system": "bank-transfers", "authid": "alice"});
    for path in ["start", "check"] {
        assert_eq!(office.authority.post(&format!("/v1/{path}"), &other).await.status, 200);
    }
    for key in [key.as_str(), rotated["key"].as_str().unwrap()] {
        for (system, status) in [("bank", 200), ("bank-transfers", 403)] {
            let body = json!({"system": system, "authid": "alice"});
            for (path, wait) in [("start", ""), ("check", ""), ("check", "wait=1")] {
                let answer = call(key, path, wait, body.clone()).await;
                assert_eq!(answer.status, status, "{path} {wait} {system}");
            }
        }
        let pin = json!({"system": "bank-transfers", "authid": "alice", "pin": "00000000"});
        let answer = call(key, "check", "", pin).await.json();
        assert_eq!(answer, json!({"result": "security error"}), "not even that it is wrong");
    }
}

#[tokio::test]
async fn what_no_key_can_be_is_refused_and_a_name_is_held_by_one() {
    let office = Office::new().await;
    let body = |more: Value| {
        let mut body = json!({"name": "new", "scopes": ["authenticate"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": ["root"]}), "/scopes/0"),
        (json!({"system": "nowhere"}), "/system"),
        (json!({"system": "bank", "scopes": ["authenticate", "admin:write"]}), "/system"),
        (json!({"expires_in_days": 0}), "/expires_in_days"),
        (json!({"expires_in_days": 3651}), "/expires_in_days"),
        (json!({"account": "other"}), "/account"),
    ] {
        is_problem(&office.post("keys", &body(more)).await, 422, "invalid", &[pointer]);
    }
    office.make(&body(json!({}))).await;
    is_problem(&office.post("keys", &body(json!({}))).await, 409, "conflict", &[]);
}

#[tokio::test]
async fn a_key_says_to_the_minute_when_it_administered() {
    let office = Office::new().await;
    let name = "keys/admin:read%20admin:write";
    let used = async || office.get(name).await.json()["last_used_at"].clone();
    let first = used().await;
    office.authority.clock.advance(Duration::from_secs(59));
    assert_eq!(used().await, first);
    office.authority.clock.advance(Duration::from_secs(1));
    assert_ne!(used().await, first);
}

#[tokio::test]
async fn without_a_live_key_nothing_is_told() {
    let office = Office::new().await;
    let url = format!("{}/v1/admin/users/alice", office.authority.base);
    let http = &office.authority.http;
    for request in [http.get(&url), http.get(&url).header("apikey", "fsk_x")] {
        let answer = send(request).await;
        is_problem(&answer, 401, "unauthorized", &[]);
        assert_eq!(answer.headers[WWW_AUTHENTICATE], "ApiKey");
    }
}
