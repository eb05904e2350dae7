use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{Admission, FlowRecord, Opened, Snapshot, StartTicket, Swap};
use flexsecure_core::{Elevations, MemoryStore, SessionKey, Store, Timestamp};

use crate::Without;
use crate::driver::USER;

/// What the nodes share: the memory store, as it is between two of its verbs.
///
/// A verb is done by a store that is made of the picture, of which the next picture is taken. What
/// it did to a picture it would do again, so that is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    picture: Arc<Snapshot>,
    hash: u64,
}

/// A verb and all that it is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Elevations(SessionKey),
    Open(FlowRecord, Timestamp),
    Reload(FlowRecord),
    /// With the grant that goes with it.
    Swap(FlowRecord, Timestamp),
    Consume(SessionKey, FlowId, Timestamp),
    Admit(StartTicket, Timestamp),
    Release(StartTicket),
    Revoke(SessionKey),
    Rebind(SessionKey, SessionKey),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Held(Option<Arc<Elevations>>),
    Opened(Opened),
    Read(Option<FlowRecord>),
    Swapped(Swap),
    Consumed(bool),
    Admitted(Admission),
    Done,
}

impl Kept {
    pub(crate) fn nothing() -> Self {
        Self::of(&MemoryStore::new())
    }

    fn of(store: &MemoryStore) -> Self {
        let picture = Arc::new(store.snapshot());
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&picture);
        Self { picture, hash }
    }

    pub(crate) fn picture(&self) -> &Snapshot {
        &self.picture
    }

    pub(crate) fn elevations(&mut self, session: SessionKey) -> Option<Arc<Elevations>> {
        let Answer::Held(held) = self.does(Verb::Elevations(session)) else { unreachable!() };
        held
    }

    pub(crate) fn open(&mut self, new: FlowRecord, now: Timestamp) -> Opened {
        let Answer::Opened(opened) = self.does(Verb::Open(new, now)) else { unreachable!() };
        opened
    }

    pub(crate) fn reload(&mut self, record: FlowRecord) -> Option<FlowRecord> {
        let Answer::Read(record) = self.does(Verb::Reload(record)) else { unreachable!() };
        record
    }

    pub(crate) fn swap(&mut self, next: &FlowRecord, now: Timestamp, without: Without) -> Swap {
        let mut next = next.clone();
        if without == Without::VersionCheck {
            let current = self.reload(next.clone());
            next.version = current.map_or(0, |current| current.version) + 1;
        }
        let Answer::Swapped(swap) = self.does(Verb::Swap(next, now)) else { unreachable!() };
        swap
    }

    pub(crate) fn consume(&mut self, session: SessionKey, flow: FlowId, now: Timestamp) -> bool {
        let consume = Verb::Consume(session, flow, now);
        let Answer::Consumed(is_spent) = self.does(consume) else { unreachable!() };
        is_spent
    }

    pub(crate) fn admit(&mut self, ticket: StartTicket, now: Timestamp) -> Admission {
        let Answer::Admitted(admission) = self.does(Verb::Admit(ticket, now)) else {
            unreachable!()
        };
        admission
    }

    /// Does `verb`, with all that it changes.
    pub(crate) fn does(&mut self, verb: Verb) -> Answer {
        let key = (self.hash, verb);
        let known = DONE.with_borrow(|done| done.get(&key).cloned());
        let (answer, after) = known.unwrap_or_else(|| {
            let store = MemoryStore::from(&*self.picture);
            let answer = at_once(key.1.clone().put_to(&store));
            let new = (answer, Self::of(&store));
            DONE.with_borrow_mut(|done| done.insert(key, new.clone()));
            new
        });
        *self = after;
        answer
    }
}

impl Verb {
    async fn put_to(self, store: &MemoryStore) -> Answer {
        match self {
            Self::Elevations(session) => {
                Answer::Held(store.elevations(&session, USER).await.unwrap())
            }
            Self::Open(new, now) => Answer::Opened(store.open(new, now).await.unwrap()),
            Self::Reload(record) => Answer::Read(store.reload(&record).await.unwrap()),
            Self::Swap(next, now) => {
                let grant = next.elevation();
                Answer::Swapped(store.swap(next, grant, now).await.unwrap())
            }
            Self::Consume(session, flow, now) => {
                Answer::Consumed(store.consume(&session, USER, &flow, now).await.unwrap())
            }
            Self::Admit(ticket, now) => {
                Answer::Admitted(store.admit_start(&ticket, now).await.unwrap())
            }
            Self::Release(ticket) => {
                store.release_start(&ticket).await.unwrap();
                Answer::Done
            }
            Self::Revoke(session) => {
                store.revoke_session(&session).await.unwrap();
                Answer::Done
            }
            Self::Rebind(from, to) => {
                store.rebind(&from, &to, USER).await.unwrap();
                Answer::Done
            }
        }
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.picture == other.picture
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// The memory store never waits.
fn at_once<T>(verb: impl Future<Output = T>) -> T {
    match pin!(verb).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the memory store made somebody wait"),
    }
}

thread_local! {
    static DONE: RefCell<HashMap<(u64, Verb), (Answer, Kept)>> = RefCell::default();
}
