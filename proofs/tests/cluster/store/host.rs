use std::sync::Arc;

use flexsecure_core::store::{FlowRecord, StartTicket, StoreError, Swap};
use flexsecure_core::{Elevation, SessionKey, Store};

use super::words::{Answer, Question, Ticket, Verb, time};
use crate::wire::{Leaving, serve};
use crate::{Cluster, Without};

/// The store's host: what it was told to do it does, whether or not anybody still listens.
pub(crate) async fn run(cluster: Arc<Cluster>) -> turmoil::Result {
    serve(Leaving::ChangesNothing, move |question: Question| {
        let cluster = Arc::clone(&cluster);
        async move { cluster.store_answer(question).await }
    })
    .await
}

impl Cluster {
    /// Half of the time before it is done, half of it after: who has given up by then does not know
    /// which.
    async fn store_answer(&self, question: Question) -> Answer {
        self.slowness("store").half().await;
        let answer = self.carry_out(&question.node, question.verb).await;
        self.slowness("store").half().await;
        answer.unwrap_or(Answer::Full)
    }

    async fn carry_out(&self, node: &str, verb: Verb) -> Result<Answer, StoreError> {
        let (store, key) = (&self.store, SessionKey::from_bytes);
        Ok(match verb {
            Verb::Elevations { session, auth_id } => {
                let held = store.elevations(&key(session), &auth_id).await?;
                Answer::Elevations(held.map(|held| {
                    let list = held.list().iter().map(|it| (it.to_text(), it.is_spent())).collect();
                    (held.auth_id().to_owned(), list)
                }))
            }
            Verb::Open { record, now } => {
                let new = FlowRecord::from_text(&record).unwrap();
                let opened = store.open(new, time(now)).await?;
                self.observed().opened(node, &opened);
                opened.into()
            }
            Verb::Flow { session, auth_id, id } => {
                let id = id.parse().unwrap();
                let record = store.flow(&key(session), &auth_id, &id).await?;
                Answer::Record(record.map(|record| record.to_text()))
            }
            Verb::Reload { record } => {
                let record = FlowRecord::from_text(&record).unwrap();
                Answer::Record(store.reload(&record).await?.map(|record| record.to_text()))
            }
            Verb::Swap { next, grant, now } => {
                let next = FlowRecord::from_text(&next).unwrap();
                let grant = grant.map(|grant| Elevation::from_text(&grant).unwrap());
                let mut swap = store.swap(next.clone(), grant.clone(), time(now)).await?;
                let is_forced = swap == Swap::Conflict && self.without == Some(Without::Versions);
                if let Some(stands) = store.reload(&next).await?.filter(|_| is_forced) {
                    let next = FlowRecord { version: stands.version + 1, ..next.clone() };
                    swap = store.swap(next, grant, time(now)).await?;
                }
                if swap == Swap::Done {
                    self.observed().swapped(node, &next, now);
                    self.tell(node, next.id);
                }
                swap.into()
            }
            Verb::Consume { session, auth_id, id, now } => {
                let id = id.parse().unwrap();
                let is_spent = store.consume(&key(session), &auth_id, &id, time(now)).await?;
                self.observed().consumed(node, &id, is_spent);
                Answer::Consumed(is_spent)
            }
            Verb::AdmitStart { ticket: it, now } => {
                store.admit_start(&ticket(&it), time(now)).await?.into()
            }
            Verb::ReleaseStart { ticket: it } => {
                store.release_start(&ticket(&it)).await?;
                Answer::Released
            }
            Verb::Refusals { auth_id, since } => {
                Answer::Refusals(store.refusals(&auth_id, time(since)).await?)
            }
        })
    }
}

fn ticket(ticket: &Ticket) -> StartTicket {
    let record = FlowRecord::from_text(&ticket.record).unwrap();
    let admitted = StartTicket::new(record.binding);
    match ticket.exclusive_until {
        Some(until) => admitted.exclusive_until(time(until)),
        None => admitted,
    }
}
