use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// Who waits in this process for a change of which challenge.
///
/// A change made by another process wakes somebody here if the database can tell of it: PostgreSQL can. Otherwise such a
/// poll ends when its time is up.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_challenge: Mutex<HashMap<i64, watch::Sender<()>>>,
}

impl Waiters {
    /// Subscribe first and read afterwards: then no change falls between the two.
    pub(crate) fn subscribe(self: &Arc<Self>, challenge: i64) -> Waiter {
        let receiver =
            self.lock().entry(challenge).or_insert_with(|| watch::Sender::new(())).subscribe();
        Waiter { challenge, receiver: Some(receiver), waiters: Arc::clone(self) }
    }

    pub(crate) fn wake(&self, challenge: i64) {
        // Dropping the sender is the signal: it can't be missed, and leaves nothing to clean up.
        self.lock().remove(&challenge);
    }

    /// When changes may have been missed.
    pub(crate) fn wake_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, watch::Sender<()>>> {
        self.by_challenge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Waiter {
    challenge: i64,
    receiver: Option<watch::Receiver<()>>,
    waiters: Arc<Waiters>,
}

impl Waiter {
    pub(crate) async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            let _woken = receiver.changed().await;
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut by_challenge = self.waiters.lock();
        self.receiver = None;
        if by_challenge.get(&self.challenge).is_some_and(|sender| sender.receiver_count() == 0) {
            by_challenge.remove(&self.challenge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed_and_nothing_is_left_behind() {
        let waiters = Arc::new(Waiters::default());
        let (mut one, mut two) = (waiters.subscribe(1), waiters.subscribe(1));
        let other = waiters.subscribe(2);
        waiters.wake(1);
        one.changed().await;
        two.changed().await;
        assert_eq!(waiters.lock().len(), 1);
        drop(other);
        assert!(waiters.lock().is_empty());
    }

    #[tokio::test]
    async fn all_are_woken_when_changes_may_have_been_missed() {
        let waiters = Arc::new(Waiters::default());
        let (mut one, mut two) = (waiters.subscribe(1), waiters.subscribe(2));
        waiters.wake_all();
        one.changed().await;
        two.changed().await;
        assert!(waiters.lock().is_empty());
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_late_does_not_take_a_new_one_with_it() {
        let waiters = Arc::new(Waiters::default());
        let late = waiters.subscribe(1);
        waiters.wake(1);
        let _new = waiters.subscribe(1);
        drop(late);
        assert_eq!(waiters.lock().len(), 1);
    }
}
