//! Both adapters around a handler that does nothing, and in their place a layer that does nothing:
//! the difference is what step-up costs a request that is let through.
//!
//! The identity is in the request's extensions, and flows and elevations are in memory.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot be set up should fail loudly"
)]

pub mod figures;
pub mod limits;
pub mod on_actix;
pub mod on_axum;
pub mod policies;
pub mod throughput;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::acceptance::approve;
use flexsecure_core::store::{Binding, FlowRecord, Swap};
use flexsecure_core::{
    Clock, Flow, Gate, Identity, MemoryStore, Method, Requirement, Store, SystemClock,
};

/// What a future comes to that has nothing to wait for.
///
/// # Panics
///
/// If it has: the hit path has no await.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this had to wait"),
    }
}

/// Who asks.
#[must_use]
pub fn identity() -> Identity {
    Identity::new("alice", "3f1c1b9a1e2d4c5b8a7968574635241f")
}

/// What they need.
pub fn requirement() -> Requirement {
    Requirement::system("bank").within(Duration::from_secs(300))
}

/// A gate in whose store each of `identities` has what `requirement` asks for.
///
/// # Panics
///
/// If the store does not take it.
#[must_use]
pub fn gate(requirement: &Requirement, identities: &[Identity]) -> Gate {
    let store = MemoryStore::new();
    let now = SystemClock.now();
    for identity in identities {
        let scope = requirement.scope().clone();
        let binding = Binding::new(*identity.session(), identity.auth_id().into(), scope);
        let record = FlowRecord {
            id: FlowId::random().unwrap(),
            version: 0,
            binding: Arc::new(binding),
            flow: Flow::open(now, Method::Pin),
        };
        let mut approval = approve(&record, now);
        approval.record.version = 1;
        at_once(store.open(record, now)).unwrap();
        let swap = at_once(store.swap(approval.record, Some(approval.elevation), now)).unwrap();
        assert_eq!(swap, Swap::Done, "the elevation is in the store");
    }
    Gate::builder(ScriptedAuthority::pin("48151623")).store(store).build().unwrap()
}
