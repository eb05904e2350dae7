//! A database server that goes away under a running authority, and comes back.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use temporary_postgres::TemporaryPostgres;
use tokio::{
    process::Command,
    spawn,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    database::Database,
    faults::written,
    harness::{Answer, Authority, check_body, send, wrong},
};

/// alice is to type a PIN and bob to answer a link, on a database server that nobody else uses.
struct Begun {
    authority: Authority,
    pin: String,
    link: String,
    number: String,
}

impl Begun {
    async fn on(postgres: &TemporaryPostgres) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("flexsecure.keys");
        let database = Database::Postgres { url: postgres.create_database("own").unwrap(), keys };
        let authority = Authority::on(database, folder, |config| config.inbox(true)).await;
        let number = authority.start("bob").await["match"].as_str().unwrap().to_owned();
        let link = authority.newest().link().unwrap().to_owned();
        authority.start("alice").await;
        let pin = authority.newest().pin().unwrap().to_owned();
        authority.until_sql("SELECT count(*) FROM outbox WHERE state <> 'accepted'", "0").await;
        Self { authority, pin, link, number }
    }

    fn with_pin(&self, pin: &str) -> RequestBuilder {
        self.authority.request("/v1/check", &check_body("alice", json!({"pin": pin})))
    }

    fn approve(&self) -> RequestBuilder {
        let form = [("match", self.number.as_str()), ("action", "approve")];
        self.authority.http.post(&self.link).form(&form)
    }

    /// All at once, as they come while nobody knows yet.
    async fn everything_is_unavailable(&self) {
        let start = check_body("bob", json!({"operation": "another"}));
        let mut calls = JoinSet::new();
        for call in [
            self.with_pin(wrong(&self.pin)),
            self.with_pin(&self.pin),
            self.approve(),
            self.authority.request("/v1/start", &start),
            self.authority.request("/v1/check", &check_body("bob", json!({}))),
            self.authority.http.get(&self.link),
        ] {
            calls.spawn(send(call));
        }
        let patience = Duration::from_secs(15);
        while let Some(answer) =
            timeout(patience, calls.join_next()).await.expect("somebody is kept")
        {
            let answer = answer.unwrap();
            let retry_after = answer.headers.get("retry-after").map(|it| it.to_str().unwrap());
            assert_eq!((answer.status.as_u16(), retry_after), (503, Some("5")), "{answer:?}");
        }
    }

    /// Whoever comes back, as he was told to, finishes what he had begun, and once. `approved` is what the page may
    /// answer: what the first click asked for may have been done after all.
    async fn it_goes_on(&self, approved: &[u16]) {
        let ok = |body: Value| move |answer: &Answer| answer.is(200, &body);
        ok(json!({"result": "authenticated"}))(&in_the_end(|| self.with_pin(&self.pin)).await);
        let status = in_the_end(|| self.approve()).await.status.as_u16();
        assert!(approved.contains(&status), "{status}");
        let check = || self.authority.request("/v1/check", &check_body("bob", json!({})));
        ok(json!({"result": "authenticated"}))(&in_the_end(check).await);
        assert_eq!(self.authority.audited("authenticated").await, 2);
        assert_eq!(self.authority.audited("wrong pin").await, 0);
        let start = check_body("bob", json!({"operation": "another"}));
        let start = || self.authority.request("/v1/start", &start);
        assert_eq!(in_the_end(start).await.status, 200);
        assert_eq!(self.authority.sent(), 3);
    }
}

/// A connection that was cut off is noticed by whoever uses it first.
async fn in_the_end(call: impl Fn() -> RequestBuilder) -> Answer {
    for _ in 0..32 {
        let answer = send(call()).await;
        if answer.status != 503 {
            return answer;
        }
    }
    panic!("it is still unavailable")
}

/// F71
#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_crashes_and_comes_back_loses_and_approves_nothing() {
    let mut postgres = TemporaryPostgres::options().durable().start().unwrap();
    let begun = Begun::on(&postgres).await;
    let before = written(&begun.authority).await;
    let mut postgres = spawn_blocking(move || {
        postgres.stop().unwrap();
        postgres
    })
    .await
    .unwrap();
    begun.everything_is_unavailable().await;
    let _postgres = spawn_blocking(move || {
        postgres.start_again().unwrap();
        postgres
    })
    .await
    .unwrap();
    assert_eq!(written(&begun.authority).await, before);
    begun.it_goes_on(&[200]).await;
}

/// Who works for the authority's connections: enough for whatever is asked at once, and one that tells of changes.
async fn many_at_work(begun: &Begun) -> Vec<String> {
    let working = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid()";
    loop {
        let at_work = begun.authority.sql(working).await.unwrap().concat();
        if at_work.len() > 6 {
            return at_work;
        }
        let look = || begun.authority.request("/v1/check", &check_body("bob", json!({})));
        let looks: JoinSet<Answer> = (0..12).map(|_| send(look())).collect();
        looks.join_all().await;
    }
}

/// Stops or continues them, and who takes new connections.
async fn signal(postgres: &TemporaryPostgres, at_work: &[String], name: &str) {
    let accepting = postgres.process_id().unwrap().to_string();
    let kill = Command::new("kill").arg(name).arg(accepting).args(at_work).status().await;
    assert!(kill.unwrap().success());
}

/// F71
#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_is_silent_keeps_nobody() {
    let postgres = TemporaryPostgres::start().unwrap();
    let begun = Begun::on(&postgres).await;
    let at_work = many_at_work(&begun).await;
    let looks = begun.authority.clock.looks();
    let poll = || begun.authority.request("/v1/check", &check_body("alice", json!({})));
    let held = spawn(send(poll().header("prefer", "wait=2")));
    begun.authority.clock.looked_at(looks + 2).await;
    signal(&postgres, &at_work, "-STOP").await;
    // It looks again in the silence, unless this machine took longer than it waits to come here.
    let held = timeout(Duration::from_secs(17), held).await.expect("it is kept").unwrap();
    assert!([200, 503].contains(&held.status.as_u16()), "{held:?}");
    signal(&postgres, &at_work, "-CONT").await;
    assert_eq!(in_the_end(poll).await.json()["result"], "pending");

    let at_work = many_at_work(&begun).await;
    signal(&postgres, &at_work, "-STOP").await;
    begun.everything_is_unavailable().await;
    signal(&postgres, &at_work, "-CONT").await;
    begun.it_goes_on(&[200, 404]).await;
}
