//! The server does what it was told and its answer is lost with the connection.

use flexsecure_core::Store;
use flexsecure_core::store::{Admission, Opened, STARTS, StartTicket, StoreError, Swap};
use flexsecure_core::test_util::acceptance::{approve, begin};
use flexsecure_redis::RedisStore;

use crate::proxy::Proxy;
use crate::server::{Server, patient};
use crate::someone::{Someone, bank, present};

/// A store behind a proxy, whose server knows all scripts.
async fn store() -> (Server, Proxy, RedisStore) {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = patient(proxy.builder()).connect().unwrap();
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank().single_use()).await;
    store.consume(&who.session, &who.auth_id, elevation.flow(), present()).await.unwrap();
    admit(&store, &who).await;
    (server, proxy, store)
}

async fn admit(store: &RedisStore, who: &Someone) -> Admission {
    let ticket = StartTicket::new(who.flow(&bank()).binding);
    store.admit_start(&ticket, present()).await.unwrap()
}

#[tokio::test]
async fn swap_whose_answer_is_lost_is_done_once() {
    let (_server, proxy, store) = store().await;
    let who = Someone::new();
    let opened = who.open(&store, &bank().single_use()).await;
    let started = begin(&opened, present());
    proxy.lose_answers_to(&opened.id.to_string(), 1);
    assert_eq!(store.swap(started.clone(), None, present()).await.unwrap(), Swap::Done);
    let late = approve(&opened, present());
    let swap = store.swap(late.record, Some(late.elevation), present()).await.unwrap();
    assert_eq!(swap, Swap::Conflict);
    let found = store.reload(&opened).await.unwrap();
    assert_eq!(found, Some(started));
}

#[tokio::test]
async fn elevation_whose_consumption_is_not_answered_is_used_once() {
    let (_server, proxy, store) = store().await;
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank().single_use()).await;
    let consume =
        async || store.consume(&who.session, &who.auth_id, elevation.flow(), present()).await;
    proxy.lose_answers_to(&elevation.flow().to_string(), 1);
    assert!(consume().await.unwrap());
    assert!(!consume().await.unwrap());
}

#[tokio::test]
async fn flow_whose_opening_is_not_answered_is_new_and_one() {
    let (_server, proxy, store) = store().await;
    let who = Someone::new();
    let new = who.flow(&bank());
    proxy.lose_answers_to(&new.id.to_string(), 1);
    let opened = store.open(new.clone(), present()).await.unwrap();
    assert!(matches!(&opened, Opened::New(record) if record.id == new.id), "{opened:?}");
    let again = store.open(who.flow(&bank()), present()).await.unwrap();
    assert!(matches!(&again, Opened::Joined(record) if record.id == new.id), "{again:?}");
}

#[tokio::test]
async fn start_whose_admission_is_not_answered_counts_once() {
    let (_server, proxy, store) = store().await;
    let who = Someone::new();
    proxy.lose_answers_to(":flows:{", 1);
    for _ in 0..STARTS {
        assert_eq!(admit(&store, &who).await, Admission::Admitted);
    }
    assert!(matches!(admit(&store, &who).await, Admission::TooMany { .. }));
}

#[tokio::test]
async fn answer_that_is_lost_twice_is_not_made_up() {
    let (_server, proxy, store) = store().await;
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank().single_use()).await;
    proxy.lose_answers_to(&elevation.flow().to_string(), 2);
    let consumed = store.consume(&who.session, &who.auth_id, elevation.flow(), present()).await;
    assert!(matches!(consumed, Err(StoreError::Unavailable(_))), "{consumed:?}");
}
