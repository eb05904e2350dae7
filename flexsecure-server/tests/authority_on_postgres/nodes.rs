//! What several servers on one database do, and what only PostgreSQL can refuse.

use std::time::{Duration, Instant};

use flexsecure_server::{Directory, Method, NewUser, OpenError, StoreError};
use reqwest::RequestBuilder;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, Transaction};
use tokio::task::JoinSet;

use crate::{
    database::Database,
    harness::{Answer, Authority, check_body, send},
    long_poll::{answered, held},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_on_one_wakes_who_waits_on_another() {
    let authority = Authority::new().await;
    let twin = authority.twin().await;
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        authority.clock.advance(Duration::from_secs(60 * 60));
        let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
        let link = authority.newest().link().unwrap().to_owned();
        let poll = held(&twin, "bob").await;
        authority.answer_link(&link, &[("match", &number), ("action", "approve")]).await;
        let approved = Instant::now();
        answered(poll).await.is(200, &json!({"result": "authenticated"}));
        quickest = quickest.min(approved.elapsed());
    }
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_the_directory_of_another_process() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    let poll = held(&authority, "alice").await;
    let directory = authority.database.directory().await.unwrap();
    directory.disable("alice").await.unwrap();
    drop(directory);
    answered(poll).await.is(403, &json!({"result": "security error"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_missed_a_change_looks_again() {
    let authority = Authority::new().await;
    authority.start("bob").await;
    let poll = held(&authority, "bob").await;
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'
        AND datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(authority.sql(ended).await.unwrap(), [["t"]]);
    assert_eq!(answered(poll).await.json()["result"], "pending");

    // And the next change is heard.
    let link = authority.newest().link().unwrap().to_owned();
    let twin = authority.twin().await;
    let poll = held(&authority, "bob").await;
    let path = link.strip_prefix(&authority.base).unwrap();
    twin.answer_link(&format!("{}{path}", twin.base), &[("action", "decline")]).await;
    assert_eq!(answered(poll).await.json()["reason"], "declined");
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused() {
    let authority = Authority::new().await;
    authority
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', TRUE, '', 0)",
        )
        .await
        .unwrap();
    let opened = authority.database.directory().await;
    let Err(OpenError::Database { source: StoreError::TooNew { version }, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(version, 9999);
}

#[tokio::test]
async fn a_password_is_in_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let Database::Postgres { url, keys } = Database::new(folder.path()) else { panic!() };
    let right = url::Url::parse(&url).unwrap();
    let (port, name) = (right.port().unwrap(), right.path());
    for wrong in [
        format!("postgres://postgres:hunter2@127.0.0.1:{port}{name}"),
        "postgres://postgres:hunter2@127.0.0.1:1/nowhere".to_owned(),
        format!("postgres://postgres@127.0.0.1:{port}{name}?pasword=hunter2"),
        format!("postgres://postgres:hunter2@127.0.0.1:{port}{name}?sslmode=hunter2"),
        "postgres://postgres:hunter2@:x/".to_owned(),
    ] {
        let error = Directory::open_postgres(wrong, &keys).await.unwrap_err();
        let mut said = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said.push_str(&format!(" {error} {error:?}"));
            source = error.source();
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// What is stored is text without a NUL, which JSON can hold.
#[tokio::test]
async fn a_nul_in_a_request_is_no_outage() {
    let authority = Authority::new().await;
    let body = json!({"system": "bank", "authid": "alice", "user_agent": "a\u{0}b"});
    assert_eq!(authority.post("/v1/start", &body).await.status, 200);
    let answer = authority.check("alice", json!({"txn": "a\u{0}b"})).await;
    answer.is(403, &json!({"result": "security error"}));
    let answer = authority.check("alice", json!({"txn": "a\u{0}b", "pin": "12345678"})).await;
    answer.is(403, &json!({"result": "security error"}));
}

/// How many wait for what another transaction has locked.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()";

async fn connected(authority: &Authority) -> PgConnection {
    let Database::Postgres { url, .. } = &authority.database else { panic!() };
    PgConnection::connect(url).await.unwrap()
}

/// A transaction that has done this, and is not over.
async fn having<'a>(
    other: &'a mut PgConnection,
    statement: &'static str,
) -> Transaction<'a, sqlx::Postgres> {
    let mut transaction = other.begin().await.unwrap();
    sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    transaction
}

/// T20
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_while_its_pin_is_compared_lets_nobody_in() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let mut other = connected(&authority).await;
    let withdrawing = having(&mut other, "UPDATE challenges SET state = 'withdrawn'").await;
    let request = authority.request("/v1/check", &check_body("alice", json!({"pin": pin})));
    let check = tokio::spawn(send(request));
    authority.until_sql(WAITING, "1").await;
    withdrawing.commit().await.unwrap();
    check.await.unwrap().is(403, &json!({"result": "expired"}));
    assert_eq!(authority.audited("authenticated").await, 0);
}

/// A start is before the policy is switched off, and withdrawn with it, or after it, and refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_a_policy_that_is_being_switched_off() {
    let authority = Authority::new().await;
    authority.start("bob").await;
    let mut other = connected(&authority).await;
    let holding = having(&mut other, "SELECT id FROM challenges FOR UPDATE").await;
    let server = authority.server.clone();
    let switching =
        tokio::spawn(
            async move { server.directory().set_policies("bank", None, Some(false)).await },
        );
    authority.until_sql(WAITING, "1").await;
    let body = json!({"system": "bank", "authid": "bob", "operation": "another"});
    let start = tokio::spawn(send(authority.request("/v1/start", &body)));
    authority.until_sql(WAITING, "2").await;
    holding.commit().await.unwrap();
    switching.await.unwrap().unwrap();
    start.await.unwrap().is(403, &json!({"result": "security error"}));
    let states = "SELECT state FROM challenges";
    assert_eq!(authority.sql(states).await.unwrap().concat(), ["withdrawn"]);
}

/// T20
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_while_its_approval_is_taken_lets_nobody_in() {
    let authority = Authority::new().await;
    let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
    let link = authority.newest().link().unwrap().to_owned();
    authority.answer_link(&link, &[("match", &number), ("action", "approve")]).await;
    let mut other = connected(&authority).await;
    let withdrawing = having(&mut other, "UPDATE challenges SET state = 'withdrawn'").await;
    let request = authority.request("/v1/check", &check_body("bob", json!({})));
    let check = tokio::spawn(send(request));
    authority.until_sql(WAITING, "1").await;
    withdrawing.commit().await.unwrap();
    check.await.unwrap().is(403, &json!({"result": "expired"}));
}

/// So it does for a user who is being disabled.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_its_user_who_is_being_disabled() {
    let authority = Authority::new().await;
    authority.start("bob").await;
    let mut other = connected(&authority).await;
    let holding = having(&mut other, "SELECT id FROM challenges FOR UPDATE").await;
    let server = authority.server.clone();
    let disabling = tokio::spawn(async move { server.directory().disable("bob").await });
    authority.until_sql(WAITING, "1").await;
    let body = json!({"system": "bank", "authid": "bob", "operation": "another"});
    let start = tokio::spawn(send(authority.request("/v1/start", &body)));
    authority.until_sql(WAITING, "2").await;
    holding.commit().await.unwrap();
    disabling.await.unwrap().unwrap();
    start.await.unwrap().is(403, &json!({"result": "security error"}));
    let states = "SELECT state FROM challenges";
    assert_eq!(authority.sql(states).await.unwrap().concat(), ["withdrawn"]);
}

/// Twenty who confirm by PIN.
async fn crowd(authority: &Authority) -> Vec<String> {
    let directory = authority.server.directory();
    let users: Vec<_> = (0..20).map(|number| format!("user-{number}")).collect();
    for user in &users {
        let email = format!("{user}@example.com");
        directory.add_user(NewUser::new(user).email(&email)).await.unwrap();
        directory.assign(user, &["bank"], Method::Pin).await.unwrap();
    }
    users
}

/// As long as it is unavailable: a lock is waited for three seconds, whatever else goes on meanwhile.
async fn again_and_again(request: RequestBuilder) -> Answer {
    loop {
        let answer = send(request.try_clone().unwrap()).await;
        if answer.status != 503 {
            return answer;
        }
    }
}

/// Requests share their transactions, and not what one of them has to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn whom_somebody_else_has_locked_keeps_nobody_else_waiting() {
    let authority = Authority::new().await;
    let others = crowd(&authority).await;
    let mut other = connected(&authority).await;
    let holding =
        having(&mut other, "SELECT id FROM users WHERE auth_id = 'alice' FOR UPDATE").await;
    let start = |user: &str| authority.request("/v1/start", &check_body(user, json!({})));
    let locked = tokio::spawn(again_and_again(start("alice")));
    let started: JoinSet<_> = others.iter().map(|user| send(start(user))).collect();
    for answer in started.join_all().await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    authority.until_sql(WAITING, "1").await;
    assert!(!locked.is_finished());
    holding.commit().await.unwrap();
    assert_eq!(locked.await.unwrap().status, 200);
}

/// T20: nor is anybody judged who is locked, whoever else is in the group.
#[tokio::test(flavor = "multi_thread")]
async fn no_pin_is_judged_while_somebody_else_has_locked_its_user() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let others = crowd(&authority).await;
    let mut other = connected(&authority).await;
    let holding =
        having(&mut other, "SELECT id FROM users WHERE auth_id = 'alice' FOR UPDATE").await;
    let check = |user: &str| authority.request("/v1/check", &check_body(user, json!({"pin": pin})));
    // They are under way when she comes, and most of them share her transaction.
    let mut answered: JoinSet<_> = others[..10].iter().map(|user| send(check(user))).collect();
    let locked = tokio::spawn(again_and_again(check("alice")));
    others[10..].iter().for_each(|user| drop(answered.spawn(send(check(user)))));
    for answer in answered.join_all().await {
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    authority.until_sql(WAITING, "1").await;
    assert!(!locked.is_finished());
    holding.commit().await.unwrap();
    locked.await.unwrap().is(200, &json!({"result": "authenticated"}));
}
