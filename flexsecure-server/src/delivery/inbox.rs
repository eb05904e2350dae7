use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Message;

/// Keeps messages in memory instead of sending them, for demonstrations and tests.
///
/// Whoever reaches the server reads it. The 1,000 newest messages are kept.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<VecDeque<Message>>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("messages", &self.lock().len()).finish()
    }
}

const CAPACITY: usize = 1_000;
