use serde_json::json;

use super::{Office, is_problem};

#[tokio::test]
async fn a_system_is_put_read_and_deleted() {
    let office = Office::new().await;
    let vpn = json!({"name": "vpn", "pin": true, "passwordless": false, "requires_txn": false});
    office.put("systems/vpn", &json!({"pin": true, "passwordless": false})).await.is(201, &vpn);
    office.get("systems/vpn").await.is(200, &vpn);
    let changed = json!({"pin": true, "passwordless": true, "requires_txn": true});
    assert_eq!(office.put("systems/vpn", &changed).await.json()["requires_txn"], true);
    assert_eq!(office.delete("systems/vpn").await.status, 204);
    is_problem(&office.delete("systems/vpn").await, 404, "not-found", &[]);
    is_problem(&office.get("systems/vpn").await, 404, "not-found", &[]);
    assert_eq!(office.authority.audited("system deleted").await, 1);
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let office = Office::new().await;
    let alice = json!({
        "contacts": [{"channel": "email", "address": "alice@example.com"},
                     {"channel": "sms", "address": "+41790000001"}],
        "assignments": [{"system": "bank", "method": "pin"},
                        {"system": "bank-transfers", "method": "pin"}],
        "disabled": false,
    });
    let before = office.authority.dump().await;
    let both = json!({"pin": true, "passwordless": true});
    for (path, body) in [
        ("systems/bank", both),
        ("users/alice", alice.clone()),
        ("users/alice/assignments", alice["assignments"].clone()),
        ("users/alice/assignments/bank", json!({"method": "pin"})),
        ("users/dave/disabled", json!(null)),
        ("account", json!({"sms_countries": ["+41"], "sms_daily_budget": 1000})),
    ] {
        let answer = office.put(path, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    }
    for path in ["users/alice/disabled", "users/alice/failures"] {
        assert_eq!(office.delete(path).await.status, 204, "{path}");
    }
    assert_eq!(office.authority.dump().await, before);
}

#[tokio::test]
async fn deleting_a_system_ends_what_waits_and_the_keys_for_it_alone() {
    let office = Office::new().await;
    let only = office
        .post("keys", &json!({"name": "till", "scopes": ["authenticate"], "system": "bank"}))
        .await;
    assert_eq!(only.status, 201, "{only:?}");
    office.authority.start("bob").await;
    assert_eq!(office.delete("systems/bank").await.status, 204);
    assert_eq!(office.authority.audited("withdrawn").await, 1);
    assert_eq!(office.authority.audited("api key revoked").await, 1);
    is_problem(&office.get("keys/till").await, 404, "not-found", &[]);
    let bob = office.get("users/bob").await.json();
    assert_eq!(bob["assignments"], json!([{"system": "bank-transfers", "method": "passwordless"}]));
    assert_eq!(office.authority.check("bob", json!({})).await.status, 403);
}

#[tokio::test]
async fn an_account_says_where_sms_may_go() {
    let office = Office::new().await;
    let set = json!({"sms_countries": ["+41", "+49"], "sms_daily_budget": 7});
    let answer = office.put("account", &set).await.json();
    assert_eq!(
        (&answer["sms_countries"], &answer["sms_daily_budget"], &answer["name"]),
        (&json!(["+41", "+49"]), &json!(7), &json!("default"))
    );
    let bad = json!({"sms_countries": ["+41", "49"], "sms_daily_budget": 7});
    is_problem(&office.put("account", &bad).await, 422, "invalid", &["/sms_countries/1"]);
    let bad = json!({"sms_countries": [], "sms_daily_budget": 3_000_000_000_u32});
    is_problem(&office.put("account", &bad).await, 422, "invalid", &["/sms_daily_budget"]);
}
