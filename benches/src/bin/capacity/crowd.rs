//! The authority of very many users, who answer when they are told to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::authority::{
    Accepted, Capabilities, CheckReply, CheckRequest, MatchNumber, StartReply, StartRequest, Txn,
};
use flexsecure_core::{Authority, Method};
use tokio::sync::watch;

/// It knows all of the superset and keeps nothing of anybody, so that what is measured beside it is
/// the gate's. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    approved: Arc<watch::Sender<Approved>>,
    waiting: Arc<watch::Sender<usize>>,
}

#[derive(Debug)]
enum Approved {
    Nobody,
    One(String),
    Everybody,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Self {
            approved: Arc::new(watch::Sender::new(Approved::Nobody)),
            waiting: Arc::new(watch::Sender::new(0)),
        }
    }

    /// From now on everybody has approved.
    pub(crate) fn approve(&self) {
        self.approved.send_replace(Approved::Everybody);
    }

    /// From now on `auth_id` has approved, and nobody else.
    pub(crate) fn approve_one(&self, auth_id: String) {
        self.approved.send_replace(Approved::One(auth_id));
    }

    /// Waits until `many` are asked about at a time.
    pub(crate) async fn waiting(&self, many: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= many).await.unwrap();
    }
}

#[async_trait]
impl Authority for Crowd {
    async fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        let accepted = Accepted::default()
            .txn(Txn::new(request.idempotency_key))
            .method(Method::Passwordless)
            .match_number(MatchNumber::parse("47").unwrap())
            .expires_in(Duration::from_secs(600))
            .interval(Duration::from_secs(2));
        StartReply::Accepted(accepted)
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        let _waiting = Waiting::enter(&self.waiting);
        let mut approved = self.approved.subscribe();
        let is_meant = |approved: &Approved| match approved {
            Approved::Nobody => false,
            Approved::One(auth_id) => *auth_id == *request.auth_id,
            Approved::Everybody => true,
        };
        let answered = tokio::time::timeout(request.hold, approved.wait_for(is_meant)).await;
        if matches!(answered, Ok(Ok(_))) { CheckReply::Authenticated } else { CheckReply::Pending }
    }
}

/// A user who is asked about.
struct Waiting<'c>(&'c watch::Sender<usize>);

impl<'c> Waiting<'c> {
    fn enter(waiting: &'c watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting = waiting.saturating_add(1));
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}
