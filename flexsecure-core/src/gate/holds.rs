use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::engine::Engine;
use crate::flow::Flow;
use crate::refusal::Details;
use crate::store::FlowRecord;

/// Places for requests that are held: so many on this node, and so many of them for one user, so
/// that nobody takes them all.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_user: HashMap<Arc<str>, usize>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'h> {
    holds: &'h Holds,
    auth_id: Arc<str>,
}

impl Holds {
    /// A place for a request of the user `auth_id`, if there is one for them.
    pub(super) fn take(&self, auth_id: &Arc<str>) -> Option<Place<'_>> {
        let mut taken = self.lock();
        let of_user = taken.by_user.get(auth_id).copied().unwrap_or_default();
        if taken.all >= MOST_HELD || of_user >= MOST_HELD_FOR_A_USER {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        taken.by_user.insert(Arc::clone(auth_id), of_user.saturating_add(1));
        Some(Place { holds: self, auth_id: Arc::clone(auth_id) })
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.lock().all
    }

    /// Nothing in here panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.holds.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_user) = taken.by_user.get_mut(&self.auth_id) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                taken.by_user.remove(&self.auth_id);
            }
        }
    }
}

impl Engine {
    /// Keeps the request until its flow is over, for no longer than its client wants; the time it
    /// was ready to wait, if it was kept at all. With too many kept already it is not, be they
    /// everybody's or this user's.
    pub(super) async fn hold(
        self: &Arc<Self>,
        record: Box<FlowRecord>,
        deadline: &Deadline,
    ) -> Result<(Box<FlowRecord>, Option<Duration>), Details> {
        let has_begun = !matches!(record.flow, Flow::Idle(_)) || record.flow.is_starting();
        let Some(end) = deadline.end.filter(|_| has_begun) else {
            return Ok((record, None));
        };
        let longest = Some(deadline.longest);
        if record.flow.is_over() {
            return Ok((record, longest));
        }
        let Some(_place) = self.holds.take(&record.binding.auth_id) else {
            let record = Box::pin(self.inquire(*record)).await?;
            return Ok((Box::new(record), None));
        };
        let patience = pin!(tokio::time::sleep_until(end));
        let record = self.wait_boxed(record, patience, |_| true).await?;
        Ok((record, longest))
    }

    /// The record once `is_old_news` does not hold of it any more, or as it stands when `patience`
    /// ends or the gate closes.
    pub(super) async fn wait_while(
        self: &Arc<Self>,
        record: FlowRecord,
        patience: Pin<&mut Sleep>,
        is_old_news: impl Fn(&FlowRecord) -> bool + Send,
    ) -> Result<FlowRecord, Details> {
        Ok(*self.wait_boxed(Box::new(record), patience, is_old_news).await?)
    }

    /// The same in a box, as a future that is moved into another would carry the record twice.
    async fn wait_boxed(
        self: &Arc<Self>,
        mut record: Box<FlowRecord>,
        mut patience: Pin<&mut Sleep>,
        is_old_news: impl Fn(&FlowRecord) -> bool + Send,
    ) -> Result<Box<FlowRecord>, Details> {
        let mut news = self.hub.subscribe(&record);
        loop {
            // Boxed, as whoever waits for long need not keep the room that a look takes.
            *record = Box::pin(self.refresh(FlowRecord::clone(&record))).await?;
            if record.flow.is_over() || !is_old_news(&record) {
                return Ok(record);
            }
            self.tend(&record);
            tokio::select! {
                () = news.changed() => {}
                () = &mut patience => {
                    *record = Box::pin(self.refresh(FlowRecord::clone(&record))).await?;
                    return Ok(record);
                }
                () = self.closed() => {
                    // What this node has asked the authority is given up, so that another can ask.
                    let given_up = tokio::time::timeout(GIVING_UP, news.untended());
                    let _ = Box::pin(given_up).await;
                    return Ok(record);
                }
            }
        }
    }
}

/// Until when a request can be kept.
#[derive(Debug)]
pub(super) struct Deadline {
    longest: Duration,
    end: Option<Instant>,
}

impl Deadline {
    pub(super) fn after(longest: Duration) -> Self {
        let end = (!longest.is_zero()).then(|| Instant::now().checked_add(longest)).flatten();
        Self { longest, end }
    }
}

/// How long the store may take for that while the gate closes.
const GIVING_UP: Duration = Duration::from_secs(1);

/// How many requests a node holds at a time.
const MOST_HELD: usize = 10_000;

/// How many of them can be one user's: more than the tabs of a browser.
const MOST_HELD_FOR_A_USER: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_places_and_gets_them_back() {
        let holds = Holds::default();
        let (alice, bob) = (Arc::from("alice"), Arc::from("bob"));
        let mut places: Vec<_> = (0..32).map(|_| holds.take(&alice).unwrap()).collect();
        assert!(holds.take(&alice).is_none());
        assert!(holds.take(&bob).is_some());
        places.pop();
        places.push(holds.take(&alice).unwrap());
        assert!(holds.take(&alice).is_none());
        drop(places);
        assert!(holds.lock().by_user.is_empty());
        assert_eq!(holds.lock().all, 0);
    }

    #[test]
    fn a_node_has_so_many_places_for_all_users() {
        let holds = Holds::default();
        let users: Vec<Arc<str>> = (0..10_001).map(|number| number.to_string().into()).collect();
        let places: Vec<_> = users.iter().filter_map(|user| holds.take(user)).collect();
        assert_eq!(places.len(), 10_000);
        drop(places);
        assert!(holds.take(&users[0]).is_some());
    }
}
