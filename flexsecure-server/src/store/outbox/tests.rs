//! What a lease is worth, on each database.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection};
use temporary_postgres::TemporaryPostgres;

use super::*;
use crate::{
    Config, NewUser, Policies, PublicUrl, Server,
    challenge::{Draft, StartRequest},
    store::{AccountId, Start},
};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const LEASE: Duration = Duration::from_secs(60);

fn after(seconds: u64) -> UnixMillis {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// A message that was queued at [`NOW`], and that nobody sends who is not told to.
struct Queued {
    server: Server,
    account: AccountId,
    txn: String,
    /// The server, and which of its databases it is in.
    postgres: Option<(TemporaryPostgres, String)>,
    _folder: tempfile::TempDir,
}

impl Queued {
    async fn on_each() -> [Self; 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flexsecure.db");
        let on_sqlite = Self::open(folder, None, |url| Config::new(&path, url)).await;
        let folder = tempfile::tempdir().unwrap();
        let postgres = TemporaryPostgres::start().unwrap();
        let database = postgres.create_database("outbox").unwrap();
        let keys = folder.path().join("flexsecure.keys");
        let config = |url| Config::postgres(database.as_str(), &*keys, url);
        let postgres = Some((postgres, database.clone()));
        [on_sqlite, Self::open(folder, postgres, config).await]
    }

    async fn open(
        folder: tempfile::TempDir,
        postgres: Option<(TemporaryPostgres, String)>,
        config: impl FnOnce(PublicUrl) -> Config,
    ) -> Self {
        let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
        let server = Server::open(config(url).inbox(true)).await.unwrap();
        let directory = server.directory();
        directory.add_system("bank", Policies::both()).await.unwrap();
        directory.add_user(NewUser::new("alice").email("alice@example.com")).await.unwrap();
        directory.assign("alice", &["bank"], Method::Pin).await.unwrap();
        let key = directory.create_key("tests").await.unwrap();
        let caller = directory.authorize(key.expose()).await.unwrap().unwrap();
        let start = StartRequest {
            account: caller.account,
            api_key: caller.api_key,
            system: "bank".to_owned(),
            auth_id: "alice".to_owned(),
            operation: String::new(),
            binding: String::new(),
            ip: None,
            user_agent: None,
            idempotency_key_hash: None,
        };
        let draft = Draft::new(&server.inner.keys.current()).unwrap();
        let store = &server.inner.challenges.store;
        let Start::Queued(challenge) = store.start(Arc::new(start), draft, NOW).await.unwrap()
        else {
            panic!("nothing was queued");
        };
        let (account, txn) = (caller.account, challenge.txn);
        Self { server, account, txn, postgres, _folder: folder }
    }

    async fn exchange(&self, settled: &[Settled], now: UnixMillis) -> Vec<Due> {
        let store = &self.server.inner.challenges.store;
        store.exchange(settled.to_vec(), 10, now, LEASE, now).await.unwrap()
    }

    async fn take(&self, now: UnixMillis) -> Due {
        let taken = self.exchange(&[], now).await;
        let [due] = &taken[..] else { panic!("{taken:?}") };
        due.clone()
    }

    /// How far the message has come, and how often it was taken.
    async fn state(&self) -> (String, u32) {
        let store = &self.server.inner.challenges.store;
        let timeline = store.timeline(self.account, &self.txn).await.unwrap().unwrap();
        let [message] = &timeline.messages[..] else { panic!("{timeline:?}") };
        (message.state.clone(), message.tries)
    }
}

fn in_state(state: &str, tries: u32) -> (String, u32) {
    (state.to_owned(), tries)
}

/// F70
#[tokio::test]
async fn what_is_taken_is_nobody_elses_and_is_not_taken_again_after_its_lease() {
    for queued in Queued::on_each().await {
        let due = queued.take(NOW).await;
        assert!(queued.exchange(&[], after(59)).await.is_empty());
        assert_eq!(queued.state().await, in_state("sending", 1));
        for seconds in 60..63 {
            assert!(queued.exchange(&[], after(seconds)).await.is_empty());
            assert_eq!(queued.state().await, in_state("unknown", 1));
        }
        // Whoever had it is too late with whatever he says.
        let (provider, reference) = ("late".to_owned(), None);
        for settlement in [
            Settlement::Retry { at: after(63) },
            Settlement::Accepted { provider, reference },
            Settlement::Failed { undeliverable: true },
        ] {
            let late = [due.settled(settlement)];
            assert!(queued.exchange(&late, after(63)).await.is_empty());
            assert!(queued.exchange(&[], after(64)).await.is_empty());
            assert_eq!(queued.state().await, in_state("unknown", 1));
        }
    }
}

/// F70: what is said again, as nobody answered the first time, is about an attempt that is over.
#[tokio::test]
async fn word_of_one_attempt_does_not_end_the_next() {
    for queued in Queued::on_each().await {
        let first = queued.take(NOW).await;
        let again = [first.settled(Settlement::Retry { at: after(1) })];
        assert!(queued.exchange(&again, NOW).await.is_empty(), "it is not due yet");
        let second = queued.take(after(1)).await;
        assert_eq!(second.tries, 2);
        for _ in 0..2 {
            assert!(queued.exchange(&again, after(2)).await.is_empty());
            assert_eq!(queued.state().await, in_state("sending", 2));
        }
        queued.exchange(&[second.settled(Settlement::Unknown)], after(2)).await;
        assert_eq!(queued.state().await, in_state("unknown", 2));
    }
}

/// F70
#[tokio::test]
async fn what_runs_out_before_it_is_taken_is_not_sent() {
    for queued in Queued::on_each().await {
        let late = [queued.take(NOW).await.settled(Settlement::Retry { at: after(299) })];
        assert!(queued.exchange(&late, after(298)).await.is_empty());
        assert!(queued.exchange(&[], after(300)).await.is_empty());
        assert_eq!(queued.state().await, in_state("failed", 1));
    }
}

/// F70: SQLite lets only one write at a time; PostgreSQL does not.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_is_taking_is_left_to_it() {
    let [_, queued] = Queued::on_each().await;
    let (_, url) = queued.postgres.as_ref().unwrap();
    let mut other = PgConnection::connect(url).await.unwrap();
    let mut watching = PgConnection::connect(url).await.unwrap();
    let mut taking = other.begin().await.unwrap();
    sqlx::query("UPDATE outbox SET state = 'sending', tries = 1, due_at = due_at + 60000")
        .execute(&mut *taking)
        .await
        .unwrap();
    let waits = async {
        let waiting = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut watching).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    let exchange = queued.exchange(&[], NOW);
    tokio::pin!(exchange);
    // It passes over what is locked, or it would have to see afterwards that it was taken.
    let early = tokio::select! {
        taken = &mut exchange => Some(taken),
        () = waits => None,
    };
    taking.commit().await.unwrap();
    let taken = match early {
        Some(taken) => taken,
        None => exchange.await,
    };
    assert!(taken.is_empty(), "{taken:?}");
    assert_eq!(queued.state().await, in_state("sending", 1));
}
