use std::time::Duration;

use flexsecure_core::Store;
use flexsecure_core::test_util::acceptance;

use crate::server::Server;
use crate::someone::{Someone, bank, present};

#[tokio::test]
async fn every_key_is_forgotten_by_the_server_within_two_hours() {
    let server = Server::start();
    acceptance::run(async || server.store()).await;
    let mut admin = server.admin().await;
    let keys = server.keys("*").await;
    for kind in ["flows", "elevations", "sessions", "revoked"] {
        assert!(keys.iter().any(|key| key.starts_with(&format!("flexsecure:{kind}"))), "{kind}");
    }
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut admin).await.unwrap();
        assert!((1..=7_200_000).contains(&left), "{key} is kept for {left} ms");
    }
}

/// By the server's clock, whatever the nodes think that it is.
#[tokio::test]
async fn elevation_granted_an_hour_ago_by_the_server_is_worth_nothing() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::copying(&store).await;
    let single = who.elevate(&store, &bank().single_use()).await;
    let mut admin = server.admin().await;
    let time: (u64, u64) = redis::cmd("TIME").query_async(&mut admin).await.unwrap();
    let now = time.0 * 1000;
    for (age, is_good) in [(3_590_000, true), (3_600_000, false)] {
        for key in server.keys("flexsecure:elevations:*").await {
            for field in server.fields(&key).await {
                let value = server.get(&key, &field).await;
                let (before, rest) = value.split_once("\"granted\":\"").unwrap();
                let (_, after) = rest.split_once('"').unwrap();
                let value = format!("{before}\"granted\":\"{}\"{after}", now - age);
                server.set(&key, &field, value.as_bytes()).await;
            }
        }
        assert_eq!(!who.held(&store).await.is_empty(), is_good);
        if !is_good {
            assert!(who.copied(&store).is_none());
            // A node whose clock was set back an hour asks.
            let past = present().before(Duration::from_secs(3600));
            for now in [present(), past] {
                let flow = single.flow();
                let spent = store.consume(&who.session, &who.auth_id, flow, now).await.unwrap();
                assert!(!spent);
            }
        }
    }
}

#[tokio::test]
async fn elevation_of_the_future_cannot_be_used_up() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::new();
    let single = who.elevate(&store, &bank().single_use()).await;
    let consume = |now| store.consume(&who.session, &who.auth_id, single.flow(), now);
    let past = present().before(Duration::from_secs(3600));
    assert!(!consume(past).await.unwrap());
    assert!(consume(present()).await.unwrap());
}
