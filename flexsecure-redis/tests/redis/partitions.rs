use std::time::{Duration, Instant};

use flexsecure_core::Store;
use flexsecure_core::store::Swap;
use flexsecure_core::test_util::acceptance::begin;

use crate::proxy::Proxy;
use crate::server::Server;
use crate::someone::{Someone, bank, eventually, present, vault};

#[tokio::test]
async fn node_that_is_cut_off_shows_no_copy_after_two_seconds() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let (cut_off, other) = (proxy.builder().connect().unwrap(), server.store());
    let who = Someone::copying(&cut_off).await;
    proxy.freeze();
    let frozen_at = Instant::now();
    other.revoke_user(&who.auth_id).await.unwrap();
    // Nobody can tell this node yet.
    assert!(who.copied(&cut_off).is_some());
    eventually("the copy is not shown", async || who.copied(&cut_off).is_none()).await;
    assert!(frozen_at.elapsed() < Duration::from_millis(2500), "{:?}", frozen_at.elapsed());
    proxy.thaw();
    eventually("the store is back", async || who.is_served(&cut_off).await).await;
    assert!(who.copied(&cut_off).is_none());
    assert_eq!(who.held(&cut_off).await, []);
}

/// What changes while nobody watches is not told of later, so nothing from before may be shown again.
#[tokio::test]
async fn copy_from_before_an_outage_of_the_watcher_never_comes_back() {
    let server = Server::start();
    let (here, other) = (server.store(), server.store());
    let who = Someone::copying(&here).await;
    let mut admin = server.admin().await;
    for _ in 0..20 {
        who.elevate(&other, &bank()).await;
        who.be_copied(&here).await;
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("pubsub").exec_async(&mut admin).await.unwrap();
        other.revoke_user(&who.auth_id).await.unwrap();
        eventually("the copy is not shown", async || who.copied(&here).is_none()).await;
        let stranger = Someone::copying(&here).await;
        assert!(stranger.copied(&here).is_some());
        assert!(who.copied(&here).is_none());
    }
}

#[tokio::test]
async fn server_that_forgets_everything_is_believed() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::copying(&store).await;
    let pending = who.open(&store, &vault()).await;
    let mut admin = server.admin().await;
    redis::cmd("FLUSHALL").exec_async(&mut admin).await.unwrap();
    eventually("the copy is gone", async || who.copied(&store).is_none()).await;
    assert_eq!(who.held(&store).await, []);
    assert_eq!(store.reload(&pending).await.unwrap(), None);
    let started = begin(&pending, present());
    let swap = store.swap(started, None, present()).await.unwrap();
    assert_eq!(swap, Swap::Gone);

    who.elevate(&store, &bank()).await;
    who.be_copied(&store).await;
    for key in server.keys("flexsecure:elevations:*").await {
        redis::cmd("PEXPIRE").arg(key).arg(1).exec_async(&mut admin).await.unwrap();
    }
    eventually("the elevation has expired", async || who.held(&store).await.is_empty()).await;
    assert!(who.copied(&store).is_none());
}
