//! What several servers on one database do, and what only PostgreSQL can refuse.

use std::time::{Duration, Instant};

use flexsecure_server::{Directory, OpenError, StoreError};
use serde_json::json;

use crate::{
    database::Database,
    harness::Authority,
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
