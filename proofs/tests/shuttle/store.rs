use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{
    Admission, Binding, FlowRecord, Opened, STARTS, StartTicket, StoreError, Swap,
};
use flexsecure_core::test_util::acceptance::{Approval, approve, cancel};
use flexsecure_core::{MemoryStore, Method, Requirement, SessionKey, Store, Timestamp};
use shuttle::future::block_on;
use shuttle::thread;

pub(crate) fn parallel_opens_keep_one_flow() {
    let store = Arc::new(MemoryStore::new());
    let opened = [1, 2, 3].map(|id| spawn(&store, move |store| open(store, id)));
    let opened = opened.map(|thread| thread.join().unwrap().unwrap());
    let is_new = |opened: &&Opened| matches!(opened, Opened::New(_));
    assert_eq!(opened.iter().filter(is_new).count(), 1);
    let ids = opened.map(|opened| match opened {
        Opened::New(record) | Opened::Joined(record) => Some(record.id),
        Opened::TooMany { .. } => None,
    });
    assert!(ids[0].is_some() && ids[0] == ids[1] && ids[1] == ids[2]);
    assert_eq!(store.snapshot().flows().count(), 1);
}

pub(crate) fn parallel_opens_fill_every_place_once() {
    let store = Arc::new(MemoryStore::with_capacity(2));
    let threads = ["one", "other", "third"].map(|session| {
        spawn(&store, move |store| {
            let opened = block_on(store.open(flow_of(session, 1), NOW));
            matches!(opened, Err(StoreError::Full))
        })
    });
    let refused = threads.map(|thread| thread.join().unwrap());
    assert_eq!(refused.into_iter().filter(|refused| *refused).count(), 1);
    assert_eq!(store.snapshot().flows().count(), 2);
}

pub(crate) fn parallel_swaps_have_one_winner() {
    let (store, record) = with_a_flow();
    let threads = [1, 2, 3].map(|second| {
        let next = cancel(&record, NOW.after(Duration::from_secs(second)));
        spawn(&store, move |store| block_on(store.swap(next, None, NOW)).unwrap())
    });
    let swaps = threads.map(|thread| thread.join().unwrap());
    assert_eq!(swaps.iter().filter(|swap| **swap == Swap::Done).count(), 1);
    assert!(swaps.iter().all(|swap| *swap != Swap::Gone));
}

pub(crate) fn parallel_consumers_have_one_winner() {
    let (store, record) = with_a_flow();
    assert_eq!(swap(&store, approve(&record, NOW)), Swap::Done);
    let threads = [(); 3].map(|()| {
        spawn(&store, |store| block_on(store.consume(&session(), USER, &id(1), NOW)).unwrap())
    });
    let spent = threads.map(|thread| thread.join().unwrap());
    assert_eq!(spent.into_iter().filter(|spent| *spent).count(), 1);
}

pub(crate) fn parallel_starts_stay_within_the_limit() {
    let store = Arc::new(MemoryStore::new());
    let threads = [(); 3].map(|()| {
        spawn(&store, |store| {
            let ticket = StartTicket::new(binding("session"));
            let admit = || block_on(store.admit_start(&ticket, NOW)).unwrap();
            [(); 2].into_iter().filter(|()| admit() == Admission::Admitted).count()
        })
    });
    let admitted = threads.map(|thread| thread.join().unwrap());
    assert_eq!(admitted.into_iter().sum::<usize>(), STARTS);
}

pub(crate) fn parallel_claims_have_one_holder() {
    let store = Arc::new(MemoryStore::new());
    let threads = ["one", "other", "third"].map(|session| {
        spawn(&store, move |store| {
            let until = NOW.after(Duration::from_secs(600));
            let ticket = StartTicket::new(binding(session)).exclusive_until(until);
            block_on(store.admit_start(&ticket, NOW)).unwrap()
        })
    });
    let admitted = threads.map(|thread| thread.join().unwrap());
    let is_admitted = |admission: &&Admission| **admission == Admission::Admitted;
    assert_eq!(admitted.iter().filter(is_admitted).count(), 1);
}

pub(crate) fn a_revocation_of_the_session_wins_against_a_swap() {
    a_revocation_wins_against_a_swap(|store| block_on(store.revoke_session(&session())).unwrap());
}

pub(crate) fn a_revocation_of_the_user_wins_against_a_swap() {
    a_revocation_wins_against_a_swap(|store| block_on(store.revoke_user(USER)).unwrap());
}

pub(crate) fn a_revocation_of_everybody_wins_against_a_swap() {
    let later = NOW.after(Duration::from_secs(1));
    a_revocation_wins_against_a_swap(move |store| {
        block_on(store.revoke_before(None, later)).unwrap();
    });
}

fn a_revocation_wins_against_a_swap(revoke: impl FnOnce(&MemoryStore) + Send + 'static) {
    let (store, record) = with_a_flow();
    let approval = approve(&record, NOW);
    let swapping = spawn(&store, move |store| swap(store, approval));
    let revoking = spawn(&store, revoke);
    assert_ne!(swapping.join().unwrap(), Swap::Conflict);
    revoking.join().unwrap();
    assert!(!holds(&store, "session"));
    assert_eq!(store.snapshot().flows().count(), 0);
}

pub(crate) fn a_rebinding_loses_nothing() {
    let (store, record) = with_a_flow();
    let approval = approve(&record, NOW);
    let swapping = spawn(&store, move |store| swap(store, approval));
    rebind(&store).join().unwrap();
    assert_eq!(swapping.join().unwrap(), Swap::Done);
    assert!(!holds(&store, "session") && holds(&store, "other"));
    let stands = block_on(store.reload(&record)).unwrap().unwrap();
    assert!(matches!(stands.flow, Flow::Authenticated(_)));
}

pub(crate) fn a_revocation_wins_against_a_rebinding() {
    let (store, record) = with_a_flow();
    let approval = approve(&record, NOW);
    let swapping = spawn(&store, move |store| swap(store, approval));
    let rebinding = rebind(&store);
    let revoking = spawn(&store, |store| block_on(store.revoke_user(USER)).unwrap());
    swapping.join().unwrap();
    rebinding.join().unwrap();
    revoking.join().unwrap();
    assert!(!holds(&store, "session") && !holds(&store, "other"));
    assert_eq!(store.snapshot().flows().count(), 0);
}

pub(crate) fn nobody_finds_an_elevation_twice() {
    let (store, record) = with_a_flow();
    assert_eq!(swap(&store, approve(&record, NOW)), Swap::Done);
    let rebinding = rebind(&store);
    let looking = spawn(&store, |store| {
        let is_there = holds(store, "other");
        !is_there || !holds(store, "session")
    });
    assert!(looking.join().unwrap());
    rebinding.join().unwrap();
    assert!(!holds(&store, "session") && holds(&store, "other"));
}

fn spawn<T: Send + 'static>(
    store: &Arc<MemoryStore>,
    act: impl FnOnce(&MemoryStore) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let store = Arc::clone(store);
    thread::spawn(move || act(&store))
}

fn with_a_flow() -> (Arc<MemoryStore>, FlowRecord) {
    let store = Arc::new(MemoryStore::new());
    let Ok(Opened::New(record)) = open(&store, 1) else { unreachable!() };
    (store, record)
}

fn open(store: &MemoryStore, id: u128) -> Result<Opened, StoreError> {
    block_on(store.open(flow_of("session", id), NOW))
}

fn swap(store: &MemoryStore, approval: Approval) -> Swap {
    block_on(store.swap(approval.record, Some(approval.elevation), NOW)).unwrap()
}

fn rebind(store: &Arc<MemoryStore>) -> thread::JoinHandle<()> {
    spawn(store, |store| {
        block_on(store.rebind(&session(), &SessionKey::of("other"), USER)).unwrap();
    })
}

fn holds(store: &MemoryStore, session: &str) -> bool {
    block_on(store.elevations(&SessionKey::of(session), USER)).unwrap().is_some()
}

fn flow_of(session: &str, number: u128) -> FlowRecord {
    let flow = Flow::open(NOW, Method::Passwordless);
    FlowRecord { id: id(number), version: 0, binding: binding(session), flow }
}

fn binding(session: &str) -> Arc<Binding> {
    let scope = Requirement::system("bank").single_use().scope().clone();
    Arc::new(Binding::new(SessionKey::of(session), USER.into(), scope))
}

fn session() -> SessionKey {
    SessionKey::of("session")
}

const fn id(number: u128) -> FlowId {
    FlowId::from_bits(number)
}

const USER: &str = "bob";

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
