//! A server that is away, slow, silent, or not the one that takes the writes.

use std::time::{Duration, Instant};

use flexsecure_core::Store;
use flexsecure_core::store::StoreError;
use flexsecure_redis::RedisStore;

use crate::proxy::Proxy;
use crate::server::{Server, free_port};
use crate::someone::{Someone, bank, eventually, present};

/// How long a question took that was not answered.
async fn unavailable(store: &RedisStore, who: &Someone) -> Duration {
    let asked_at = Instant::now();
    let held = store.elevations(&who.session, &who.auth_id).await;
    assert!(matches!(held, Err(StoreError::Unavailable(_))), "{held:?}");
    asked_at.elapsed()
}

#[tokio::test]
async fn server_that_is_away_is_refused_with_and_found_when_it_comes() {
    // Somebody else may be faster to take the port.
    for _ in 0..10 {
        let port = free_port();
        let store = RedisStore::connect(&format!("redis://127.0.0.1:{port}")).unwrap();
        let who = Someone::new();
        for _ in 0..20 {
            assert!(unavailable(&store, &who).await < A_SECOND);
        }
        // By now nobody asks any more.
        assert!(unavailable(&store, &who).await < AT_ONCE);
        let Some(_server) = Server::at(port, &[]) else { continue };
        eventually("the store is back", async || who.is_served(&store).await).await;
        who.elevate(&store, &bank()).await;
        return;
    }
    panic!("the server gets no port");
}

#[tokio::test]
async fn slow_server_is_waited_for_and_silent_one_is_not() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = proxy.builder().without_local_copies().connect().unwrap();
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank()).await;
    proxy.delay(400, 400);
    // A busy machine may add to that.
    eventually("a slow answer is waited for", async || {
        let held = store.elevations(&who.session, &who.auth_id).await;
        held.is_ok_and(|held| held.is_some_and(|it| it.list() == [elevation.clone()]))
    })
    .await;

    // Neither of two tries is answered in its half second.
    proxy.delay(700, 700);
    assert!(unavailable(&store, &who).await < A_SECOND);
    proxy.delay(5000, 5000);
    assert!(unavailable(&store, &who).await < A_SECOND);
    proxy.delay(0, 0);
    proxy.freeze();
    for _ in 0..5 {
        assert!(unavailable(&store, &who).await < A_SECOND);
    }
    for _ in 0..5 {
        assert!(unavailable(&store, &who).await < AT_ONCE);
    }
    proxy.thaw();
    eventually("the store is back", async || who.is_served(&store).await).await;
    assert_eq!(who.held(&store).await, [elevation]);
}

/// It may have been replaced without knowing.
#[tokio::test]
async fn primary_that_lacks_its_replicas_is_not_believed() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::copying(&store).await;
    server.configure("min-replicas-to-write", "1").await;
    eventually("the copy is gone", async || who.copied(&store).is_none()).await;
    unavailable(&store, &who).await;
    server.configure("min-replicas-to-write", "0").await;
    eventually("the store is back", async || who.is_served(&store).await).await;
    who.be_copied(&store).await;
}

/// Who has proved it goes on, and nothing new begins.
#[tokio::test]
async fn server_that_cannot_write_to_its_disk_tells_of_changes_all_the_same() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::copying(&store).await;
    server.fail_to_save().await;
    let refused = store.open(who.flow(&bank()), present()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    // Longer than any answer from before would do.
    let until = Instant::now() + Duration::from_millis(2500);
    eventually("time passes", async || {
        assert!(who.copied(&store).is_some());
        Instant::now() > until
    })
    .await;
}

/// As after a partition: nobody has told either end.
#[tokio::test]
async fn connection_that_only_looks_alive_is_made_anew() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = proxy.builder().connect().unwrap();
    let who = Someone::copying(&store).await;
    proxy.strand();
    unavailable(&store, &who).await;
    eventually("the store is back", async || who.is_served(&store).await).await;
    who.be_copied(&store).await;
}

/// A thousand requests at a silent server wait no longer than one.
#[tokio::test]
async fn nobody_queues_for_a_silent_server() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = proxy.builder().connect().unwrap();
    let who = Someone::copying(&store).await;
    proxy.freeze();
    let asked_at = Instant::now();
    let stranger = Someone::new();
    let asking: Vec<_> = (0..3000)
        .map(|_| {
            let (store, who) = (store.clone(), stranger.clone());
            tokio::spawn(async move { unavailable(&store, &who).await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    assert!(asked_at.elapsed() < Duration::from_secs(3), "{:?}", asked_at.elapsed());
    assert!(unavailable(&store, &who).await < AT_ONCE);
}

#[tokio::test]
async fn replica_is_neither_written_to_nor_believed() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::copying(&store).await;
    let single = who.elevate(&store, &bank().single_use()).await;
    let pending = who.open(&store, &crate::someone::vault()).await;
    who.be_copied(&store).await;
    let mut admin = server.admin().await;
    let nobody = free_port().to_string();
    let replicate = |host: &str, port: &str| {
        let mut replicate = redis::cmd("REPLICAOF");
        replicate.arg(host).arg(port);
        replicate
    };
    replicate("127.0.0.1", &nobody).exec_async(&mut admin).await.unwrap();
    eventually("the copy is gone", async || who.copied(&store).is_none()).await;
    unavailable(&store, &who).await;
    let consumed = store.consume(&who.session, &who.auth_id, single.flow(), present()).await;
    assert!(matches!(consumed, Err(StoreError::Unavailable(_))), "{consumed:?}");
    assert!(store.open(who.flow(&bank()), present()).await.is_err());
    assert!(store.flow(&who.session, &who.auth_id, &pending.id).await.is_err());
    assert!(store.reload(&pending).await.is_err());
    assert!(store.refusals(&who.auth_id, present()).await.is_err());
    assert!(store.revoke_session(&who.session).await.is_err());

    replicate("NO", "ONE").exec_async(&mut admin).await.unwrap();
    eventually("the store is back", async || who.is_served(&store).await).await;
    who.be_copied(&store).await;
}

/// And what a busy machine adds to it.
const A_SECOND: Duration = Duration::from_millis(1500);

/// Shorter than any try.
const AT_ONCE: Duration = Duration::from_millis(300);
