//! Two nodes are two stores on one server.

use std::time::Duration;

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{News, Swap};
use flexsecure_core::test_util::acceptance::{approve, begin};
use flexsecure_core::{Elevation, Store, Timestamp};
use flexsecure_redis::RedisStore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::proxy::Proxy;
use crate::server::{Server, patient};
use crate::someone::{Someone, bank, eventually, present};

#[tokio::test]
async fn revocation_on_one_node_reaches_the_copies_of_the_other() {
    let server = Server::start();
    let (here, there) = (server.store(), server.store());
    type Revocation =
        for<'r> fn(&'r RedisStore, &'r Someone) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'r>>;
    let revocations: [(&str, Revocation); 5] = [
        ("session", |store, who| {
            Box::pin(async { store.revoke_session(&who.session).await.unwrap() })
        }),
        ("user", |store, who| Box::pin(async { store.revoke_user(&who.auth_id).await.unwrap() })),
        ("user before", |store, who| {
            Box::pin(async { store.revoke_before(Some(&who.auth_id), soon()).await.unwrap() })
        }),
        ("rebinding", |store, who| {
            let to = who.in_another_session().session;
            Box::pin(async move { store.rebind(&who.session, &to, &who.auth_id).await.unwrap() })
        }),
        ("everybody", |store, _| {
            Box::pin(async { store.revoke_before(None, soon()).await.unwrap() })
        }),
    ];
    for (name, revoke) in revocations {
        let who = Someone::new();
        who.elevate(&here, &bank()).await;
        who.be_copied(&here).await;
        who.be_copied(&there).await;
        revoke(&here, &who).await;
        assert!(who.copied(&here).is_none(), "{name}");
        eventually(name, async || who.copied(&there).is_none()).await;
        assert_eq!(who.held(&there).await, [], "{name}");
    }
}

/// The server takes its time to tell of changes, and who has made them does not wait for that.
#[tokio::test]
async fn what_a_node_has_written_it_sees_at_once() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = patient(proxy.builder()).connect().unwrap();
    Someone::copying(&store).await;
    proxy.hold_up("invalidate", 200);
    for number in 0..5 {
        let who = Someone::new();
        let single = who.elevate(&store, &bank().single_use()).await;
        who.be_copied(&store).await;
        // What is told late of the elevation would do what is to be done without it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        who.be_copied(&store).await;
        let to = who.in_another_session().session;
        match number {
            0 => store.revoke_session(&who.session).await.unwrap(),
            1 => store.revoke_user(&who.auth_id).await.unwrap(),
            2 => store.rebind(&who.session, &to, &who.auth_id).await.unwrap(),
            3 => drop(who.elevate(&store, &bank()).await),
            _ => {
                let flow = single.flow();
                let spent = store.consume(&who.session, &who.auth_id, flow, present()).await;
                assert!(spent.unwrap());
            }
        }
        assert!(who.copied(&store).is_none(), "{number}");
    }
}

#[tokio::test]
async fn elevation_used_up_on_one_node_is_seen_to_be_on_the_other() {
    let server = Server::start();
    let (here, there) = (server.store(), server.store());
    let who = Someone::new();
    let elevation = who.elevate(&here, &bank().single_use()).await;
    who.be_copied(&there).await;
    let flow = elevation.flow();
    assert!(here.consume(&who.session, &who.auth_id, flow, present()).await.unwrap());
    eventually("the copy is gone", async || who.copied(&there).is_none()).await;
    assert!(who.held(&there).await.iter().all(Elevation::is_spent));
    assert!(!there.consume(&who.session, &who.auth_id, flow, present()).await.unwrap());
}

#[tokio::test]
async fn flow_goes_from_node_to_node() {
    let server = Server::start();
    let nodes: [RedisStore; 4] = std::array::from_fn(|_| server.store());
    let who = Someone::new();
    let opened = who.open(&nodes[0], &bank()).await;
    let started = begin(&opened, present());
    assert_eq!(nodes[1].swap(started, None, present()).await.unwrap(), Swap::Done);
    let found = nodes[2].flow(&who.session, &who.auth_id, &opened.id).await.unwrap().unwrap();
    let approval = approve(&opened, present());
    let next = found.next(approval.record.flow);
    let swap = nodes[2].swap(next, Some(approval.elevation.clone()), present()).await.unwrap();
    assert_eq!(swap, Swap::Done);
    assert_eq!(who.held(&nodes[3]).await, [approval.elevation]);
}

#[tokio::test]
async fn news_tell_the_other_node_of_what_a_client_can_see() {
    let server = Server::start();
    let (here, there) = (server.store(), server.store());
    let mut heard = Heard::by(&there, &server).await;
    let who = Someone::new();
    let opened = who.open(&here, &bank()).await;
    let started = begin(&opened, present());
    here.swap(started.clone(), None, present()).await.unwrap();
    assert_eq!(heard.next().await, News::Flow(opened.id));

    // The same face again is no news, so the next to be heard is that of the revocation.
    here.swap(started.next(started.flow.clone()), None, present()).await.unwrap();
    let other = Someone::new();
    let second = other.open(&here, &bank()).await;
    here.revoke_session(&other.session).await.unwrap();
    assert_eq!(heard.next().await, News::Flow(second.id));
    here.rebind(&who.session, &other.session, &who.auth_id).await.unwrap();
    assert_eq!(heard.next().await, News::Flow(opened.id));
    here.revoke_before(None, soon()).await.unwrap();
    assert_eq!(heard.next().await, News::Anything);
}

/// Whoever is woken by news and looks at once never finds what was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_come_after_the_copy_from_before_is_gone() {
    let server = Server::start();
    let (here, there) = (server.store(), server.store());
    Someone::copying(&there).await;
    for _ in 0..100 {
        let who = Someone::new();
        let (looking, looked) = (there.clone(), who.clone());
        let (found, finds) = unbounded_channel();
        let mut finds = Heard(finds);
        let pending = who.open(&here, &bank().single_use()).await;
        there.listen(Box::new(move |news| {
            if news == News::Flow(pending.id) {
                let _ = found.send(looked.copied(&looking).is_some());
            }
        }));
        who.elevate(&here, &bank()).await;
        who.be_copied(&there).await;
        here.revoke_user(&who.auth_id).await.unwrap();
        assert!(!finds.next().await);
    }
}

#[tokio::test]
async fn requests_that_are_let_through_cost_the_server_nothing() {
    let server = Server::start();
    let (here, there) = (server.store(), server.store());
    let who = Someone::new();
    who.elevate(&here, &bank()).await;
    who.be_copied(&there).await;
    let before = server.scripts_run().await;
    for _ in 0..1000 {
        assert!(who.copied(&there).is_some());
    }
    assert_eq!(server.scripts_run().await, before);
    here.revoke_session(&who.session).await.unwrap();
    eventually("the copy is gone", async || who.copied(&there).is_none()).await;
    let before = server.scripts_run().await;
    assert_eq!(who.held(&there).await, []);
    assert_eq!(server.scripts_run().await, before + 1);
}

#[tokio::test]
async fn store_without_copies_asks_for_everything_and_hears_news() {
    let server = Server::start();
    let here = server.store();
    let there = server.patient().without_local_copies().connect().unwrap();
    let mut heard = Heard::by(&there, &server).await;
    let who = Someone::new();
    let elevation = who.elevate(&here, &bank()).await;
    assert_eq!(heard.next().await, News::Flow(*elevation.flow()));
    assert_eq!(who.held(&there).await, [elevation]);
    assert!(who.copied(&there).is_none());
}

/// What a listener was told and has not looked at yet.
struct Heard<T>(UnboundedReceiver<T>);

impl<T> Heard<T> {
    async fn next(&mut self) -> T {
        let next = timeout(Duration::from_secs(10), self.0.recv()).await;
        next.expect("news come within ten seconds").unwrap()
    }
}

impl Heard<News> {
    /// Begins once the server is watched.
    async fn by(store: &RedisStore, server: &Server) -> Self {
        let (sender, heard) = unbounded_channel();
        let mut heard = Self(heard);
        store.listen(Box::new(move |news| {
            let _ = sender.send(news);
        }));
        let (trial, last) = (FlowId::from_bits(1), FlowId::from_bits(2));
        eventually("the server is watched", async || {
            server.publish(trial).await > 0 && !heard.0.is_empty()
        })
        .await;
        server.publish(last).await;
        while heard.next().await != News::Flow(last) {}
        heard
    }
}

/// Later than all that has happened.
fn soon() -> Timestamp {
    present().after(Duration::from_secs(1))
}
