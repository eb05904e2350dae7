//! Would this need a proof now?

use serde_json::json;

use super::{alice_with_statements, transfer};
use crate::subject::Subject;

/// Asking first sends nothing.
pub async fn a_probe_tells_what_a_request_would_take_and_sends_nothing(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let missing = json!({"required": true, "reason": "missing"});
    let open = json!({"required": false});
    for (query, expected) in [
        ("path=/statements", &missing),
        ("path=/statements&method=GET", &missing),
        ("path=/admin/users", &missing),
        ("path=/transfers&method=POST&to=bob&amount=250", &missing),
        ("path=/transfers&method=POST&to=bob&amount=99.99", &open),
        ("path=/transfers", &open),
        ("path=/balance", &open),
        ("path=/healthz", &open),
    ] {
        let answer = alice.get(&format!("/probe?{query}")).await.with(200);
        assert_eq!(&answer.json(), expected, "{query}");
    }
    alice.get("/probe?path=/zzz").await.assert_status(404);
    assert_eq!(bank.message_count().await, 0);
}

/// It tells apart what is held.
pub async fn a_probe_knows_what_the_session_holds(bank: &Subject) {
    let mut alice = alice_with_statements(bank).await;
    let open = json!({"required": false});
    assert_eq!(alice.get("/probe?path=/statements").await.with(200).json(), open);
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    let probe = "/probe?path=/transfers&method=POST&to=bob&amount=";
    for _ in 0..3 {
        let answer = alice.get(&format!("{probe}250")).await.with(200);
        assert_eq!(answer.json(), open, "a probe uses nothing up");
    }
    let other = alice.get(&format!("{probe}251")).await.with(200);
    assert_eq!(other.json(), json!({"required": true, "reason": "operation"}));
    alice.send(transfer("bob", 250)).await.assert_status(201);
    let spent = alice.get(&format!("{probe}250")).await.with(200);
    assert_eq!(spent.json(), json!({"required": true, "reason": "spent"}));
}
