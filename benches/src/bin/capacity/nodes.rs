//! A store that several nodes share, each told of what any of them did, as one outside of them does.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{Admission, FlowRecord, News, Opened, StartTicket, StoreError, Swap};
use flexsecure_core::{Elevation, Elevations, MemoryStore, SessionKey, Store, Timestamp};

/// Clones are the same store, for another node. It counts what it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedStore {
    inner: Arc<MemoryStore>,
    listeners: Arc<Listeners>,
    operations: Arc<AtomicU64>,
}

#[derive(Default)]
struct Listeners(Mutex<Vec<Listener>>);

type Listener = Box<dyn Fn(News) + Send + Sync>;

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners(..)")
    }
}

impl SharedStore {
    /// How many operations it was asked for.
    pub(crate) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    fn counted(&self) -> &MemoryStore {
        self.operations.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }

    fn tell(&self, news: News) {
        self.listeners.0.lock().unwrap().iter().for_each(|tell| tell(news));
    }
}

#[async_trait]
impl Store for SharedStore {
    fn listen(&self, tell: Listener) {
        self.listeners.0.lock().unwrap().push(tell);
    }

    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        self.counted().elevations(session, auth_id).await
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        self.counted().open(new, now).await
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        self.counted().flow(session, auth_id, id).await
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        self.counted().reload(record).await
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let flow = next.id;
        let swap = self.counted().swap(next, grant, now).await;
        self.tell(News::Flow(flow));
        swap
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.counted().consume(session, auth_id, flow, now).await
    }

    async fn admit_start(&self, it: &StartTicket, now: Timestamp) -> Result<Admission, StoreError> {
        self.counted().admit_start(it, now).await
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.counted().release_start(ticket).await
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.counted().revoke_session(session).await?;
        self.tell(News::Anything);
        Ok(())
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.counted().revoke_user(auth_id).await?;
        self.tell(News::Anything);
        Ok(())
    }

    async fn revoke_before(&self, it: Option<&str>, before: Timestamp) -> Result<(), StoreError> {
        self.counted().revoke_before(it, before).await?;
        self.tell(News::Anything);
        Ok(())
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        self.counted().rebind(from, to, auth_id).await?;
        self.tell(News::Anything);
        Ok(())
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.counted().refusals(auth_id, since).await
    }
}
