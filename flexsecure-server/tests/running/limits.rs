use crate::harness::{Place, soon};

#[tokio::test]
async fn a_stranger_at_the_same_address_locks_no_right_key_out() {
    let place = Place::new().await;
    let other = place.works(&["key", "create", "other"]).await.trim().to_owned();
    let running = place.serve(&[]).await;
    assert_eq!(running.ask_with(&running.key).await.status, 200);
    // Well-formed, and so one that the database has to be asked about.
    let wrong = place.works(&["key", "create", "revoked"]).await.trim().to_owned();
    place.works(&["key", "revoke", "revoked"]).await;
    let mut refused = 0;
    for _ in 0..60 {
        refused += usize::from(running.ask_with(&wrong).await.status == 429);
    }
    assert!(refused >= 30, "only {refused} were refused");
    for _ in 0..30 {
        assert_eq!(running.ask_with(&running.key).await.status, 200);
    }
    // One that has not been seen to be right is not looked at for nothing, but in its turn.
    soon(async { while running.ask_with(&other).await.status != 200 {} }).await;
    for _ in 0..30 {
        assert_eq!(running.ask_with(&other).await.status, 200);
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_counts_as_wrong_again() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    assert_eq!(running.ask_with(&running.key).await.status, 200);
    place.works(&["key", "revoke", "tests"]).await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(running.ask_with(&running.key).await.status.as_u16());
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.contains(&429) && !statuses.contains(&200), "{statuses:?}");
}
