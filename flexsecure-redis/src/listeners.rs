use std::sync::{Arc, Mutex, PoisonError};

use flexsecure_core::store::News;

/// Who wants to hear what happened on other nodes.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Listener>>);

type Listener = Arc<dyn Fn(News) + Send + Sync>;

impl Listeners {
    pub(crate) fn add(&self, tell: Box<dyn Fn(News) + Send + Sync>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tell.into());
    }

    pub(crate) fn tell(&self, news: News) {
        // Not under the lock: who is told may do anything.
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        listeners.iter().for_each(|tell| tell(news));
    }
}
