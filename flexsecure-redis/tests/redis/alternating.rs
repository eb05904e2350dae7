use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{Admission, FlowRecord, Opened, StartTicket, StoreError, Swap};
use flexsecure_core::{Elevation, Elevations, SessionKey, Store, Timestamp};
use flexsecure_redis::RedisStore;

/// Nodes behind a load balancer: each call comes to the next of them.
///
/// What one has copied may lag behind what another has written, so nothing is told at once.
#[derive(Debug)]
pub(crate) struct Alternating {
    nodes: [RedisStore; 3],
    turn: AtomicUsize,
}

impl Alternating {
    pub(crate) fn between(nodes: [RedisStore; 3]) -> Self {
        Self { nodes, turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &RedisStore {
        &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len()]
    }
}

#[async_trait]
impl Store for Alternating {
    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        self.next().elevations(session, auth_id).await
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        self.next().open(new, now).await
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        self.next().flow(session, auth_id, id).await
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        self.next().reload(record).await
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        self.next().swap(next, grant, now).await
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.next().consume(session, auth_id, flow, now).await
    }

    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        self.next().admit_start(ticket, now).await
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        self.next().release_start(ticket).await
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        self.next().revoke_session(session).await
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.next().revoke_user(auth_id).await
    }

    async fn revoke_before(
        &self,
        auth_id: Option<&str>,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.next().revoke_before(auth_id, before).await
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        self.next().rebind(from, to, auth_id).await
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.next().refusals(auth_id, since).await
    }
}
