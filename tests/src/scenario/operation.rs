//! A proof is for what the request itself says that it is about to do, fields of its body included
//! (T02, T03, T20).

use crate::client::Request;
use crate::counts::Bearer;
use crate::flow::Flow;
use crate::subject::Subject;

/// T02, T03: whatever is changed of it is another operation; how it is written down is not.
pub async fn a_proof_is_for_what_the_request_is_about_to_do(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let answer = alice.send(order("1", BODY)).await;
    let flow = answer.refused("missing");
    assert_eq!(answer.json()["operation"], "Transfer 250 EUR from 1 to bob");
    let message = counter.newest_message().await;
    assert!(message.text().contains("Transfer 250 EUR from 1 to bob"), "{message:?}");
    let pin = counter.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    for (account, body) in [
        ("1", r#"{"to":"bob","amount":2500}"#),
        ("1", r#"{"to":"bob","amount":250.01}"#),
        ("1", r#"{"to":"bob","amount":"250"}"#),
        ("1", r#"{"to":"eve","amount":250}"#),
        ("1", r#"{"to":"Bob","amount":250}"#),
        ("2", BODY),
    ] {
        let answer = alice.send(silently(order(account, body))).await;
        assert_eq!(answer.refused("operation").state(), "idle", "{account} {body}");
    }
    let by_form = Request::post("/orders/1").form(&[("to", "bob"), ("amount", "250")]);
    let _idle = alice.send(silently(by_form)).await.refused("operation");
    let by_another_method = Request::new("PUT", "/orders/1").body(JSON, BODY);
    let _idle = alice.send(silently(by_another_method)).await.refused("operation");
    assert!(counter.counts().await.is_empty(), "{:?}", counter.counts().await);

    // The same as ever, but for its looks.
    let same = "{ \"amount\" : 2.5e2,\n\"note\":\"new\", \"to\":\"b\\u006fb\" }";
    alice.send(order("1", same)).await.assert_status(200);
    let _spent = alice.send(silently(order("1", BODY))).await.refused("spent");
    let expected = [("bytes".to_owned(), same.len()), ("orders".to_owned(), 1)].into();
    assert_eq!(counter.counts().await, expected, "the body was handed on as it came");
    assert_eq!(counter.message_count().await, 1);
}

/// What two parsers could read in two ways is read in none, and nobody is asked for anything.
pub async fn a_body_that_can_be_read_in_two_ways_is_refused(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    for body in [
        r#"{"to":"bob","amount":250,"amount":2500}"#,
        r#"{"to":"bob","amount":250,"am\u006funt":2500}"#,
        r#"{"to":"bob"}"#,
        r#"{"to":"bob","amount":null}"#,
        r#"{"to":"bob","amount":[250]}"#,
        r#"{"to":"bob","amount":1e99}"#,
        r#"[{"to":"bob","amount":250}]"#,
        r#"{"to":"bob","amount":250"#,
        "",
    ] {
        alice.send(order("1", body)).await.assert_problem(400, "body-malformed");
    }
    let twice = Request::post("/orders/1").form(&[("to", "bob"), ("to", "eve"), ("amount", "1")]);
    alice.send(twice).await.assert_problem(400, "body-malformed");
    let plain = Request::post("/orders/1").body("text/plain", BODY);
    alice.send(plain).await.assert_problem(415, "content-type-unsupported");
    let large = format!(r#"{{"to":"bob","amount":250,"note":"{}"}}"#, "x".repeat(65_536));
    alice.send(order("1", &large)).await.assert_problem(413, "body-too-large");
    let stranger = counter.bearer("nobody");
    stranger.send(order("1", BODY)).await.assert_problem(401, "identification-required");
    assert!(counter.counts().await.is_empty(), "{:?}", counter.counts().await);
    assert_eq!(counter.message_count().await, 0);
}

/// T20: of 64 repeats at once, one is let through.
pub async fn an_approved_order_runs_once_of_sixty_four(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let flow = prove(counter, &alice).await;
    let repeat = alice.signed(silently(order("1", BODY)));
    let answers = alice.client().volley(&repeat, 64).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((answers.len(), passed), (64, 1));
    assert_eq!(counter.came_through("orders").await, 1);
    alice.get(flow.url()).await.flow().assert_state("authenticated");
}

async fn prove(counter: &Subject, alice: &Bearer) -> Flow {
    let flow = alice.send(order("1", BODY)).await.refused("missing");
    let pin = counter.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    flow
}

fn order(account: &str, body: &str) -> Request {
    Request::post(&format!("/orders/{account}")).body(JSON, body)
}

/// As from another site: refused like any other, and no message is sent for it.
fn silently(request: Request) -> Request {
    request.header("sec-fetch-site", "cross-site")
}

const JSON: &str = "application/json";

const BODY: &str = r#"{"to":"bob","amount":250}"#;
