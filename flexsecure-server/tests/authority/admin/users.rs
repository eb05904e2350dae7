use reqwest::header::{ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Office, is_problem};
use crate::harness::send;

fn mail(address: &str) -> Value {
    json!({"contacts": [{"channel": "email", "address": address}]})
}

#[tokio::test]
async fn whatever_an_authid_is_it_can_be_put_read_and_deleted() {
    let office = Office::new().await;
    for (path, auth_id) in [
        ("users/a%2Fb%20c", "a/b c"),
        ("users/Zo%C3%AB", "Zoë"),
        ("users/import", "import"),
        ("users/%2e%2e%2f", "../"),
        ("users/50%25", "50%"),
        ("users/%3F%23", "?#"),
        ("users/%3Dcmd", "=cmd"),
    ] {
        let put = office.put(path, &mail("a@example.com")).await;
        assert_eq!((put.status.as_u16(), &put.json()["authid"]), (201, &json!(auth_id)));
        assert_eq!(office.get(path).await.json()["authid"], auth_id);
        let assigned = format!("{path}/assignments/bank");
        assert_eq!(office.put(&assigned, &json!({"method": "pin"})).await.status, 204, "{path}");
        assert_eq!(office.delete(path).await.status, 204);
        assert_eq!(office.get(path).await.status, 404);
    }
    is_problem(&office.put("users/%00", &mail("a@example.com")).await, 404, "not-found", &[]);
    is_problem(&office.put("users/a%0Ab", &mail("a@example.com")).await, 422, "invalid", &[]);
    is_problem(&office.get("users/%FF").await, 400, "malformed", &[]);
}

#[tokio::test]
async fn what_is_wrong_in_a_body_is_pointed_at_and_nothing_is_written() {
    let office = Office::new().await;
    let before = office.authority.dump().await;
    let contact = json!({"channel": "email", "address": "a@example.com"});
    let with = |field: &str, value: Value| {
        let mut body = json!({"contacts": [contact.clone()]});
        body[field] = value;
        body
    };
    for (body, pointers) in [
        (json!({}), &[""][..]),
        (json!({"contacts": []}), &["/contacts"]),
        (json!({"contacts": [contact, contact]}), &["/contacts/1"]),
        (
            json!({"contacts": [contact, {"channel": "sms", "address": "079"}]}),
            &["/contacts/1/address"],
        ),
        (json!({"contacts": [{"channel": "fax", "address": "1"}]}), &["/contacts/0/channel"]),
        (with("locale", json!("no such thing")), &["/locale"]),
        (with("disabled", json!("yes")), &["/disabled"]),
        (with("admin", json!(true)), &["/admin"]),
        (
            with("assignments", json!([{"system": "nowhere", "method": "pin"}])),
            &["/assignments/0/system"],
        ),
        (
            with("assignments", json!([{"system": "a\u{0}b", "method": "pin"}])),
            &["/assignments/0/system"],
        ),
        (
            with(
                "assignments",
                json!([{"system": "bank", "method": "pin"}, {"system": "bank", "method": "pin"}]),
            ),
            &["/assignments/1/system"],
        ),
    ] {
        is_problem(&office.put("users/new", &body).await, 422, "invalid", pointers);
    }
    let unknown = json!([{"system": "bank", "method": "pin"}, {"system": "x", "method": "pin"}]);
    let answer = office.put("users/carol/assignments", &unknown).await;
    is_problem(&answer, 422, "invalid", &["/1/system"]);
    is_problem(&office.put("users/nobody/assignments", &json!([])).await, 404, "not-found", &[]);
    assert_eq!(office.authority.dump().await, before);
}

#[tokio::test]
async fn a_method_that_is_off_is_a_conflict_that_says_so() {
    let office = Office::new().await;
    office.put("systems/links", &json!({"pin": false, "passwordless": true})).await;
    let answer = office.put("users/carol/assignments/links", &json!({"method": "pin"})).await;
    is_problem(&answer, 409, "conflict", &[]);
    let all = json!([{"system": "bank", "method": "pin"}, {"system": "links", "method": "pin"}]);
    let answer = office.put("users/carol/assignments", &all).await;
    is_problem(&answer, 409, "conflict", &["/1/method"]);
    assert_eq!(office.get("users/carol").await.json()["assignments"], json!([]), "all or none");
}

#[tokio::test]
async fn contacts_are_tried_in_the_order_in_which_they_are_put() {
    let office = Office::new().await;
    let (mail, sms) = (
        json!({"channel": "email", "address": "alice@example.org"}),
        json!({"channel": "sms", "address": "+41790000009"}),
    );
    for order in [[&sms, &mail], [&mail, &sms]] {
        let put = office.put("users/alice", &json!({"contacts": order})).await.json();
        assert_eq!(put["contacts"], json!(order));
        assert_eq!(put["assignments"].as_array().unwrap().len(), 2, "they stay");
    }
    assert_eq!(office.authority.audited("user changed").await, 2);
}

#[tokio::test]
async fn a_user_who_loses_a_system_or_is_deleted_is_asked_no_more() {
    let office = Office::new().await;
    let alice = office.authority.start("alice").await;
    assert_eq!(office.delete("users/alice/assignments/bank").await.status, 204);
    let check = office.authority.check("alice", json!({"txn": alice["txn"]})).await;
    assert_eq!(check.json()["result"], "expired");
    is_problem(&office.delete("users/alice/assignments/bank").await, 404, "not-found", &[]);
    let bob = office.authority.start("bob").await;
    assert_eq!(office.delete("users/bob").await.status, 204);
    let check = office.authority.check("bob", json!({"txn": bob["txn"]})).await;
    assert_eq!(check.status, 403);
    assert_eq!(office.authority.audited("user deleted").await, 1);
}

#[tokio::test]
async fn a_switched_method_counts_from_the_next_start_on() {
    let office = Office::new().await;
    office.authority.start("alice").await;
    let pin = office.authority.newest().pin().unwrap().to_owned();
    let link = json!({"method": "passwordless"});
    assert_eq!(office.put("users/alice/assignments/bank", &link).await.status, 204);
    let answer = office.authority.check("alice", json!({"pin": pin})).await;
    assert_eq!(answer.json()["result"], "authenticated");
    assert_eq!(office.authority.start("alice").await["method"], "passwordless");
}

#[tokio::test]
async fn what_is_no_request_of_ours_is_told_so() {
    let office = Office::new().await;
    let url = |path: &str| format!("{}/v1/admin/{path}", office.authority.base);
    let http = &office.authority.http;
    let put = |path: &str| http.put(url(path)).header("apikey", &office.key);
    is_problem(&send(put("users/x").body("{}")).await, 415, "media-type", &[]);
    let json = put("users/x").header(CONTENT_TYPE, "application/json; charset=utf-8");
    is_problem(&send(json.try_clone().unwrap().body("{")).await, 400, "malformed", &[]);
    is_problem(&send(json.try_clone().unwrap().body("{} x")).await, 422, "invalid", &[""]);
    is_problem(&send(json.body(" ".repeat(64 * 1024 + 1))).await, 413, "too-large", &[]);
    let answer = office.post("users/x", &json!({})).await;
    is_problem(&answer, 405, "method-not-allowed", &[]);
    assert!(answer.headers[ALLOW].to_str().unwrap().contains("PUT"));
    is_problem(&office.get("nothing").await, 404, "not-found", &[]);
    is_problem(&office.get("users?limit=0").await, 400, "malformed", &[]);
    is_problem(&office.get("users?limit=501").await, 400, "malformed", &[]);
    is_problem(&office.get("users?page=2").await, 400, "malformed", &[]);
    is_problem(&office.get("users?cursor=%21").await, 400, "malformed", &[]);
}
