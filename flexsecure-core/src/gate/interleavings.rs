//! Those who wait for a flow, those who tend it and those who tell of it, for a scheduler that tries
//! one order after another.
//!
//! Each is run many times, and panics if the order in which it was run shows something wrong; a
//! wake-up that is lost leaves everybody waiting, which the scheduler calls a deadlock.
//!
//! The channel in which news are passed on is that of tokio, and is one step here: what can happen
//! within it is not looked at.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "it is how a property fails")]

use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

use super::hub::Hub;
use crate::flow::{Flow, FlowId};
use crate::store::{Binding, FlowRecord};
use crate::{Method, Requirement, SessionKey, Timestamp};

/// Who subscribes and then looks learns of a change, whenever that comes.
pub fn no_wake_up_is_lost() {
    let scene = Arc::new(Scene::default());
    let waiters = [(); 2].map(|()| scene.spawn(Scene::wait));
    scene.end();
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    assert!(scene.hub.is_empty(), "somebody has left an entry");
}

/// So does who waits for a flow of which only all are told.
pub fn no_wake_up_is_lost_where_all_are_told() {
    let scene = Arc::new(Scene::default());
    let waiter = scene.spawn(Scene::wait);
    scene.is_over.store(true, Ordering::SeqCst);
    scene.hub.announce_to(|binding| *binding.auth_id == *USER);
    waiter.join().unwrap();
    assert!(scene.hub.is_empty(), "somebody has left an entry");
}

/// One task tends a flow for all who wait, and none of them waits without one.
pub fn a_flow_that_is_waited_for_is_tended_by_one() {
    let scene = Arc::new(Scene::default());
    let waiters = [(); 3].map(|()| scene.spawn(Scene::wait_and_tend));
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    scene.join_tenders();
    assert!(scene.hub.is_empty(), "somebody has left an entry");
}

/// Who waits comes and goes while the task that tends for them ends, by itself or because nobody
/// waits.
pub fn a_flow_is_tended_again_for_who_comes_late() {
    let scene = Arc::new(Scene::default());
    let leaves = scene.spawn(|scene| {
        let _news = scene.hub.subscribe(&record());
        scene.tend();
    });
    let stays = scene.spawn(Scene::wait_and_tend);
    leaves.join().unwrap();
    stays.join().unwrap();
    scene.join_tenders();
    assert!(scene.hub.is_empty(), "somebody has left an entry");
}

/// Whoever tends a flow learns that nobody waits for it any more.
pub fn nobody_tends_a_flow_that_nobody_waits_for() {
    let scene = Arc::new(Scene::default());
    let waiters = [(); 2].map(|()| {
        scene.spawn(|scene| {
            let _news = scene.hub.subscribe(&record());
            let Some(mut news) = scene.hub.claim_tending(FLOW) else { return };
            let tender = scene.spawn(move |scene| {
                while scene.hub.is_wanted(FLOW) {
                    block_on(news.changed()).unwrap_or_default();
                }
            });
            scene.tenders.lock().unwrap().push(tender);
        })
    });
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    scene.join_tenders();
    assert!(scene.hub.is_empty(), "somebody has left an entry");
}

/// A flow, whose end stands for all news of it, and those about it.
#[derive(Default)]
struct Scene {
    hub: Hub,
    is_over: AtomicBool,
    polls: AtomicUsize,
    tending: AtomicUsize,
    tenders: shuttle::sync::Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Scene {
    fn spawn(
        self: &Arc<Self>,
        act: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let scene = Arc::clone(self);
        thread::spawn(move || act(&scene))
    }

    fn join_tenders(&self) {
        let tenders = std::mem::take(&mut *self.tenders.lock().unwrap());
        tenders.into_iter().for_each(|tender| tender.join().unwrap());
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// A change is stored before it is told.
    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.hub.announce(FLOW);
    }

    /// As `Engine::wait_while` does, without tending.
    fn wait(self: &Arc<Self>) {
        let mut news = self.hub.subscribe(&record());
        while !self.is_over() {
            block_on(news.changed());
        }
    }

    /// As `Engine::wait_while` does.
    fn wait_and_tend(self: &Arc<Self>) {
        let mut news = self.hub.subscribe(&record());
        while !self.is_over() {
            self.tend();
            block_on(news.changed());
        }
    }

    /// As `Engine::tend` does. The first poll finds that nothing more is to come, as it does of a
    /// flow that somebody has to start; the second finds the flow over.
    fn tend(self: &Arc<Self>) {
        let Some(_news) = self.hub.claim_tending(FLOW) else { return };
        let tender = self.spawn(|scene| {
            if !scene.hub.is_wanted(FLOW) {
                return;
            }
            assert_eq!(scene.tending.fetch_add(1, Ordering::SeqCst), 0, "two tend one flow");
            if scene.polls.fetch_add(1, Ordering::SeqCst) > 0 {
                scene.end();
            }
            scene.tending.fetch_sub(1, Ordering::SeqCst);
            scene.hub.stop_tending(FLOW);
        });
        self.tenders.lock().unwrap().push(tender);
    }
}

fn record() -> FlowRecord {
    let scope = Requirement::system("bank").scope().clone();
    let binding = Arc::new(Binding::new(SessionKey::of("session"), USER.into(), scope));
    let flow = Flow::open(Timestamp::from_millis(0), Method::Passwordless);
    FlowRecord { id: FLOW, version: 0, binding, flow }
}

const FLOW: FlowId = FlowId::from_bits(1);

const USER: &str = "bob";
