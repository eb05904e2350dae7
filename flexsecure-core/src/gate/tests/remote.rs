use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::flow::FlowId;
use crate::store::{Admission, FlowRecord, News, Opened, StartTicket, StoreError, Swap};
use crate::{Elevation, Elevations, MemoryStore, SessionKey, Store, Timestamp};

/// A store like one on another machine: it knows nothing at once, others come in between, and it can
/// be down, or take no writes. What it was told to do it does before it answers. Clones are the same
/// store, for another node.
#[derive(Clone, Debug, Default)]
pub(super) struct RemoteStore {
    inner: Arc<MemoryStore>,
    pub(super) is_down: Arc<AtomicBool>,
    pub(super) is_read_only: Arc<AtomicBool>,
    /// Users cannot be counted, though all else goes on.
    pub(super) counts_nobody: Arc<AtomicBool>,
    /// Who asks for a start to be admitted never hears of it, as if its node had died.
    pub(super) loses_starts: Arc<AtomicBool>,
    listeners: Listeners,
}

/// The nodes; each is told what any of them did.
#[derive(Clone, Default)]
struct Listeners(Arc<Mutex<Vec<Listener>>>);

type Listener = Box<dyn Fn(News) + Send + Sync>;

impl Listeners {
    fn tell(&self, news: News) {
        self.0.lock().unwrap().iter().for_each(|tell| tell(news));
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners(..)")
    }
}

impl RemoteStore {
    fn up(&self) -> Result<&MemoryStore, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        Ok(&self.inner)
    }

    fn writable(&self) -> Result<&MemoryStore, StoreError> {
        if self.is_read_only.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("read only".into()));
        }
        self.up()
    }
}

#[async_trait]
impl Store for RemoteStore {
    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        let held = self.up()?.elevations(session, auth_id).await;
        tokio::task::yield_now().await;
        held
    }

    fn listen(&self, tell: Listener) {
        self.listeners.0.lock().unwrap().push(tell);
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        let opened = self.writable()?.open(new, now).await;
        tokio::task::yield_now().await;
        opened
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        let found = self.up()?.flow(session, auth_id, id).await;
        tokio::task::yield_now().await;
        found
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        let found = self.up()?.reload(record).await;
        tokio::task::yield_now().await;
        found
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let flow = next.id;
        let swap = self.writable()?.swap(next, grant, now).await;
        self.listeners.tell(News::Flow(flow));
        tokio::task::yield_now().await;
        swap
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writable()?.consume(session, auth_id, flow, now).await
    }

    async fn admit_start(&self, it: &StartTicket, now: Timestamp) -> Result<Admission, StoreError> {
        if self.loses_starts.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.counts_nobody.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("no counters".into()));
        }
        self.writable()?.admit_start(it, now).await
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.writable()?.release_start(ticket).await
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        let revoked = self.writable()?.revoke_session(session).await;
        self.listeners.tell(News::Anything);
        revoked
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.writable()?.revoke_user(auth_id).await
    }

    async fn revoke_before(&self, it: Option<&str>, before: Timestamp) -> Result<(), StoreError> {
        self.writable()?.revoke_before(it, before).await
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        let rebound = self.writable()?.rebind(from, to, auth_id).await;
        self.listeners.tell(News::Anything);
        rebound
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.up()?.refusals(auth_id, since).await
    }
}
