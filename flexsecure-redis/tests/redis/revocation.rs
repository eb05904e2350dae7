use std::time::Duration;

use flexsecure_core::Store;
use flexsecure_core::store::{Opened, Swap};
use flexsecure_core::test_util::acceptance::approve;

use crate::proxy::Proxy;
use crate::server::{Server, patient};
use crate::someone::{Someone, bank, eventually, present, vault};

#[tokio::test]
async fn flow_from_before_everybody_was_revoked_brings_nothing() {
    let server = Server::start();
    for store in [server.store(), server.patient().without_local_copies().connect().unwrap()] {
        let who = Someone::new();
        let (opened, other) = (who.open(&store, &bank()).await, who.open(&store, &vault()).await);
        let later = present().after(Duration::from_secs(1));
        store.revoke_before(None, later).await.unwrap();
        // An earlier time takes nothing back.
        store.revoke_before(None, present()).await.unwrap();
        let approval = approve(&opened, later);
        let swap = store.swap(approval.record, Some(approval.elevation), later).await.unwrap();
        assert_eq!(swap, Swap::Gone);
        assert_eq!(who.held(&store).await, []);
        assert_eq!(store.reload(&other).await.unwrap(), None);
        let again = store.open(who.flow(&vault()), later).await.unwrap();
        let Opened::New(again) = again else { panic!("it is new, not {again:?}") };
        assert_eq!(again.binding.login, Some(again.id));
        // Both stores look at one server, and the second is to find nothing of this.
        let mut admin = server.admin().await;
        redis::cmd("FLUSHALL").exec_async(&mut admin).await.unwrap();
    }
}

/// When the user of a session changes, so does whose proofs it holds.
#[tokio::test]
async fn session_holds_the_elevations_of_one_user() {
    let server = Server::start();
    let store = server.store();
    let who = Someone::new();
    who.elevate(&store, &bank()).await;
    who.elevate(&store, &vault()).await;
    let elsewhere = who.in_another_session();
    let kept = elsewhere.elevate(&store, &bank()).await;
    let next = Someone { session: who.session, ..Someone::new() };
    next.elevate(&store, &bank()).await;
    assert_eq!(who.held(&store).await, []);
    assert_eq!(elsewhere.held(&store).await, [kept]);
}

/// A client that leaves while it logs out is logged out.
#[tokio::test]
async fn what_has_several_steps_is_carried_out_though_nobody_waits_for_it() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let slow = patient(proxy.builder()).connect().unwrap();
    let store = server.store();
    // The server knows all scripts from here on.
    let first = Someone::new();
    first.elevate(&slow, &bank()).await;
    slow.rebind(&first.session, &first.in_another_session().session, &first.auth_id).await.unwrap();
    slow.revoke_session(&first.session).await.unwrap();
    proxy.delay(50, 50);
    let (who, mover) = (Someone::new(), Someone::new());
    who.elevate(&store, &bank()).await;
    let moved = mover.elevate(&store, &bank()).await;
    let after = mover.in_another_session();
    let a_moment = Duration::from_millis(10);
    let revoking = slow.revoke_session(&who.session);
    assert!(tokio::time::timeout(a_moment, revoking).await.is_err());
    let rebinding = slow.rebind(&mover.session, &after.session, &mover.auth_id);
    assert!(tokio::time::timeout(a_moment, rebinding).await.is_err());
    eventually("it is revoked", async || who.held(&store).await.is_empty()).await;
    eventually("it is moved", async || after.held(&store).await == [moved.clone()]).await;
}
