//! Clients that leave: the future of their request is dropped after some polls.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

/// Counts the polls of all futures that it sees, and drops the one that is pending after so many.
#[derive(Debug)]
pub(crate) struct Leaving {
    after: Option<u32>,
    polls: AtomicU32,
}

impl Leaving {
    /// Nobody leaves without a number of polls.
    pub(crate) const fn after(polls: Option<u32>) -> Self {
        Self { after: polls, polls: AtomicU32::new(0) }
    }

    /// What `future` comes to, unless its client leaves.
    pub(crate) async fn see<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => {
                let polls = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
                if self.after == Some(polls) { Poll::Ready(None) } else { Poll::Pending }
            }
        })
        .await
    }

    /// Whether anybody left.
    pub(crate) fn has_left(&self) -> bool {
        self.after.is_some_and(|after| after <= self.polls.load(Ordering::SeqCst))
    }
}
