use std::time::Duration;

use flexsecure_server::{Method, NewUser};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Authority, send, wrong};

/// All at once, in turn to two servers on the same file: one connection alone can't interleave with itself.
async fn all_at_once(
    twins: [&Authority; 2],
    count: usize,
    request: impl Fn(&Authority) -> RequestBuilder,
) -> Vec<Answer> {
    let mut sent = JoinSet::new();
    for authority in twins.into_iter().cycle().take(count) {
        sent.spawn(send(request(authority)));
    }
    sent.join_all().await
}

fn results(answers: &[Answer], result: &str) -> usize {
    answers.iter().filter(|answer| answer.json()["result"] == result).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_with_one_key_send_one_message() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    for round in 0..5 {
        let sent = authority.sent() + twin.sent();
        let body =
            json!({"system": "bank", "authid": "bob", "operation": format!("round {round}")});
        let answers = all_at_once([&authority, &twin], 64, |authority| {
            authority
                .request("/v1/start", &body)
                .header("idempotency-key", format!("round {round}"))
        })
        .await;
        let first = answers[0].json();
        assert_eq!(first["result"], "success", "{:?}", answers[0]);
        assert!(answers.iter().all(|answer| answer.json() == first));
        assert_eq!(authority.sent() + twin.sent(), sent + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_without_a_key_send_one_message_too() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let body = json!({"system": "bank", "authid": "alice"});
    let answers =
        all_at_once([&authority, &twin], 64, |authority| authority.request("/v1/start", &body))
            .await;
    let first = answers[0].json();
    assert!(answers.iter().all(|answer| answer.json() == first));
    assert_eq!(authority.sent() + twin.sent(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_right_pins_without_txn_one_is_authenticated() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    for round in 0..20 {
        // No limit of the recipient is met.
        authority.clock.advance(Duration::from_secs(2 * 60 * 60));
        authority.start("alice").await;
        let body = json!({"system": "bank", "authid": "alice", "pin": authority.newest().pin()});
        let answers =
            all_at_once([&authority, &twin], 64, |authority| authority.request("/v1/check", &body))
                .await;
        assert_eq!(results(&answers, "authenticated"), 1, "round {round}");
    }
    assert_eq!(authority.audited("authenticated").await, 20);
}

/// T20
#[tokio::test(flavor = "multi_thread")]
async fn of_checks_of_an_approved_link_without_txn_one_is_authenticated() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let body = json!({"system": "bank", "authid": "bob"});
    for round in 0..20 {
        authority.clock.advance(Duration::from_secs(2 * 60 * 60));
        let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
        let link = authority.newest().link().unwrap().to_owned();
        authority.answer_link(&link, &[("match", &number), ("action", "approve")]).await;
        let answers =
            all_at_once([&authority, &twin], 64, |authority| authority.request("/v1/check", &body))
                .await;
        assert_eq!(results(&answers, "authenticated"), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_wrong_pins_five_are_compared() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let txn = authority.start("alice").await["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    let check = |pin: &str| -> Value {
        json!({"system": "bank", "authid": "alice", "txn": txn, "pin": pin})
    };
    let body = check(wrong(&pin));
    let answers =
        all_at_once([&authority, &twin], 200, |authority| authority.request("/v1/check", &body))
            .await;
    assert_eq!(results(&answers, "security error"), 200);
    let mut left: Vec<_> = answers
        .iter()
        .filter(|answer| answer.json()["reason"] == "pin")
        .map(|answer| answer.json()["attempts_left"].as_u64().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, [1, 2, 3, 4]);
    assert_eq!(authority.audited("wrong pin").await, 5);

    let answer = authority.post("/v1/check", &check(&pin)).await;
    answer.is(403, &json!({"result": "security error", "reason": "attempts", "attempts_left": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_approvals_and_refusals_at_once_one_counts() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    for _ in 0..10 {
        authority.clock.advance(Duration::from_secs(2 * 60 * 60));
        let started = authority.start("bob").await;
        let link = authority.newest().link().unwrap().to_owned();
        let number = started["match"].as_str().unwrap();
        let path = link.strip_prefix(&authority.base).unwrap();
        let mut sent = JoinSet::new();
        for (index, authority) in [&authority, &twin].into_iter().cycle().take(16).enumerate() {
            let action = if index % 4 < 2 { "approve" } else { "decline" };
            let url = format!("{}{path}", authority.base);
            sent.spawn(send(
                authority.http.post(url).form(&[("match", number), ("action", action)]),
            ));
        }
        let answers = sent.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 404).count(), 15);
    }
    assert_eq!(authority.audited("authenticated").await + authority.audited("declined").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_sent_by_one_server_is_known_to_the_other() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    authority.server.directory().assign("carol", &["bank"], Method::Pin).await.unwrap();
    twin.start("carol").await;
    let pin = twin.newest().pin().unwrap().to_owned();
    let answer = authority.check("carol", json!({"pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

/// F70
#[tokio::test(flavor = "multi_thread")]
async fn each_queued_message_is_handed_over_once() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    authority.start("alice").await;
    authority
        .sql(
            "INSERT INTO outbox (account_id, user_id, challenge_id, kind, channel, address,
                 queued_at, due_at)
             WITH RECURSIVE numbers (n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 500)
             SELECT c.account_id, c.user_id, c.id, 'alert', 'email', 'u' || n || '@example.com',
                 c.created_at, c.created_at
             FROM challenges c CROSS JOIN numbers",
        )
        .await
        .unwrap();
    // Nobody was told of them: they are taken as those that somebody left behind.
    authority.clock.advance(Duration::from_secs(5));
    let unsettled = "SELECT count(*) FROM outbox WHERE state <> 'accepted'";
    authority.until_sql(unsettled, "0").await;
    let mut sent: Vec<_> = [&authority, &twin]
        .into_iter()
        .flat_map(|authority| authority.server.inbox().messages())
        .map(|message| message.to().to_owned())
        .collect();
    assert_eq!(sent.len(), 501);
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 501);
    let tries = "SELECT min(tries), max(tries) FROM outbox";
    assert_eq!(authority.sql(tries).await.unwrap().concat(), ["1", "1"]);
}

/// T22, T21: what is counted for the user is counted over all his challenges.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_pins_for_two_challenges_are_all_counted() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    for round in 0..8 {
        authority.clock.advance(Duration::from_secs(6 * 60 * 60));
        let mut checks = Vec::new();
        for operation in ["one", "other"] {
            let start = json!({"system": "bank", "authid": "alice", "operation": operation});
            let txn = authority.post("/v1/start", &start).await.json()["txn"].clone();
            let pin = wrong(authority.newest().pin().unwrap());
            checks.push(json!({"system": "bank", "authid": "alice", "txn": txn, "pin": pin}));
        }
        let mut sent = JoinSet::new();
        for n in 0..8 {
            // Each challenge is asked for at both servers.
            let server = if n % 4 < 2 { &authority } else { &twin };
            sent.spawn(send(server.request("/v1/check", &checks[n % 2])));
        }
        assert_eq!(results(&sent.join_all().await, "security error"), 8);
        let counted = authority.sql("SELECT in_row, streak FROM failures").await.unwrap();
        assert_eq!(counted.concat(), ["8", "8"], "round {round}");
        authority.server.directory().forgive("alice").await.unwrap();
    }
}

/// T60: what other users share is bounded for all of them together.
#[tokio::test(flavor = "multi_thread")]
async fn of_starts_from_one_network_twenty_send() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let directory = authority.server.directory();
    let (mut requests, mut sent) = (Vec::new(), JoinSet::new());
    for n in 0..60 {
        let user = format!("user{n}");
        let email = format!("{user}@example.com");
        directory.add_user(NewUser::new(&user).email(email)).await.unwrap();
        directory.assign(&user, &["bank"], Method::Pin).await.unwrap();
        let body = json!({"system": "bank", "authid": user, "ip": "192.0.2.7"});
        let server = if n % 2 == 0 { &authority } else { &twin };
        requests.push(server.request("/v1/start", &body));
    }
    for request in requests {
        sent.spawn(send(request));
    }
    let answers = sent.join_all().await;
    assert_eq!(results(&answers, "success"), 20);
    assert_eq!(authority.sent() + twin.sent(), 20);
}

/// T08: also of those who share an address.
#[tokio::test(flavor = "multi_thread")]
async fn of_starts_to_one_address_five_send() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let directory = authority.server.directory();
    let mut sent = JoinSet::new();
    let mut requests = Vec::new();
    for n in 0..40 {
        let user = format!("user{n}");
        directory.add_user(NewUser::new(&user).email("all@example.com")).await.unwrap();
        directory.assign(&user, &["bank"], Method::Pin).await.unwrap();
        let server = if n % 2 == 0 { &authority } else { &twin };
        requests.push(server.request("/v1/start", &json!({"system": "bank", "authid": user})));
    }
    for request in requests {
        sent.spawn(send(request));
    }
    assert_eq!(results(&sent.join_all().await, "success"), 5);
    assert_eq!(authority.sent() + twin.sent(), 5);
}

/// T24
#[tokio::test(flavor = "multi_thread")]
async fn of_starts_by_sms_no_more_send_than_there_is_budget_for() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let directory = authority.server.directory();
    directory.set_sms_budget(10).await.unwrap();
    let mut sent = JoinSet::new();
    let mut requests = Vec::new();
    for n in 0..40 {
        let user = format!("user{n}");
        // No two begin alike.
        directory.add_user(NewUser::new(&user).sms(format!("+417{n:02}000001"))).await.unwrap();
        directory.assign(&user, &["bank"], Method::Pin).await.unwrap();
        let server = if n % 2 == 0 { &authority } else { &twin };
        requests.push(server.request("/v1/start", &json!({"system": "bank", "authid": user})));
    }
    for request in requests {
        sent.spawn(send(request));
    }
    assert_eq!(results(&sent.join_all().await, "success"), 10);
    assert_eq!(authority.sent() + twin.sent(), 10);
}

/// T22: what is counted for the user is counted over all his links.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_numbers_for_two_links_are_all_counted() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    for round in 0..8 {
        authority.clock.advance(Duration::from_secs(6 * 60 * 60));
        let mut sent = JoinSet::new();
        let mut requests = Vec::new();
        for (n, server) in [&authority, &twin, &authority, &twin].into_iter().enumerate() {
            let start = json!({"system": "bank", "authid": "bob", "binding": n.to_string()});
            let started = authority.post("/v1/start", &start).await.json();
            let link = authority.newest().link().unwrap().to_owned();
            let path = link.strip_prefix(&authority.base).unwrap();
            let wrong = if started["match"] == "47" { "48" } else { "47" };
            let form = [("match", wrong), ("action", "approve")];
            requests.push(server.http.post(format!("{}{path}", server.base)).form(&form));
        }
        for request in requests {
            sent.spawn(send(request));
        }
        sent.join_all().await;
        let counted = authority.sql("SELECT in_row, streak FROM failures").await.unwrap();
        assert_eq!(counted.concat(), ["4", "4"], "round {round}");
        authority.server.directory().forgive("bob").await.unwrap();
    }
}
