use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use crate::flow::FlowId;
use crate::store::{Binding, FlowRecord, News};
use crate::sync::{Mutex, MutexGuard};

/// Who waits on this node for which flow, and whether a task here polls for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub(Arc<Mutex<HashMap<FlowId, Watched>>>);

#[derive(Debug)]
struct Watched {
    news: watch::Sender<()>,
    /// As the last who came to wait found it.
    binding: Arc<Binding>,
    waiting: usize,
    is_tended: bool,
}

impl Hub {
    /// Waits for news of the flow of `record` from here on.
    pub(super) fn subscribe(&self, record: &FlowRecord) -> Subscription {
        let (flow, binding) = (record.id, Arc::clone(&record.binding));
        let mut flows = self.lock();
        let watched = flows.entry(flow).or_insert_with(|| Watched {
            news: watch::Sender::new(()),
            binding: Arc::clone(&binding),
            waiting: 0,
            is_tended: false,
        });
        watched.binding = binding;
        watched.waiting = watched.waiting.saturating_add(1);
        Subscription { news: watched.news.subscribe(), flow, hub: self.clone() }
    }

    /// Tells everybody who waits that `flow` has changed.
    pub(super) fn announce(&self, flow: FlowId) {
        if let Some(watched) = self.lock().get(&flow) {
            watched.news.send_replace(());
        }
    }

    /// The same for all flows that `are_concerned`.
    pub(super) fn announce_to(&self, are_concerned: impl Fn(&Binding) -> bool) {
        for watched in self.lock().values() {
            if are_concerned(&watched.binding) {
                watched.news.send_replace(());
            }
        }
    }

    /// Passes on what happened on other nodes.
    pub(super) fn listener(&self) -> Box<dyn Fn(News) + Send + Sync> {
        let hub = self.clone();
        Box::new(move |news| match news {
            News::Flow(flow) => hub.announce(flow),
            News::Anything => hub.announce_to(|_| true),
        })
    }

    /// News for the one task that tends `flow`, if nobody does yet and somebody waits.
    pub(super) fn claim_tending(&self, flow: FlowId) -> Option<watch::Receiver<()>> {
        let mut flows = self.lock();
        let watched = flows.get_mut(&flow).filter(|watched| !watched.is_tended)?;
        watched.is_tended = true;
        Some(watched.news.subscribe())
    }

    /// Whether anybody still waits; if not, tending has ended.
    pub(super) fn is_wanted(&self, flow: FlowId) -> bool {
        let mut flows = self.lock();
        let is_wanted = flows.get(&flow).is_some_and(|watched| watched.waiting > 0);
        if !is_wanted {
            flows.remove(&flow);
        }
        is_wanted
    }

    /// Whether a task here polls for those who wait for `flow`.
    fn is_tended(&self, flow: FlowId) -> bool {
        self.lock().get(&flow).is_some_and(|watched| watched.is_tended)
    }

    /// Gives tending up although somebody may wait: there is nothing more to come.
    pub(super) fn stop_tending(&self, flow: FlowId) {
        let mut flows = self.lock();
        let Some(watched) = flows.get_mut(&flow) else {
            return;
        };
        if watched.waiting == 0 {
            // The last to leave has left the entry to whoever tends it.
            flows.remove(&flow);
        } else {
            watched.is_tended = false;
            watched.news.send_replace(());
        }
    }

    /// Whether nobody is remembered.
    #[cfg(shuttle)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Nothing in here panics under the lock, and a map of senders has no half-done state.
    fn lock(&self) -> MutexGuard<'_, HashMap<FlowId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// News of one flow, for somebody who waits for it.
#[derive(Debug)]
pub(super) struct Subscription {
    news: watch::Receiver<()>,
    flow: FlowId,
    hub: Hub,
}

impl Subscription {
    /// Ends at the next news.
    pub(super) async fn changed(&mut self) {
        // The sender is in the hub for as long as anybody waits.
        let _ = self.news.changed().await;
    }

    /// Ends when no task polls for the flow any more.
    pub(super) async fn untended(&mut self) {
        while self.hub.is_tended(self.flow) {
            self.changed().await;
        }
    }
}

impl Drop for Subscription {
    /// The last to leave takes the entry along, or tells the task that tends it to.
    fn drop(&mut self) {
        let mut flows = self.hub.lock();
        let Some(watched) = flows.get_mut(&self.flow) else {
            return;
        };
        watched.waiting = watched.waiting.saturating_sub(1);
        if watched.waiting == 0 {
            if watched.is_tended {
                watched.news.send_replace(());
            } else {
                flows.remove(&self.flow);
            }
        }
    }
}
