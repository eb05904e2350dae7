//! What is bounded, and that nobody is locked out by it for long (THREATS T08, T22, T24, T65).

use std::time::Duration;

use flexsecure_server::{Channel, Method, NewUser, Policies};
use serde_json::{Value, json};

use crate::harness::{Answer, Authority, send, wrong};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn start(authority: &Authority, user: &str, binding: &str) -> Answer {
    let body = json!({"system": "bank", "authid": user, "binding": binding});
    authority.post("/v1/start", &body).await
}

fn retry_after(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.json()["result"], "too many");
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

/// Guesses wrong in a challenge of its own.
async fn fail_once(authority: &Authority, binding: &str) -> Value {
    let txn = start(authority, "alice", binding).await.json()["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    let answer = authority.check("alice", json!({"txn": txn, "pin": wrong(&pin)})).await;
    assert_eq!(answer.json()["reason"], "pin", "{answer:?}");
    json!({"txn": txn, "pin": pin})
}

/// T22
#[tokio::test]
async fn of_a_thousand_challenges_a_hundred_guesses_are_compared() {
    let authority = Authority::new().await;
    let mut refused = 0;
    for round in 0..1_000 {
        // No limit of the recipient or of a back-off is met.
        authority.clock.advance(2 * HOUR);
        let started = start(&authority, "alice", &round.to_string()).await;
        if started.status == 403 {
            refused += 1;
            continue;
        }
        let txn = started.json()["txn"].clone();
        let sent = authority.server.inbox().messages();
        let pin = sent.iter().find_map(|message| message.pin()).unwrap().to_owned();
        for _ in 0..5 {
            authority.check("alice", json!({"txn": txn, "pin": wrong(&pin)})).await;
        }
    }
    assert_eq!(authority.audited("wrong pin").await, 100);
    assert_eq!(authority.audited("method disabled").await, 1);
    assert_eq!(refused, 1_000 - 20);
    let alerts = authority.server.inbox().messages();
    let alerts: Vec<_> =
        alerts.iter().filter(|message| message.text().contains("wrong PINs")).collect();
    assert!(matches!(&alerts[..], [alert] if alert.pin().is_none() && alert.link().is_none()));

    authority.server.directory().forgive("alice").await.unwrap();
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let answer = authority.check("alice", json!({"pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

async fn disable(authority: &Authority, user: &str, method: Method) {
    let failed = format!(
        "INSERT INTO failures (user_id, method, in_row, streak, last_at)
         SELECT id, '{}', 100, 1, 0 FROM users WHERE auth_id = '{user}'",
        method.as_str()
    );
    authority.sql(&failed).await.unwrap();
}

#[tokio::test]
async fn a_disabled_method_refuses_the_pin_that_is_out_already() {
    let authority = Authority::new().await;
    let txn = start(&authority, "alice", "mine").await.json()["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    disable(&authority, "alice", Method::Pin).await;
    let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
    let expected = json!({"result": "security error", "reason": "disabled", "attempts_left": 5});
    answer.is(403, &expected);
}

#[tokio::test]
async fn a_disabled_method_refuses_the_link_that_is_out_already() {
    let authority = Authority::new().await;
    let started = start(&authority, "bob", "mine").await.json();
    let link = authority.newest().link().unwrap().to_owned();
    disable(&authority, "bob", Method::Passwordless).await;
    let form = [("match", started["match"].as_str().unwrap()), ("action", "approve")];
    assert_eq!(authority.answer_link(&link, &form).await.status, 404);
    let answer = authority.check("bob", json!({"txn": started["txn"]})).await;
    assert_eq!(answer.json()["result"], "pending");
    authority.server.directory().forgive("bob").await.unwrap();
    assert_eq!(authority.answer_link(&link, &form).await.status, 200);
}

/// T65
#[tokio::test]
async fn who_guesses_elsewhere_does_not_keep_the_user_from_finishing() {
    let authority = Authority::new().await;
    let mine = start(&authority, "alice", "mine").await.json()["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    for session in 0..2 {
        let guessed = fail_once(&authority, &format!("stranger {session}").replace(' ', "-")).await;
        let body = json!({"txn": guessed["txn"], "pin": wrong(guessed["pin"].as_str().unwrap())});
        for _ in 1..5 {
            authority.check("alice", body.clone()).await;
        }
    }
    assert_eq!(authority.audited("wrong pin").await, 10);
    assert_eq!(authority.audited("backed off").await, 1);

    // The stranger has to wait, with a right PIN too.
    let other = start(&authority, "alice", "stranger-3").await.json()["txn"].clone();
    let theirs = authority.newest().pin().unwrap().to_owned();
    authority.check("alice", json!({"txn": other, "pin": wrong(&theirs)})).await;
    let answer = authority.check("alice", json!({"txn": other, "pin": theirs})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (429, &json!("too soon")));
    assert_eq!(answer.json()["attempts_left"], 4);
    assert_eq!(answer.headers["retry-after"], "61");

    let answer = authority.check("alice", json!({"txn": mine, "pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

/// T08
#[tokio::test]
async fn a_hundred_sessions_of_one_user_send_five_messages_in_ten_minutes() {
    let authority = Authority::new().await;
    let mut limited = 0;
    for session in 0..100 {
        let answer = start(&authority, "bob", &session.to_string()).await;
        if answer.status == 429 {
            limited += 1;
            assert_eq!(retry_after(&answer), 601);
        }
    }
    assert_eq!((authority.sent(), limited), (5, 95));
    assert_eq!(authority.audited("start limited").await, 95);
    // Whom it does not concern is asked as before.
    assert_eq!(start(&authority, "erin", "s").await.status, 200);
    authority.clock.advance(10 * MINUTE);
    assert_eq!(start(&authority, "bob", "later").await.status, 200);
}

#[tokio::test]
async fn an_address_that_two_users_share_has_its_limit_once() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    for user in ["one", "two"] {
        directory.add_user(NewUser::new(user).email("both@example.com")).await.unwrap();
        directory.assign(user, &["bank"], Method::Pin).await.unwrap();
    }
    for session in 0..3 {
        assert_eq!(start(&authority, "one", &session.to_string()).await.status, 200);
    }
    let two = |session: &'static str| start(&authority, "two", session);
    assert_eq!((two("a").await.status, two("b").await.status).0, 200);
    retry_after(&two("c").await);
    assert_eq!(authority.sent(), 5);
}

/// T08
#[tokio::test]
async fn asking_again_and_again_takes_twice_as_long_each_time() {
    let authority = Authority::new().await;
    let mut sent = vec![];
    authority.start("bob").await;
    for second in 1..=220 {
        authority.clock.advance(Duration::from_secs(1));
        authority.start("bob").await;
        if authority.sent() > sent.len() + 1 {
            sent.push(second);
        }
    }
    assert_eq!(sent, [30, 90, 210]);
}

#[tokio::test]
async fn a_network_starts_twenty_challenges_a_minute_and_an_ipv6_one_is_its_64() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    for user in 0..24 {
        let user = format!("user{user}");
        directory.add_user(NewUser::new(&user).email(format!("{user}@example.com"))).await.unwrap();
        directory.assign(&user, &["bank"], Method::Pin).await.unwrap();
    }
    let from = async |user: usize, ip: &str| {
        let body = json!({"system": "bank", "authid": format!("user{user}"), "ip": ip});
        authority.post("/v1/start", &body).await
    };
    for user in 0..20 {
        assert_eq!(from(user, &format!("2001:db8:1:2::{user:x}")).await.status, 200);
    }
    assert_eq!(retry_after(&from(20, "2001:db8:1:2:ffff::1").await), 61);
    assert_eq!(from(20, "2001:db8:1:3::1").await.status, 200);
    assert_eq!(from(21, "192.0.2.1").await.status, 200);
    authority.clock.advance(MINUTE);
    assert_eq!(from(22, "2001:db8:1:2:ffff::1").await.status, 200);
}

/// T24
#[tokio::test]
async fn numbers_in_a_row_get_a_tenth_of_the_budget_and_no_country_is_allowed_by_itself() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    let users: Vec<_> = (0..300).map(|n| format!("pump{n}")).collect();
    for (n, user) in users.iter().enumerate() {
        directory.add_user(NewUser::new(user).sms(format!("+99900000{n:03}"))).await.unwrap();
        directory.assign(user, &["bank"], Method::Pin).await.unwrap();
    }
    let answer = start(&authority, "pump0", "b").await;
    answer.is(403, &json!({"result": "security error"}));

    directory.allow_sms_to(&["+41", "+999"]).await.unwrap();
    directory.set_sms_budget(500).await.unwrap();
    for user in &users {
        start(&authority, user, "b").await;
    }
    assert_eq!(authority.sent(), 50);
    assert_eq!(authority.audited("start limited").await, 1 + 250);
    let details = "SELECT DISTINCT detail FROM audit WHERE event = 'start limited' ORDER BY 1";
    assert_eq!(authority.sql(details).await.unwrap().concat(), ["country", "sms budget"]);
    // Another country is another prefix, until the budget of all is spent.
    assert_eq!(start(&authority, "erin", "b").await.status, 200);
    directory.set_sms_budget(51).await.unwrap();
    retry_after(&start(&authority, "erin", "c").await);
    authority.clock.advance(24 * HOUR);
    assert_eq!(start(&authority, "erin", "d").await.status, 200);
}

/// T24
#[tokio::test]
async fn where_no_sms_may_go_an_email_does() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    let user = NewUser::new("frank").sms("+41790000006").email("frank@example.com");
    directory.add_user(user).await.unwrap();
    directory.assign("frank", &["bank"], Method::Pin).await.unwrap();
    start(&authority, "frank", "a").await;
    assert_eq!(authority.newest().channel(), Channel::Sms);
    directory.set_sms_budget(1).await.unwrap();
    start(&authority, "frank", "b").await;
    assert_eq!(authority.newest().to(), "frank@example.com");
    assert_eq!(authority.sent(), 2);
}

#[tokio::test]
async fn a_system_can_demand_that_a_check_names_its_challenge() {
    let authority = Authority::new().await;
    authority.server.directory().require_txn("bank", true).await.unwrap();
    let txn = authority.start("alice").await["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    for more in [json!({}), json!({"pin": pin})] {
        let answer = authority.check("alice", more).await;
        answer.is(403, &json!({"result": "security error", "reason": "txn"}));
    }
    let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

/// T65
#[tokio::test]
async fn what_another_account_has_used_up_is_not_missing_here() {
    let authority = Authority::new().await;
    let here = authority.server.directory();
    let other = here.account("other").await.unwrap();
    other.add_system("bank", Policies::both()).await.unwrap();
    other.allow_sms_to(&["+41"]).await.unwrap();
    other.add_user(NewUser::new("alice").email("alice@example.com")).await.unwrap();
    other.assign("alice", &["bank"], Method::Pin).await.unwrap();
    for n in 0..20 {
        let user = format!("user{n}");
        other.add_user(NewUser::new(&user).sms(format!("+417900001{n:02}"))).await.unwrap();
        other.assign(&user, &["bank"], Method::Pin).await.unwrap();
    }
    let key = other.create_key("tests").await.unwrap().expose().to_owned();
    let there = async |body: Value| {
        let start = authority.http.post(format!("{}/v1/start", authority.base));
        send(start.header("apikey", &key).json(&body)).await
    };
    // A message to the same address, an SMS to a number that begins alike, a start from the same network.
    for session in 0..5 {
        let body = json!({"system": "bank", "authid": "alice", "binding": session.to_string()});
        assert_eq!(there(body).await.status, 200);
    }
    for n in 0..20 {
        let body = json!({"system": "bank", "authid": format!("user{n}"), "ip": "192.0.2.7"});
        assert_eq!(there(body).await.status, 200);
    }
    retry_after(&there(json!({"system": "bank", "authid": "alice", "binding": "5"})).await);
    let more = json!({"system": "bank", "authid": "user0", "binding": "b", "ip": "192.0.2.7"});
    retry_after(&there(more).await);

    here.set_sms_budget(10).await.unwrap();
    for user in ["alice", "erin"] {
        let body = json!({"system": "bank", "authid": user, "ip": "192.0.2.7"});
        assert_eq!(authority.post("/v1/start", &body).await.status, 200, "{user}");
    }
}

/// T65: a method that is disabled disables no other, and T22: a success by one forgives nothing of the other.
#[tokio::test]
async fn failures_count_for_the_method_by_which_they_were_made() {
    let start = |system: &'static str| json!({"system": system, "authid": "alice"});
    let yes = json!({"result": "authenticated"});
    for (disabled, refused, works) in
        [(Method::Pin, "bank", "bank-transfers"), (Method::Passwordless, "bank-transfers", "bank")]
    {
        let authority = Authority::new().await;
        let directory = authority.server.directory();
        directory.assign("alice", &["bank-transfers"], Method::Passwordless).await.unwrap();
        disable(&authority, "alice", disabled).await;
        assert_eq!(authority.post("/v1/start", &start(refused)).await.status, 403);
        let started = authority.post("/v1/start", &start(works)).await.json();
        let mut check = start(works);
        check["txn"] = started["txn"].clone();
        let message = authority.newest();
        match message.link() {
            Some(link) => {
                let form = [("match", started["match"].as_str().unwrap()), ("action", "approve")];
                assert_eq!(authority.answer_link(link, &form).await.status, 200);
            }
            None => check["pin"] = json!(message.pin()),
        }
        authority.post("/v1/check", &check).await.is(200, &yes);
        let left = authority.sql("SELECT method, in_row FROM failures").await.unwrap();
        assert_eq!(left.concat(), [disabled.as_str(), "100"]);
    }
}

/// T22: what counts is how often it went wrong since it went right.
#[tokio::test]
async fn a_success_ends_the_row_of_failures() {
    let authority = Authority::new().await;
    let check = fail_once(&authority, "mine").await;
    authority.check("alice", check).await.is(200, &json!({"result": "authenticated"}));

    let mut numbers = Vec::new();
    for session in ["one", "other"] {
        let started = start(&authority, "bob", session).await.json();
        let link = authority.newest().link().unwrap().to_owned();
        numbers.push((link, started["match"].as_str().unwrap().to_owned()));
    }
    let failed = "SELECT method FROM failures";
    for (is_wrong, left, (link, number)) in
        [(true, vec![vec!["passwordless".to_owned()]], &numbers[0]), (false, vec![], &numbers[1])]
    {
        let other = if number == "47" { "48" } else { "47" };
        let form = [("match", if is_wrong { other } else { number }), ("action", "approve")];
        authority.answer_link(link, &form).await;
        assert_eq!(authority.sql(failed).await.unwrap(), left);
    }
}

/// T24: word of wrong PINs is paid for too.
#[tokio::test]
async fn an_alert_by_sms_counts_as_one() {
    let authority = Authority::new().await;
    let txn = start(&authority, "erin", "b").await.json()["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    for _ in 0..5 {
        authority.check("erin", json!({"txn": txn, "pin": wrong(&pin)})).await;
    }
    assert_eq!((authority.sent(), authority.newest().channel()), (2, Channel::Sms));
    let counts = "SELECT prefix, count FROM sms_counts ORDER BY prefix";
    let counts = authority.sql(counts).await.unwrap();
    assert_eq!(counts.concat(), ["", "2", "+417900", "2"]);
}
