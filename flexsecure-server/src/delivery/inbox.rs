use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Accepted, Channel, Delivery, DeliveryError, Message, ProviderName};

/// Keeps messages in memory instead of sending them, for demonstrations and tests.
///
/// Whoever reaches the server reads it. The 1,000 newest messages are kept.
#[derive(Clone)]
pub struct Inbox {
    name: ProviderName,
    messages: Arc<Mutex<VecDeque<Message>>>,
}

impl Inbox {
    /// What is in it, newest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.lock().iter().cloned().collect()
    }

    pub(super) fn put(&self, message: Message) {
        let mut messages = self.lock();
        messages.truncate(CAPACITY - 1);
        messages.push_front(message);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self { name: ProviderName::builtin("inbox"), messages: Arc::default() }
    }
}

/// One more provider, which takes everything.
#[async_trait]
impl Delivery for Inbox {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn carries(&self, _: Channel) -> bool {
        true
    }

    async fn deliver(&self, message: &Message) -> Result<Accepted, DeliveryError> {
        self.put(message.clone());
        Ok(Accepted::with_reference(message.reference()))
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("messages", &self.lock().len()).finish()
    }
}

const CAPACITY: usize = 1_000;
