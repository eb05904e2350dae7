//! What somebody else has written, or has damaged.

use flexsecure_core::{Elevation, Store};

use crate::captured::Captured;
use crate::server::Server;
use crate::someone::{Someone, bank, present, vault};

const BYTES: &[u8] = &[0xff, 0xfe, b'\n', 0x80];

/// Values that no release has written, made of one that was.
fn damaged(value: &str, other: &str) -> Vec<Vec<u8>> {
    let (header, text) = value.split_once('\n').unwrap();
    let texts = [
        String::new(),
        "garbage".to_owned(),
        "{}\n{}".to_owned(),
        header.to_owned(),
        format!("{header}\ngarbage"),
        format!("{header}\n"),
        format!("\n{text}"),
        // Of a release to come that shares nothing with this one.
        format!("{}\n{text}", header.replace("\"form\":\"1\"", "\"form\":\"2\"")),
        format!("{header}\n{}", text.replacen("\"form\":1", "\"form\":99", 1)),
        // Somebody else's.
        other.to_owned(),
        format!("{header}\n{}", other.split_once('\n').unwrap().1),
    ];
    let texts: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    assert!(texts.iter().all(|text| text != value.as_bytes()));
    texts.into_iter().chain([BYTES.to_vec()]).collect()
}

#[tokio::test]
async fn damaged_flow_is_absent_with_an_alarm_that_tells_nothing_of_it() {
    let server = Server::start();
    let store = server.patient().without_local_copies().connect().unwrap();
    let (who, other) = (Someone::new(), Someone::new());
    let record = who.open(&store, &bank()).await;
    let flow = format!("f/{}", record.id);
    let key = server.keys("flexsecure:flows:*").await.remove(0);
    let value = server.get(&key, &flow).await;
    let others = other.open(&store, &bank()).await;
    let mine = who.open(&store, &vault()).await;
    let mine = server.get(&key, &format!("f/{}", mine.id)).await;
    let others_key = server.keys("flexsecure:flows:*").await;
    let others_key = others_key.iter().find(|it| **it != key).unwrap();
    let others = server.get(others_key, &format!("f/{}", others.id)).await;
    let (log, _guard) = Captured::begin();
    for bad in damaged(&value, &others).into_iter().chain([mine.into_bytes()]) {
        let shown = String::from_utf8_lossy(&bad).into_owned();
        server.set(&key, &flow, &bad).await;
        log.take();
        let found = store.flow(&who.session, &who.auth_id, &record.id).await.unwrap();
        assert_eq!(found, None, "{shown}");
        let log = log.take();
        assert!(log.contains("ERROR flexsecure::store"), "{log}");
        assert!(log.contains(&record.id.to_string()), "{log}");
        for secret in [&*who.auth_id, &*other.auth_id, "garbage"] {
            assert!(!log.contains(secret), "{log}");
        }
        assert_eq!(store.reload(&record).await.unwrap(), None, "{shown}");
        // One is opened in its place, and a user is not locked out.
        let again = who.open(&store, &bank()).await;
        assert!(again.id != record.id);
        store.revoke_user(&who.auth_id).await.unwrap();
    }
    who.elevate(&store, &vault()).await;
}

#[tokio::test]
async fn damaged_elevation_is_absent_with_an_alarm_that_tells_nothing_of_it() {
    let server = Server::start();
    let store = server.store();
    let (who, other) = (Someone::new(), Someone::new());
    let elevation = who.elevate(&store, &bank().single_use()).await;
    let key = server.keys("flexsecure:elevations:*").await.remove(0);
    let field = server.fields(&key).await.remove(0);
    let value = server.get(&key, &field).await;
    other.elevate(&store, &vault()).await;
    let keys = server.keys("flexsecure:elevations:*").await;
    let others_key = keys.iter().find(|it| **it != key).unwrap();
    let others = server.get(others_key, &server.fields(others_key).await.remove(0)).await;
    let (log, _guard) = Captured::begin();
    for bad in damaged(&value, &others) {
        let shown = String::from_utf8_lossy(&bad).into_owned();
        server.set(&key, &field, &bad).await;
        log.take();
        assert_eq!(who.held(&store).await, [], "{shown}");
        let log = log.take();
        assert!(log.contains("ERROR flexsecure::store"), "{log}");
        assert!(log.contains(&elevation.flow().to_string()), "{log}");
        assert!(!log.contains(&*who.auth_id) && !log.contains("garbage"), "{log}");
    }
    // Whoever holds another system's may not put it into this place.
    assert_eq!(who.held(&store).await, []);
}

#[tokio::test]
async fn keys_of_another_kind_are_absent_or_refused() {
    let server = Server::start();
    let store = server.patient().without_local_copies().connect().unwrap();
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank().single_use()).await;
    let record = who.open(&store, &vault()).await;
    let mut admin = server.admin().await;
    for key in server.keys("flexsecure:*").await {
        redis::cmd("SET").arg(key).arg("somebody else's").exec_async(&mut admin).await.unwrap();
    }
    assert_eq!(who.held(&store).await, []);
    let flow = elevation.flow();
    assert!(!store.consume(&who.session, &who.auth_id, flow, present()).await.unwrap());
    assert_eq!(store.flow(&who.session, &who.auth_id, &record.id).await.unwrap(), None);
    assert!(store.open(who.flow(&bank()), present()).await.is_err());
}

/// The next release may add to what this one writes, while both are at work.
#[tokio::test]
async fn what_another_release_has_added_is_ignored_and_kept() {
    let server = Server::start();
    let store = server.patient().without_local_copies().connect().unwrap();
    let who = Someone::new();
    let elevation = who.elevate(&store, &bank().single_use()).await;
    let opened = who.open(&store, &vault()).await;
    for pattern in ["flexsecure:flows:*", "flexsecure:elevations:*"] {
        let key = server.keys(pattern).await.remove(0);
        for field in server.fields(&key).await {
            let value = server.get(&key, &field).await;
            let (header, text) = value.split_once('\n').unwrap();
            let add = |it: &str| it.replacen('{', "{\"later\":\"more\",", 1);
            let value = format!("{}\n{}", add(header), add(text));
            server.set(&key, &field, value.as_bytes()).await;
        }
    }
    assert_eq!(who.held(&store).await, std::slice::from_ref(&elevation));
    assert_eq!(store.reload(&opened).await.unwrap(), Some(opened.clone()));
    let flow = elevation.flow();
    assert!(store.consume(&who.session, &who.auth_id, flow, present()).await.unwrap());
    assert!(who.held(&store).await.iter().all(Elevation::is_spent));
    let key = server.keys("flexsecure:elevations:*").await.remove(0);
    let field = server.fields(&key).await.remove(0);
    let header = server.get(&key, &field).await;
    assert!(header.split('\n').next().unwrap().contains("later"), "{header}");
}

#[tokio::test]
async fn server_whose_revocation_cannot_be_read_is_not_used() {
    let server = Server::start();
    let store = server.patient().without_local_copies().connect().unwrap();
    let who = Someone::new();
    who.elevate(&store, &bank()).await;
    let mut admin = server.admin().await;
    redis::cmd("SET").arg("flexsecure:revoked").arg("soon").exec_async(&mut admin).await.unwrap();
    assert!(store.elevations(&who.session, &who.auth_id).await.is_err());
}
