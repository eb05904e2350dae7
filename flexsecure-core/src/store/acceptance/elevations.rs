use std::time::Duration;

use super::{Someone, Subject, approve, bank, present, random_id};
use crate::store::{FlowRecord, Store, Swap};
use crate::{Elevation, Operation, Requirement};

/// The elevation is there as soon as the swap is done, and not before.
pub async fn a_swap_grants<S: Store>(store: S) {
    let subject = Subject::new(store, "an elevation comes with the swap that grants it");
    let (who, now) = (Someone::new(), present());
    subject.same(subject.elevations(&who).await, None);
    let approval = subject.elevate(&who, &bank(), now).await;
    let held = subject.elevations(&who).await;
    subject.same(held.as_ref().map(|held| held.auth_id()), Some(&*who.auth_id));
    subject.same(subject.held(&who).await, vec![approval.elevation]);
    subject.same(subject.flow(&who, &approval.record.id).await, Some(approval.record));
}

/// What one session proved is worth nothing in another.
pub async fn a_grant_is_for_its_session_alone<S: Store>(store: S) {
    let subject = Subject::new(store, "an elevation is held by the session of its flow alone");
    let (who, now) = (Someone::new(), present());
    let other = who.in_another_session();
    subject.open_new(other.flow(&bank(), now), now).await;
    subject.elevate(&who, &bank(), now).await;
    subject.same(subject.elevations(&other).await, None);
}

/// A later elevation takes the place of one for the same scope, and of no other.
pub async fn a_grant_replaces_its_scope<S: Store>(store: S) {
    let subject = Subject::new(store, "a session holds one elevation for each scope, the latest");
    let (who, now) = (Someone::new(), present());
    let transfer = bank().single_use().operation(Operation::new("Transfer 250.00 EUR to bob"));
    subject.elevate(&who, &bank(), now).await;
    let kept = subject.elevate(&who, &transfer, now).await;
    let vault = subject.elevate(&who, &Requirement::system("vault"), now).await;
    let later = now.after(Duration::from_secs(1));
    let latest = subject.elevate(&who, &bank(), later).await;
    let held = subject.held(&who).await;
    subject.same(held, vec![kept.elevation, vault.elevation, latest.elevation]);
}

/// A write repeated by a caller that saw no answer brings no spent elevation back.
pub async fn a_repeated_grant_changes_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a spent elevation stays spent when its grant is repeated");
    let (who, now) = (Someone::new(), present());
    let approval = subject.elevate(&who, &bank().single_use(), now).await;
    let grant = Some(&approval.elevation);
    let again = approval.record.next(approval.record.flow.clone());
    subject.same(subject.swap(&again, grant, now).await, Swap::Done);
    subject.same(subject.held(&who).await, vec![approval.elevation.clone()]);

    subject.holds(subject.consume(&who, &approval.record.id, now).await);
    for next in [again.next(again.flow.clone()), again, approval.record] {
        subject.swap(&next, grant, now).await;
        let held = subject.held(&who).await;
        subject.same(held.iter().map(Elevation::is_spent).collect(), vec![true]);
    }
    subject.holds(!subject.consume(&who, &approval.elevation.flow, now).await);
}

/// When the user of a session changes, the elevations of the one before are nothing to them.
pub async fn another_user_inherits_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "what a session holds belongs to one user");
    let (who, now) = (Someone::new(), present());
    let other = who.with_another_user();
    subject.elevate(&who, &bank(), now).await;
    subject.elevate(&who, &Requirement::system("vault"), now).await;
    subject.same(subject.elevations(&other).await, None);
    let approval = subject.elevate(&other, &bank(), now).await;
    let held = subject.elevations(&other).await;
    subject.same(held.as_ref().map(|held| held.auth_id()), Some(&*other.auth_id));
    subject.same(subject.held(&other).await, vec![approval.elevation]);
}

/// A single-use elevation lets one request through, and is seen to be spent from then on.
pub async fn an_elevation_is_consumed_once<S: Store>(store: S) {
    let subject = Subject::new(store, "an elevation is consumed once, and no other with it");
    let (who, now) = (Someone::new(), present());
    let transfer = |text| bank().single_use().operation(Operation::new(text));
    let first = subject.elevate(&who, &transfer("Transfer 1.00 EUR to bob"), now).await;
    let second = subject.elevate(&who, &transfer("Transfer 2.00 EUR to bob"), now).await;
    subject.holds(subject.consume(&who, &first.record.id, now).await);
    subject.holds(!subject.consume(&who, &first.record.id, now).await);
    let held = subject.held(&who).await;
    subject.same(held.iter().map(Elevation::is_spent).collect(), vec![true, false]);
    subject.holds(subject.consume(&who, &second.record.id, now).await);
}

/// Only what a session holds can be consumed, and only by that session.
pub async fn nobody_else_consumes_an_elevation<S: Store>(store: S) {
    let subject =
        Subject::new(store, "only the user and session that hold an elevation consume it");
    let (who, now) = (Someone::new(), present());
    let (other, another) = (who.in_another_session(), who.with_another_user());
    let approval = subject.elevate(&who, &bank().single_use(), now).await;
    subject.elevate(&other, &bank().single_use(), now).await;
    let pending = subject.open_new(who.flow(&bank(), now), now).await;
    let FlowRecord { id, .. } = approval.record;
    subject.holds(!subject.consume(&other, &id, now).await);
    subject.holds(!subject.consume(&another, &id, now).await);
    subject.holds(!subject.consume(&Someone::new(), &id, now).await);
    subject.holds(!subject.consume(&who, &random_id(), now).await);
    subject.holds(!subject.consume(&who, &pending.id, now).await);
    subject.holds(subject.consume(&who, &id, now).await);
}

/// However many requests come at once, one of them is let through.
pub async fn parallel_consumers_have_one_winner<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel consumers one gets the elevation");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank().single_use(), now), now).await;
    let approval = approve(&opened, now);
    subject.swap(&approval.record, Some(&approval.elevation), now).await;
    let outcomes = subject
        .race(|subject, _| {
            let who = who.clone();
            async move { subject.consume(&who, &opened.id, now).await }
        })
        .await;
    subject.same(outcomes.into_iter().filter(|consumed| *consumed).count(), 1);
}
