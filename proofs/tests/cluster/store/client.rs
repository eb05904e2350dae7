use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{Admission, FlowRecord, News, Opened, StartTicket, StoreError, Swap};
use flexsecure_core::{Elevation, Elevations, Method, SessionKey, Store, Timestamp};

use super::news::listen;
use super::words::{Answer, Question, Ticket, Verb, time};
use crate::wire::ask;

/// The store as a node sees it: on another host.
#[derive(Debug)]
pub(crate) struct RemoteStore {
    node: &'static str,
}

impl RemoteStore {
    pub(crate) const fn new(node: &'static str) -> Self {
        Self { node }
    }

    /// A question that only reads is asked once more if there was no answer in time; nothing else is,
    /// because it may have been done.
    async fn ask(&self, verb: Verb) -> Result<Answer, StoreError> {
        let times = if verb.only_reads() { 2 } else { 1 };
        let question = Question { node: self.node.to_owned(), verb };
        for _ in 0..times {
            match ask("store", &question, LIMIT).await {
                Ok(Answer::Full) => return Err(StoreError::Full),
                Ok(answer) => return Ok(answer),
                Err(_) => {}
            }
        }
        Err(StoreError::Unavailable("no answer in time".into()))
    }
}

#[async_trait]
impl Store for RemoteStore {
    fn listen(&self, tell: Box<dyn Fn(News) + Send + Sync>) {
        tokio::spawn(listen(self.node, tell));
    }

    async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, StoreError> {
        let verb = Verb::Elevations { session: *session.as_bytes(), auth_id: auth_id.to_owned() };
        let Answer::Elevations(held) = self.ask(verb).await? else { return Err(nonsense()) };
        Ok(held.map(|(auth_id, list)| {
            let mut held = Elevations::none(auth_id.into());
            for (text, is_spent) in list {
                let mut elevation = Elevation::from_text(&text).unwrap();
                if is_spent {
                    elevation.spend();
                }
                held.grant(elevation);
            }
            Arc::new(held)
        }))
    }

    async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, StoreError> {
        let verb = Verb::Open { record: new.to_text(), now: now.as_millis() };
        match self.ask(verb).await? {
            Answer::New(text) => Ok(Opened::New(record(&text))),
            Answer::Joined(text) => Ok(Opened::Joined(record(&text))),
            Answer::TooMany { until } => Ok(Opened::TooMany { until: time(until) }),
            _ => Err(nonsense()),
        }
    }

    async fn flow(
        &self,
        session: &SessionKey,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, StoreError> {
        let (session, auth_id) = (*session.as_bytes(), auth_id.to_owned());
        let verb = Verb::Flow { session, auth_id, id: id.to_string() };
        let Answer::Record(found) = self.ask(verb).await? else { return Err(nonsense()) };
        Ok(found.map(|text| record(&text)))
    }

    async fn reload(&self, stale: &FlowRecord) -> Result<Option<FlowRecord>, StoreError> {
        let verb = Verb::Reload { record: stale.to_text() };
        let Answer::Record(found) = self.ask(verb).await? else { return Err(nonsense()) };
        Ok(found.map(|text| record(&text)))
    }

    async fn swap(
        &self,
        next: FlowRecord,
        grant: Option<Elevation>,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let grant = grant.map(|grant| grant.to_text());
        let verb = Verb::Swap { next: next.to_text(), grant, now: now.as_millis() };
        match self.ask(verb).await? {
            Answer::Swapped => Ok(Swap::Done),
            Answer::Conflict => Ok(Swap::Conflict),
            Answer::Gone => Ok(Swap::Gone),
            _ => Err(nonsense()),
        }
    }

    async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (session, auth_id) = (*session.as_bytes(), auth_id.to_owned());
        let verb = Verb::Consume { session, auth_id, id: flow.to_string(), now: now.as_millis() };
        let Answer::Consumed(is_spent) = self.ask(verb).await? else { return Err(nonsense()) };
        Ok(is_spent)
    }

    async fn admit_start(
        &self,
        start: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        let verb = Verb::AdmitStart { ticket: ticket(start, now), now: now.as_millis() };
        match self.ask(verb).await? {
            Answer::Admitted => Ok(Admission::Admitted),
            Answer::TooMany { until } => Ok(Admission::TooMany { until: time(until) }),
            Answer::InProgress { until } => Ok(Admission::InProgress { until: time(until) }),
            _ => Err(nonsense()),
        }
    }

    async fn release_start(&self, start: &StartTicket) -> Result<(), StoreError> {
        let verb = Verb::ReleaseStart { ticket: ticket(start, time(0)) };
        self.ask(verb).await.map(drop)
    }

    async fn revoke_session(&self, _: &SessionKey) -> Result<(), StoreError> {
        unimplemented!("nobody revokes anything here")
    }

    async fn revoke_user(&self, _: &str) -> Result<(), StoreError> {
        unimplemented!("nobody revokes anything here")
    }

    async fn revoke_before(&self, _: Option<&str>, _: Timestamp) -> Result<(), StoreError> {
        unimplemented!("nobody revokes anything here")
    }

    async fn rebind(&self, _: &SessionKey, _: &SessionKey, _: &str) -> Result<(), StoreError> {
        unimplemented!("no session moves here")
    }

    async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        let verb = Verb::Refusals { auth_id: auth_id.to_owned(), since: since.as_millis() };
        let Answer::Refusals(many) = self.ask(verb).await? else { return Err(nonsense()) };
        Ok(many)
    }
}

fn record(text: &str) -> FlowRecord {
    FlowRecord::from_text(text).unwrap()
}

/// A ticket is written as a record, which is all that has a text.
fn ticket(start: &StartTicket, now: Timestamp) -> Ticket {
    let record = FlowRecord {
        id: FlowId::from_bits(0),
        version: 0,
        binding: Arc::clone(&start.binding),
        flow: Flow::open(now, Method::Passwordless),
    };
    Ticket {
        record: record.to_text(),
        exclusive_until: start.exclusive_until.map(Timestamp::as_millis),
    }
}

fn nonsense() -> StoreError {
    StoreError::Unavailable("an answer to another question".into())
}

/// What an operation may take, as for a store in production.
const LIMIT: Duration = Duration::from_millis(500);
