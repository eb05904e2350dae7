//! Users of whom the tests know what they hold, and waiting for what is to come.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{Binding, FlowRecord, Opened, Peek, Swap};
use flexsecure_core::test_util::acceptance::approve;
use flexsecure_core::{
    Clock, Elevation, Elevations, Method, Requirement, SessionKey, Store, SystemClock, Timestamp,
};
use flexsecure_redis::RedisStore;

#[derive(Clone, Debug)]
pub(crate) struct Someone {
    pub(crate) session: SessionKey,
    pub(crate) auth_id: Arc<str>,
}

impl Someone {
    pub(crate) fn new() -> Self {
        let name = FlowId::random().unwrap().to_string();
        Self { session: SessionKey::of(&name), auth_id: name.into() }
    }

    pub(crate) fn in_another_session(&self) -> Self {
        Self { session: Self::new().session, ..self.clone() }
    }

    pub(crate) fn flow(&self, requirement: &Requirement) -> FlowRecord {
        let scope = requirement.scope().clone();
        let binding = Binding::new(self.session, Arc::clone(&self.auth_id), scope);
        let flow = Flow::open(present(), Method::Passwordless);
        FlowRecord { id: FlowId::random().unwrap(), version: 0, binding: Arc::new(binding), flow }
    }

    pub(crate) async fn open(&self, store: &RedisStore, requirement: &Requirement) -> FlowRecord {
        let opened = store.open(self.flow(requirement), present()).await.unwrap();
        let Opened::New(record) = opened else { panic!("a new flow is opened, but {opened:?}") };
        record
    }

    pub(crate) async fn elevate(&self, store: &RedisStore, needs: &Requirement) -> Elevation {
        let opened = self.open(store, needs).await;
        let approval = approve(&opened, present());
        let grant = Some(approval.elevation.clone());
        let swap = store.swap(approval.record, grant, present()).await.unwrap();
        assert_eq!(swap, Swap::Done);
        approval.elevation
    }

    /// What the store has copied of it.
    pub(crate) fn copied(&self, store: &RedisStore) -> Option<Arc<Elevations>> {
        match store.peek(&self.session, &self.auth_id) {
            Peek::Known(known) => known,
            Peek::Ask => None,
        }
    }

    pub(crate) async fn held(&self, store: &RedisStore) -> Vec<Elevation> {
        let held = store.elevations(&self.session, &self.auth_id).await.unwrap();
        held.map_or_else(Vec::new, |held| held.list().to_vec())
    }

    /// Whether the store answers.
    pub(crate) async fn is_served(&self, store: &RedisStore) -> bool {
        store.elevations(&self.session, &self.auth_id).await.is_ok()
    }

    /// Somebody new, in a store that makes copies by now.
    pub(crate) async fn copying(store: &RedisStore) -> Self {
        let who = Self::new();
        who.elevate(store, &bank()).await;
        who.be_copied(store).await;
        who
    }

    /// Asks until there is a copy, which there is once the server is watched.
    pub(crate) async fn be_copied(&self, store: &RedisStore) {
        eventually("there is a copy", async || {
            self.held(store).await;
            self.copied(store).is_some()
        })
        .await;
    }
}

pub(crate) fn bank() -> Requirement {
    Requirement::system("bank")
}

pub(crate) fn vault() -> Requirement {
    Requirement::system("vault")
}

pub(crate) fn present() -> Timestamp {
    SystemClock.now()
}

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), looking).await;
    assert!(found.is_ok(), "within ten seconds {what}");
}
