use std::time::Duration;

use super::{Approval, Someone, Subject, approve, bank, begin, cancel, present, random_id};
use crate::store::{FlowRecord, Opened, Peek, Store, Swap};
use crate::{Elevation, Requirement};

/// What was held under the old id is held under the new one, in the same state.
pub async fn a_rebound_session_keeps_what_it_has<S: Store>(store: S) {
    let subject = Subject::new(store, "what a session had it has under its new id");
    let (who, now) = (Someone::new(), present());
    let after = who.in_another_session();
    let pending = subject.open_new(who.flow(&vault(), now), now).await;
    let pending = subject.swap_done(begin(&pending, now), now).await;
    let approval = subject.elevate(&who, &bank().single_use(), now).await;
    let more = subject.elevate(&who, &bank(), now).await;
    subject.rebind(&who, &after).await;
    for record in [&pending, &approval.record, &more.record] {
        subject.same(subject.flow(&after, &record.id).await, Some(moved(record, &after)));
    }
    let held = vec![approval.elevation, more.elevation];
    subject.same(subject.held(&after).await, held);
    let held = subject.elevations(&after).await;
    subject.same(held.as_ref().map(|held| held.auth_id()), Some(&*who.auth_id));
    subject.holds(subject.consume(&after, &approval.record.id, now).await);
    subject.swap_done(cancel(&moved(&pending, &after), now), now).await;
}

/// T05: whoever knows the id of before has nothing of it, be it their own or another user's.
pub async fn nothing_is_left_under_the_id_given_up<S: Store>(store: S) {
    let subject = Subject::new(store, "nothing is left under the id that was given up");
    let (who, now) = (Someone::new(), present());
    let (after, before_login) = (who.in_another_session(), who.with_another_user());
    let planted = subject.open_new(before_login.flow(&bank(), now), now).await;
    let pending = subject.open_new(who.flow(&vault(), now), now).await;
    let approval = subject.elevate(&who, &bank(), now).await;
    subject.rebind(&who, &after).await;
    subject.same(subject.elevations(&who).await, None);
    for id in [planted.id, pending.id, approval.record.id] {
        subject.same(subject.flow(&who, &id).await, None);
        subject.holds(!subject.consume(&who, &id, now).await);
    }
    let (taken_along, left) = (after.with_user_of(&before_login), before_login);
    for holder in [taken_along, left] {
        subject.same(subject.flow(&holder, &planted.id).await, None);
    }
    subject.same(subject.reload(&planted).await, None);
    subject.same(subject.swap(&cancel(&planted, now), None, now).await, Swap::Gone);
    // It can begin again, with nothing of what was there.
    let again = subject.open_new(who.flow(&vault(), now), now).await;
    subject.holds(again.id != pending.id);
}

/// T05: who knew the new id before the login does not pass by what they left there.
pub async fn what_another_user_planted_is_dropped<S: Store>(store: S) {
    let subject = Subject::new(store, "what another user had under the new id is dropped");
    let (who, now) = (Someone::new(), present());
    let after = who.in_another_session();
    let planter = after.with_another_user();
    let planted = subject.elevate(&planter, &bank(), now).await;
    let pending = subject.open_new(planter.flow(&vault(), now), now).await;
    subject.rebind(&who, &after).await;
    for holder in [&after, &planter] {
        subject.same(subject.elevations(holder).await, None);
    }
    for record in [planted.record, pending] {
        subject.same(subject.flow(&planter, &record.id).await, None);
        subject.same(subject.reload(&record).await, None);
    }

    subject.elevate(&planter, &bank(), now).await;
    let own = subject.elevate(&who, &vault(), now).await;
    subject.rebind(&who, &after).await;
    let held = subject.elevations(&after).await;
    subject.same(held.as_ref().map(|held| held.auth_id()), Some(&*who.auth_id));
    subject.same(subject.held(&after).await, vec![own.elevation]);
    subject.same(subject.elevations(&planter).await, None);
}

/// Requests under the new id find the flow that was begun under the old one, and their own.
pub async fn a_rebound_session_joins_what_it_had<S: Store>(store: S) {
    let subject = Subject::new(store, "a session joins the flows that were rebound to it");
    let (who, now) = (Someone::new(), present());
    let after = who.in_another_session();
    let own = subject.open_new(after.flow(&vault(), now), now).await;
    let pending = subject.open_new(who.flow(&bank(), now), now).await;
    let started = subject.swap_done(begin(&pending, now), now).await;
    subject.rebind(&who, &after).await;
    let joined = subject.open(&after.flow(&bank(), now), now).await;
    subject.same(joined, Opened::Joined(moved(&started, &after)));
    subject.same(subject.open(&after.flow(&vault(), now), now).await, Opened::Joined(own));
}

/// What was spent under one id is not good again because of the other.
pub async fn of_two_elevations_for_one_scope_the_later_is_kept<S: Store>(store: S) {
    let subject = Subject::new(store, "of two elevations for one scope the later is kept");
    let now = present();
    let later = now.after(Duration::from_secs(1));
    for (first, second) in [(now, later), (later, now)] {
        let who = Someone::new();
        let after = who.in_another_session();
        let once = bank().single_use();
        let old = subject.elevate(&who, &once, first).await;
        let new = subject.elevate(&after, &once, second).await;
        let vault = subject.elevate(&after, &vault(), now).await;
        let (kept, lost) = if first > second { (old, new) } else { (new, old) };
        let holder = if first > second { &who } else { &after };
        subject.holds(subject.consume(holder, &kept.record.id, later).await);
        subject.rebind(&who, &after).await;
        let mut held = subject.held(&after).await;
        held.sort_by_key(|elevation| elevation.flow != vault.record.id);
        let flows = held.iter().map(|elevation| elevation.flow).collect();
        subject.same(flows, vec![vault.record.id, kept.record.id]);
        subject.same(held.last().map(Elevation::is_spent), Some(true));
        for flow in [kept.record.id, lost.record.id] {
            subject.holds(!subject.consume(&after, &flow, later).await);
        }
    }
}

/// Who was at work on a flow goes on with the record they have, and the new session gets the
/// elevation; twice moved or once.
pub async fn an_effect_under_way_arrives_after_a_rebinding<S: Store>(store: S) {
    let subject = Subject::new(store, "an approval that is under way arrives at the new session");
    let now = present();
    for moves in 1..=3 {
        let mut who = Someone::new();
        let opened = subject.open_new(who.flow(&bank(), now), now).await;
        let approval = approve(&opened, now);
        let mut given_up = Vec::new();
        for _ in 0..moves {
            let after = who.in_another_session();
            subject.rebind(&who, &after).await;
            given_up.push(std::mem::replace(&mut who, after));
        }
        subject.same(subject.reload(&opened).await, Some(moved(&opened, &who)));
        let swap = subject.swap(&approval.record, Some(&approval.elevation), now).await;
        subject.same(swap, Swap::Done);
        subject.same(subject.reload(&opened).await, Some(moved(&approval.record, &who)));
        subject.same(subject.held(&who).await, vec![approval.elevation.clone()]);
        for before in given_up {
            subject.same(subject.elevations(&before).await, None);
            subject.same(subject.flow(&before, &opened.id).await, None);
        }
        let stale = approve(&opened, now);
        let swap = subject.swap(&stale.record, Some(&stale.elevation), now).await;
        subject.same(swap, Swap::Conflict);
        subject.ok(subject.store.revoke_session(&who.session).await);
        subject.same(subject.reload(&opened).await, None);
        let next = approval.record.next(approval.record.flow.clone());
        subject.same(subject.swap(&next, Some(&approval.elevation), now).await, Swap::Gone);
        subject.same(subject.elevations(&who).await, None);
    }
}

/// A grant repeated after the move brings no spent elevation back, nor one that has a successor.
pub async fn a_rebound_flow_is_granted_once<S: Store>(store: S) {
    let subject = Subject::new(store, "a flow that was rebound brings no second elevation");
    for has_successor in [false, true] {
        let (who, now) = (Someone::new(), present());
        let after = who.in_another_session();
        let approval = subject.elevate(&who, &bank().single_use(), now).await;
        subject.holds(subject.consume(&who, &approval.record.id, now).await);
        subject.rebind(&who, &after).await;
        if has_successor {
            subject.elevate(&after, &bank().single_use(), now).await;
        }
        let before = subject.held(&after).await;
        subject.same(before.iter().map(Elevation::is_spent).collect(), vec![!has_successor]);
        let again = approval.record.next(approval.record.flow.clone());
        let swap = subject.swap(&again, Some(&approval.elevation), now).await;
        subject.same(swap, Swap::Done);
        subject.same(subject.held(&after).await, before);
    }
}

/// Whatever comes first, the approval is held under the new id, and never under both.
pub async fn a_rebinding_races_swaps_and_loses_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a rebinding that races a swap loses no approval");
    let now = present();
    let mut cases = Vec::new();
    for _ in 0..super::RACERS / 4 {
        let who = Someone::new();
        let opened = subject.open_new(who.flow(&bank(), now), now).await;
        cases.push((who.clone(), who.in_another_session(), approve(&opened, now)));
    }
    let outcomes = subject
        .race(|subject, number| {
            let case = cases.get(number / 4).cloned();
            async move {
                let (who, after, Approval { record, elevation }) = case?;
                match number % 4 {
                    0 => Some(subject.swap(&record, Some(&elevation), now).await),
                    1 => {
                        subject.rebind(&who, &after).await;
                        None
                    }
                    _ => {
                        for _ in 0..100 {
                            // The new one first: what moves between the two is seen under neither.
                            let is_new = subject.has(&after).await;
                            subject.holds(!(is_new && subject.has(&who).await));
                        }
                        None
                    }
                }
            }
        })
        .await;
    let done = outcomes.iter().filter(|outcome| **outcome == Some(Swap::Done));
    subject.same(done.count(), cases.len());
    for (who, after, approval) in cases {
        subject.same(subject.held(&after).await, vec![approval.elevation]);
        subject.same(subject.elevations(&who).await, None);
    }
}

/// Nothing is saved from a revocation by being moved meanwhile.
pub async fn a_revocation_wins_against_parallel_rebindings<S: Store>(store: S) {
    let subject = Subject::new(store, "a revocation of a user wins against parallel rebindings");
    let (who, now) = (Someone::new(), present());
    let mut moves = Vec::new();
    for _ in 0..super::RACERS {
        let before = who.in_another_session();
        subject.elevate(&before, &bank(), now).await;
        moves.push((before, who.in_another_session()));
    }
    subject
        .race(|subject, number| {
            let (who, case) = (who.clone(), moves.get(number).cloned());
            async move {
                if number == super::RACERS / 2 {
                    return subject.ok(subject.store.revoke_user(&who.auth_id).await);
                }
                let Some((before, after)) = case else { return };
                subject.rebind(&before, &after).await;
            }
        })
        .await;
    for (before, after) in moves {
        subject.same(subject.elevations(&before).await, None);
        subject.same(subject.elevations(&after).await, None);
    }
}

/// However many ids a session is given at once, one of them holds what it had.
pub async fn parallel_rebindings_leave_one_holder<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel rebindings one moves what there is");
    let (who, now) = (Someone::new(), present());
    let approval = subject.elevate(&who, &bank(), now).await;
    let renewed = subject
        .race(|subject, _| {
            let (who, after) = (who.clone(), who.in_another_session());
            async move {
                subject.rebind(&who, &after).await;
                after
            }
        })
        .await;
    let mut holders = Vec::new();
    for who in renewed.into_iter().chain([who]) {
        holders.extend(subject.held(&who).await);
    }
    subject.same(holders, vec![approval.elevation]);
}

/// An app that cannot tell whether the id has changed does no harm.
pub async fn a_rebinding_to_itself_changes_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a session rebound to itself is as it was");
    let (who, now) = (Someone::new(), present());
    let approval = subject.elevate(&who, &bank(), now).await;
    let pending = subject.open_new(who.flow(&vault(), now), now).await;
    subject.rebind(&who, &who).await;
    subject.same(subject.held(&who).await, vec![approval.elevation]);
    subject.same(subject.flow(&who, &pending.id).await, Some(pending));
    let nobody = who.in_another_session();
    subject.rebind(&nobody, &who.in_another_session()).await;
    subject.same(subject.flow(&nobody, &random_id()).await, None);
}

impl<S: Store> Subject<S> {
    async fn rebind(&self, from: &Someone, to: &Someone) {
        self.ok(self.store.rebind(&from.session, &to.session, &from.auth_id).await);
    }

    /// What a request is let through by: at once or asked for, not both, which others may come
    /// between.
    async fn has(&self, who: &Someone) -> bool {
        match self.store.peek(&who.session, &who.auth_id) {
            Peek::Known(held) => held.is_some(),
            Peek::Ask => self.ok(self.store.elevations(&who.session, &who.auth_id).await).is_some(),
        }
    }
}

/// The record as it is under another id.
fn moved(record: &FlowRecord, to: &Someone) -> FlowRecord {
    let mut record = record.clone();
    std::sync::Arc::make_mut(&mut record.binding).session = to.session;
    record
}

fn vault() -> Requirement {
    Requirement::system("vault")
}
