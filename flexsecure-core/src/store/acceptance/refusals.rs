use std::time::Duration;

use super::approval::step;
use super::{Someone, Subject, bank, begin, cancel, present};
use crate::authority::{CheckReply, SecurityErrorReason};
use crate::flow::Input;
use crate::store::{FlowRecord, REFUSALS, REFUSALS_WINDOW, Store};
use crate::{Requirement, Timestamp};

/// A user's are counted over all sessions, from the time given, and the last of them for certain.
pub async fn refused_flows_are_counted<S: Store>(store: S) {
    let subject = Subject::new(store, "refused flows are counted for their user, newest first");
    let (who, now) = (Someone::new(), present());
    let second = now.after(MINUTE);
    subject.same(subject.refusals(&who, now).await, 0);
    subject.refuse(&who, SecurityErrorReason::Declined, now).await;
    let elsewhere = who.in_another_session();
    subject.refuse(&elsewhere, SecurityErrorReason::Other, second).await;
    subject.refuse(&elsewhere, SecurityErrorReason::Attempts, second).await;
    subject.refuse(&who.with_another_user(), SecurityErrorReason::Declined, second).await;
    subject.same(subject.refusals(&who, now).await, 3);
    subject.same(subject.refusals(&who, now.after(MILLISECOND)).await, 2);
    subject.same(subject.refusals(&who, second.after(MILLISECOND)).await, 0);

    let later = now.after(REFUSALS_WINDOW);
    for _ in 0..REFUSALS {
        subject.refuse(&who, SecurityErrorReason::Declined, later).await;
    }
    subject.same(subject.refusals(&who, later).await, 64);
}

/// Time that runs out, a client that gives up and an approval are none.
pub async fn other_ends_are_no_refusals<S: Store>(store: S) {
    let subject = Subject::new(store, "only what somebody refused is counted as a refusal");
    let (who, now) = (Someone::new(), present());
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    subject.swap_done(cancel(&first, now), now).await;
    let second = subject.open_new(who.flow(&bank(), now), now).await;
    let started = subject.swap_done(begin(&second, now), now).await;
    let timed_out = step(&started, Input::Check(CheckReply::Expired), now);
    subject.swap_done(started.next(timed_out), now).await;
    subject.elevate(&who, &bank(), now).await;
    subject.same(subject.refusals(&who, now).await, 0);
}

/// Neither a lost swap nor one that changes nothing counts again.
pub async fn a_refusal_is_counted_once<S: Store>(store: S) {
    let subject = Subject::new(store, "a refusal is counted by the swap that ends its flow alone");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let started = subject.swap_done(begin(&opened, now), now).await;
    let refused = refused(&started, SecurityErrorReason::Declined, now);
    let outcomes = subject
        .race(|subject, _| {
            let refused = refused.clone();
            async move { subject.swap(&refused, None, now).await }
        })
        .await;
    subject.same(outcomes.iter().filter(|swap| **swap == super::Swap::Done).count(), 1);
    subject.swap_done(refused.next(refused.flow.clone()), now).await;
    subject.same(subject.refusals(&who, now).await, 1);
}

/// Logging out does not make a user look harmless.
pub async fn refusals_survive_a_revocation<S: Store>(store: S) {
    let subject = Subject::new(store, "no revocation takes a refusal back");
    let (who, now) = (Someone::new(), present());
    subject.refuse(&who, SecurityErrorReason::Declined, now).await;
    subject.ok(subject.store.revoke_session(&who.session).await);
    subject.ok(subject.store.revoke_user(&who.auth_id).await);
    let later = now.after(MINUTE);
    subject.ok(subject.store.revoke_before(Some(&who.auth_id), later).await);
    subject.same(subject.refusals(&who, now).await, 1);
}

impl<S: Store> Subject<S> {
    async fn refusals(&self, who: &Someone, since: Timestamp) -> u32 {
        self.ok(self.store.refusals(&who.auth_id, since).await)
    }

    /// Opens a flow, and lets it be refused.
    async fn refuse(&self, who: &Someone, reason: SecurityErrorReason, now: Timestamp) {
        let system = Requirement::system("refused");
        let opened = self.open_new(who.flow(&system, now), now).await;
        let started = self.swap_done(begin(&opened, now), now).await;
        self.swap_done(refused(&started, reason, now), now).await;
    }
}

fn refused(started: &FlowRecord, reason: SecurityErrorReason, now: Timestamp) -> FlowRecord {
    let reply = CheckReply::SecurityError { reason: Some(reason), attempts_left: None };
    started.next(step(started, Input::Check(reply), now))
}

const MINUTE: Duration = Duration::from_secs(60);

const MILLISECOND: Duration = Duration::from_millis(1);
