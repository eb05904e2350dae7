//! A store that is on another machine, as far as its callers can tell: each call takes two turns of
//! the scheduler, and any can go wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{
    Admission, FlowRecord, News, Opened, StartTicket, Store, StoreError, Swap,
};
use flexsecure_core::{Elevation, Elevations, MemoryStore, SessionKey, Timestamp};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::faults::{Faults, Mode, Service};
use crate::ledger::Ledger;

type Listener = Box<dyn Fn(News) + Send + Sync>;

/// What the nodes of a cluster share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) memory: MemoryStore,
    listeners: Mutex<Vec<(usize, Listener)>>,
}

/// One node's way to it.
pub(crate) struct FaultyStore {
    pub(crate) node: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) ledger: Arc<Ledger>,
}

impl FaultyStore {
    async fn call<T>(
        &self,
        name: &str,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        yield_now().await;
        let unavailable = |why: &str| Err(StoreError::Unavailable(why.into()));
        match self.faults.next(Service::Store, name) {
            None => {
                let answer = operation.await;
                yield_now().await;
                answer
            }
            Some(Mode::Error) => unavailable("refused"),
            Some(Mode::TimeOut) => {
                sleep(LIMIT).await;
                unavailable("no answer")
            }
            Some(Mode::Lost) => {
                let _ = operation.await;
                sleep(LIMIT).await;
                unavailable("no answer")
            }
        }
    }

    fn tell_others(&self, news: News) {
        let listeners = self.shared.listeners.lock().unwrap();
        listeners.iter().filter(|(node, _)| *node != self.node).for_each(|(_, tell)| tell(news));
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn listen(&self, tell: Listener) {
        self.shared.listeners.lock().unwrap().push((self.node, tell));
    }

    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        let held = self.call("elevations", self.shared.memory.elevations(session, auth_id)).await?;
        if let Some(held) = &held {
            self.ledger.note_read(*session, Arc::clone(held));
        }
        Ok(held)
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        self.call("open", async {
            let opened = self.shared.memory.open(new, now).await;
            if let Ok(Opened::New(record)) = &opened {
                self.ledger.note_opened(record);
            }
            opened
        })
        .await
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        self.call("flow", self.shared.memory.flow(session, auth_id, id)).await
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        self.call("reload", self.shared.memory.reload(record)).await
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let name = format!("swap to {}", next.flow.state());
        self.call(&name, async {
            let id = next.id;
            let swap = self.shared.memory.swap(next, grant, now).await;
            if matches!(swap, Ok(Swap::Done)) {
                self.tell_others(News::Flow(id));
            }
            swap
        })
        .await
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call("consume", async {
            let consumed = self.shared.memory.consume(session, auth_id, flow, now).await;
            if matches!(consumed, Ok(true)) {
                self.ledger.note_consumed(flow);
            }
            consumed
        })
        .await
    }

    async fn admit_start(&self, it: &StartTicket, now: Timestamp) -> Result<Admission, StoreError> {
        self.call("admit_start", async {
            let admission = self.shared.memory.admit_start(it, now).await;
            if let (Ok(Admission::Admitted), Some(login)) = (&admission, &it.binding.login) {
                self.ledger.note_admitted(login);
            }
            admission
        })
        .await
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.call("release_start", self.shared.memory.release_start(ticket)).await
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        let operation = async {
            let revoked = self.shared.memory.revoke_session(session).await;
            self.tell_others(News::Anything);
            revoked
        };
        self.call("revoke_session", operation).await
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        let operation = async {
            let revoked = self.shared.memory.revoke_user(auth_id).await;
            self.tell_others(News::Anything);
            revoked
        };
        self.call("revoke_user", operation).await
    }

    async fn revoke_before(&self, it: Option<&str>, before: Timestamp) -> Result<(), StoreError> {
        self.call("revoke_before", self.shared.memory.revoke_before(it, before)).await
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        let operation = async {
            let rebound = self.shared.memory.rebind(from, to, auth_id).await;
            self.tell_others(News::Anything);
            rebound
        };
        self.call("rebind", operation).await
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.call("refusals", self.shared.memory.refusals(auth_id, since)).await
    }
}

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyStore(..)")
    }
}

/// The time limit that a store on another machine keeps.
const LIMIT: Duration = Duration::from_millis(500);
