use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{
    Admission, FlowRecord, News, Opened, Peek, StartTicket, Store, StoreError, Swap,
};
use flexsecure_core::{Elevation, Elevations, SessionKey, Timestamp};

use crate::ConfigError;
use crate::builder::Builder;
use crate::server::Server;
use crate::verbs::{Settings, Verbs};

/// Flows and elevations in Redis or Valkey, shared by all nodes that are connected to it.
///
/// Clones are the same store. See the [crate](crate) for what it promises and how to deploy it.
#[derive(Clone)]
pub struct RedisStore(Arc<Verbs>);

impl RedisStore {
    /// The store at `url`: `redis://host`, or `rediss://user:password@host:6380` for TLS and a user.
    ///
    /// It begins to connect and does not wait for that: what is asked of it in the first moments
    /// waits, and a server that cannot be reached is refused with until it can.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NotARedisUrl`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which must go on for as long as the store is used.
    pub fn connect(url: &str) -> Result<Self, ConfigError> {
        Self::builder(url).connect()
    }

    /// The same with settings.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn open(server: Server, settings: Settings) -> Self {
        Self(Arc::new(Verbs::new(server, settings)))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("namespace", &self.0.namespace()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    fn peek(&self, session: &SessionKey, auth_id: &str) -> Peek {
        self.0.peek(session, auth_id).map_or(Peek::Ask, |held| Peek::Known(Some(held)))
    }

    fn listen(&self, tell: Box<dyn Fn(News) + Send + Sync>) {
        self.0.listen(tell);
    }

    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        Ok(self.0.elevations(session, auth_id).await?)
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        Ok(self.0.open(new, now).await?)
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        let found = self.0.flow(auth_id, id).await?;
        Ok(found.filter(|record| record.binding.session == *session))
    }

    async fn reload(&self, record: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        let found = self.0.flow(&record.binding.auth_id, &record.id).await?;
        Ok(found)
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        Ok(self.0.swap(&next, grant.as_ref(), now).await?)
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.0.consume(session, auth_id, flow, now).await?)
    }

    async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        Ok(self.0.admit_start(ticket, now).await?)
    }

    async fn release_start(&self, ticket: &StartTicket) -> Result<(), StoreError> {
        Ok(self.0.release_start(ticket).await?)
    }

    async fn revoke_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        let (verbs, session) = (Arc::clone(&self.0), *session);
        Ok(Verbs::to_the_end(async move { verbs.revoke_session(&session).await }).await?)
    }

    async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        Ok(self.0.revoke_user(auth_id, None).await?)
    }

    async fn revoke_before(
        &self,
        auth_id: Option<&str>,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        match auth_id {
            Some(auth_id) => Ok(self.0.revoke_user(auth_id, Some(before)).await?),
            None => Ok(self.0.revoke_everybody(before).await?),
        }
    }

    async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        let (verbs, from, to, auth_id) = (Arc::clone(&self.0), *from, *to, auth_id.to_owned());
        Ok(Verbs::to_the_end(async move { verbs.rebind(&from, &to, &auth_id).await }).await?)
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        Ok(self.0.refusals(auth_id, since).await?)
    }
}
