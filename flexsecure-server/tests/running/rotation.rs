use serde_json::json;

use crate::harness::Place;

#[tokio::test]
async fn what_was_started_before_a_rotation_is_finished_after_it_on_any_server() {
    let place = Place::new().await;
    let mut one = place.serve(&[]).await;
    let two = place.serve(&[]).await;
    let before = one.start_of("alice").await;
    let pin = one.newest().await["pin"].clone();
    let listed = place.works(&["server-key", "list"]).await;
    assert_eq!(listed.lines().count(), 1);

    let told = place.works(&["server-key", "rotate"]).await;
    let id = told.strip_prefix("added server key ").unwrap().split(':').next().unwrap();
    let listed = place.works(&["server-key", "list"]).await;
    assert!(listed.starts_with(&format!("{id}\tcreated 20")) && listed.contains("\tcurrent\n"));
    let file = std::fs::read_to_string(place.path("flexsecure.db.keys")).unwrap();
    for line in file.lines() {
        let key = line.split(' ').nth(1).unwrap();
        assert!(!listed.contains(key) && !told.contains(key));
    }

    // Only one of them reads it now.
    one.signal("-HUP").await;
    one.until_logged("were read again").await;
    let after = json!({"txn": before["txn"], "pin": pin});
    let checked = two.check("alice", after.clone()).await;
    assert_eq!(checked.json()["result"], "authenticated");
    assert_eq!(one.check("alice", after).await.json()["result"], "authenticated");

    // Made with the new key by one, and understood by the other, which meets it for the first time.
    let key = place.works(&["key", "create", "new"]).await.trim().to_owned();
    assert_eq!(two.ask_with(&key).await.status, 200);
    let fresh = one.start_of("alice").await;
    let pin = one.newest().await["pin"].clone();
    let checked = two.check("alice", json!({"txn": fresh["txn"], "pin": pin})).await;
    assert_eq!(checked.json()["result"], "authenticated");
    assert_eq!(one.ask_with(&one.key).await.status, 200, "a key from before the rotation");
}

#[tokio::test]
async fn a_challenge_with_a_key_that_only_the_other_server_read_is_finished() {
    let place = Place::new().await;
    let mut one = place.serve(&[]).await;
    let mut two = place.serve(&[]).await;
    place.works(&["server-key", "rotate"]).await;
    one.signal("-HUP").await;
    one.until_logged("were read again").await;
    let fresh = one.start_of("alice").await;
    let pin = one.newest().await["pin"].clone();
    assert!(!two.log().contains("read again"));
    let checked = two.check("alice", json!({"txn": fresh["txn"], "pin": pin})).await;
    assert_eq!(checked.json()["result"], "authenticated");
    two.until_logged("the key file was read again").await;
}
