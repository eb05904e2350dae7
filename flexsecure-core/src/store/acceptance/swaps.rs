use super::approval::step;
use super::{Someone, Subject, approve, bank, begin, cancel, present, random_id};
use crate::flow::Input;
use crate::store::{FlowRecord, Store, Swap};

/// Each swap brings the next version into its place.
pub async fn a_swap_replaces_the_version_before<S: Store>(store: S) {
    let subject = Subject::new(store, "a swap puts the next version in the place of its record");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let begun = opened.next(step(&opened, Input::Begin { idempotent: true }, now));
    let begun = subject.swap_done(begun, now).await;
    subject.same(subject.flow(&who, &opened.id).await, Some(begun.clone()));
    let cancelled = subject.swap_done(cancel(&begun, now), now).await;
    subject.same(subject.flow(&who, &opened.id).await, Some(cancelled));
}

/// A version that does not follow the one that is there changes and grants nothing.
pub async fn another_version_conflicts<S: Store>(store: S) {
    let subject = Subject::new(store, "a version that does not follow changes and grants nothing");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let started = subject.swap_done(begin(&opened, now), now).await;
    let approval = approve(&opened, now);
    for version in [0, 1, 3, u64::MAX] {
        let next = FlowRecord { version, ..approval.record.clone() };
        let swap = subject.swap(&next, Some(&approval.elevation), now).await;
        subject.same(swap, Swap::Conflict);
    }
    subject.same(subject.flow(&who, &opened.id).await, Some(started));
    subject.same(subject.elevations(&who).await, None);
}

/// A flow that was never opened, or by another session, is gone.
pub async fn a_flow_that_is_not_there_is_gone<S: Store>(store: S) {
    let subject = Subject::new(store, "a swap of a flow that its session has not is gone");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let approval = approve(&opened, now);
    let other = who.in_another_session();
    subject.open_new(other.flow(&bank(), now), now).await;
    let unknown = FlowRecord { id: random_id(), ..approval.record.clone() };
    let others = FlowRecord { binding: other.binding(&bank()), ..approval.record };
    for next in [unknown, others] {
        let swap = subject.swap(&next, Some(&approval.elevation), now).await;
        subject.same(swap, Swap::Gone);
    }
    subject.same(subject.flow(&who, &opened.id).await, Some(opened));
    subject.same(subject.elevations(&who).await, None);
    subject.same(subject.elevations(&other).await, None);
}

/// However many swap the same version at once, one of them carries out the effect.
pub async fn parallel_swaps_have_one_winner<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel swaps of one version one is done, and it stays");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let outcomes = subject
        .race(|subject, number| {
            // Each with something of its own, so that the winner can be told.
            let approval =
                approve(&opened, now.after(std::time::Duration::from_millis(number as u64)));
            async move {
                let swap = subject.swap(&approval.record, Some(&approval.elevation), now).await;
                (swap, approval)
            }
        })
        .await;
    let (done, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|(swap, _)| *swap == Swap::Done);
    subject.holds(lost.iter().all(|(swap, _)| *swap == Swap::Conflict));
    subject.same(done.len(), 1);
    for (_, approval) in done {
        subject.same(subject.flow(&who, &opened.id).await, Some(approval.record));
        subject.same(subject.held(&who).await, vec![approval.elevation]);
    }
}
