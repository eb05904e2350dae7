use flexsecure_server::Scopes;
use serde_json::Value;

use super::{
    Office, admin_key,
    document::{Call, calls},
    is_problem,
};
use crate::harness::{Answer, send};

async fn ask(office: &Office, call: &Call, key: Option<&str>) -> Answer {
    // Names that nothing has: nothing is found, if anybody looks.
    let path = call.path.replace("{authid}", "nobody").replace("{system}", "nowhere");
    let url = format!("{}{}", office.authority.base, path.replace("{name}", "nothing"));
    let mut request = office.authority.http.request(call.method.clone(), url);
    if let Some(key) = key {
        request = request.header("apikey", key);
    }
    request = match call.media_type.as_deref() {
        Some("application/json") => request.json(&call.body),
        Some(other) => request.header("content-type", other).body("{}"),
        None => request,
    };
    send(request).await
}

/// T48
#[tokio::test]
async fn each_call_asks_for_its_scope_and_no_other_opens_it() {
    let office = Office::new().await;
    let words = ["authenticate", "admin:read", "admin:write"];
    for sole in words {
        let scopes = Scopes {
            authenticate: sole == "authenticate",
            admin_read: sole == "admin:read",
            admin_write: sole == "admin:write",
        };
        let key = admin_key(office.directory(), scopes).await;
        for call in calls(&office).await {
            let answer = ask(&office, &call, Some(&key)).await;
            let is_admin = call.path.starts_with("/v1/admin/");
            if call.scope == sole {
                assert!(answer.status != 401, "{call:?} {answer:?}");
                assert!(!is_admin || answer.status != 403, "{call:?} {answer:?}");
            } else if is_admin {
                is_problem(&answer, 403, "scope-missing", &[]);
                let detail = answer.json()["detail"].clone();
                assert!(detail.as_str().unwrap().contains(&call.scope), "{call:?} {detail}");
            } else {
                assert_eq!(answer.status, 401, "{call:?} {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_that_is_missing_writes_nothing_and_no_key_is_told_nothing() {
    let office = Office::new().await;
    let reader = admin_key(office.directory(), Scopes::ADMIN_READ).await;
    let asks = admin_key(office.directory(), Scopes::AUTHENTICATE).await;
    let all = calls(&office).await;
    for key in [&reader, &asks] {
        ask(&office, &all[0], Some(key)).await;
    }
    let before = office.authority.dump().await;
    for call in all.iter().filter(|call| call.path.starts_with("/v1/admin/")) {
        let keys: [(Option<&str>, bool); 3] =
            [(None, false), (Some(&asks), false), (Some(&reader), call.scope == "admin:read")];
        for (key, may) in keys {
            let answer = ask(&office, call, key).await;
            if !may {
                let expected = if key.is_some() { 403 } else { 401 };
                assert_eq!(answer.status, expected, "{call:?} {answer:?}");
                assert!(answer.json()["errors"] == Value::Null);
            }
        }
    }
    assert_eq!(office.authority.dump().await, before);
}
