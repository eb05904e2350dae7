use flexsecure_core::store::{Opened, StoreError, Swap};
use flexsecure_core::test_util::acceptance::{approve, begin};
use flexsecure_core::{Elevation, Store};

use crate::server::Server;
use crate::someone::{Someone, bank, present, vault};

#[tokio::test]
async fn full_server_refuses_what_is_new_and_goes_on_with_what_has_begun() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::new();
    let single = who.elevate(&store, &bank().single_use()).await;
    let opened = who.open(&store, &vault()).await;
    server.configure("maxmemory", "1").await;

    let stranger = Someone::new();
    for refused in [stranger.flow(&bank()), who.flow(&bank())] {
        let refused = store.open(refused, present()).await;
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    }
    let joined = store.open(who.flow(&vault()), present()).await.unwrap();
    assert_eq!(joined, Opened::Joined(opened.clone()));
    let started = begin(&opened, present());
    assert_eq!(store.swap(started.clone(), None, present()).await.unwrap(), Swap::Done);
    let approval = approve(&opened, present());
    let next = started.next(approval.record.flow);
    let swap = store.swap(next, Some(approval.elevation), present()).await.unwrap();
    assert_eq!(swap, Swap::Done);
    assert!(store.consume(&who.session, &who.auth_id, single.flow(), present()).await.unwrap());
    let after = who.in_another_session();
    store.rebind(&who.session, &after.session, &who.auth_id).await.unwrap();
    let held = after.held(&store).await;
    assert_eq!(held.iter().map(Elevation::is_spent).collect::<Vec<_>>(), [true, false]);
    store.revoke_session(&after.session).await.unwrap();
    assert_eq!(after.held(&store).await, []);

    server.configure("maxmemory", "0").await;
    stranger.open(&store, &bank()).await;
}
