use std::time::Duration;

use super::{Approval, Someone, Subject, approve, bank, begin, present};
use crate::flow::FlowId;
use crate::store::{FLOWS_PER_USER, FlowRecord, Store, Swap};
use crate::{Requirement, Timestamp};

/// After a logout nothing is left of a session.
pub async fn a_revoked_session_holds_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a revoked session has neither flows nor elevations");
    let (who, now) = (Someone::new(), present());
    let flows = furnish(&subject, &who, now).await;
    subject.ok(subject.store.revoke_session(&who.session).await);
    has_nothing(&subject, &who, &flows, now).await;
    subject.ok(subject.store.revoke_session(&who.session).await);
}

/// After a change of credentials nothing is left of a user, in any session.
pub async fn a_revoked_user_holds_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a revoked user has neither flows nor elevations anywhere");
    let (who, now) = (Someone::new(), present());
    let other = who.in_another_session();
    let flows = furnish(&subject, &who, now).await;
    let others = furnish(&subject, &other, now).await;
    subject.ok(subject.store.revoke_user(&who.auth_id).await);
    has_nothing(&subject, &who, &flows, now).await;
    has_nothing(&subject, &other, &others, now).await;
    subject.ok(subject.store.revoke_user(&who.auth_id).await);
}

/// Other sessions of the user keep theirs when one is revoked, and other users when one is.
pub async fn a_revocation_spares_everybody_else<S: Store>(store: S) {
    let subject = Subject::new(store, "a revocation spares other sessions and other users");
    let (who, now) = (Someone::new(), present());
    let (same_user, stranger) = (who.in_another_session(), Someone::new());
    let same_session = who.with_another_user();
    let approval = subject.elevate(&same_user, &bank(), now).await;
    subject.elevate(&who, &bank(), now).await;
    subject.ok(subject.store.revoke_session(&who.session).await);
    subject.same(subject.held(&same_user).await, vec![approval.elevation]);
    let flow = subject.flow(&same_user, &approval.record.id).await;
    subject.same(flow, Some(approval.record));

    let approval = subject.elevate(&stranger, &bank(), now).await;
    let flow = subject.open_new(who.flow(&Requirement::system("vault"), now), now).await;
    let shared = subject.elevate(&same_session, &bank(), now).await;
    subject.ok(subject.store.revoke_user(&who.auth_id).await);
    subject.same(subject.held(&stranger).await, vec![approval.elevation]);
    let strangers = subject.flow(&stranger, &approval.record.id).await;
    subject.same(strangers, Some(approval.record));
    subject.same(subject.flow(&who, &flow.id).await, None);
    subject.same(subject.held(&same_session).await, vec![shared.elevation]);
}

/// An approval that arrives after the logout lets nobody in.
pub async fn a_swap_after_a_revocation_grants_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a swap after a revocation is gone and grants nothing");
    let now = present();
    for revokes_user in [false, true] {
        let who = Someone::new();
        let opened = subject.open_new(who.flow(&bank(), now), now).await;
        let approval = approve(&opened, now);
        revoke(&subject, &who, revokes_user).await;
        let swap = subject.swap(&approval.record, Some(&approval.elevation), now).await;
        subject.same(swap, Swap::Gone);
        has_nothing(&subject, &who, &[opened.id], now).await;
    }
}

/// Whether it comes before or after the approval that races it, nothing is left.
pub async fn a_revocation_wins_against_parallel_swaps<S: Store>(store: S) {
    let subject = Subject::new(store, "a revocation wins against parallel swaps that grant");
    let now = present();
    for revokes_user in [false, true] {
        let mut cases = Vec::new();
        for _ in 0..super::RACERS / 2 {
            let who = Someone::new();
            let opened = subject.open_new(who.flow(&bank(), now), now).await;
            cases.push((who, approve(&opened, now)));
        }
        let outcomes = subject
            .race(|subject, number| {
                let case = cases.get(number / 2).cloned();
                async move {
                    let (who, approval) = case?;
                    if number % 2 == 0 {
                        let Approval { record, elevation } = approval;
                        return Some(subject.swap(&record, Some(&elevation), now).await);
                    }
                    revoke(&subject, &who, revokes_user).await;
                    None
                }
            })
            .await;
        subject.holds(!outcomes.contains(&Some(Swap::Conflict)));
        for (who, approval) in &cases {
            has_nothing(&subject, who, &[approval.record.id], now).await;
        }
    }
}

/// A revocation is no ban: the session can step up again.
pub async fn a_revoked_session_can_begin_again<S: Store>(store: S) {
    let subject = Subject::new(store, "a revoked session and a revoked user can begin again");
    let (who, now) = (Someone::new(), present());
    for revokes_user in [false, true] {
        let flow = subject.open_new(who.flow(&Requirement::system("vault"), now), now).await;
        subject.swap_done(begin(&flow, now), now).await;
        subject.elevate(&who, &bank(), now).await;
        revoke(&subject, &who, revokes_user).await;
        let approval = subject.elevate(&who, &bank(), now).await;
        subject.same(subject.held(&who).await, vec![approval.elevation]);
        subject.ok(subject.store.revoke_session(&who.session).await);
    }
}

/// An incident: what was proved or begun before a time is forgotten, what came later is not.
pub async fn what_is_older_than_a_time_is_revoked<S: Store>(store: S) {
    let subject = Subject::new(store, "what a user had before a time is revoked, and no more");
    let (who, now) = (Someone::new(), present());
    let before = now.after(MINUTE);
    let (elsewhere, stranger) = (who.in_another_session(), who.with_another_user());
    let old = furnish(&subject, &who, now).await;
    let also_old = furnish(&subject, &elsewhere, now).await;
    let shared = subject.open_new(stranger.flow(&bank(), now), now).await;
    let spared = subject.elevate(&Someone::new(), &bank(), now).await;
    let new = subject.elevate(&who, &Requirement::system("payroll"), before).await;
    let pending = subject.open_new(who.flow(&Requirement::system("cellar"), before), before).await;
    subject.ok(subject.store.revoke_before(Some(&who.auth_id), before).await);
    for id in old {
        subject.same(subject.flow(&who, &id).await, None);
        subject.holds(!subject.consume(&who, &id, before).await);
    }
    has_nothing(&subject, &elsewhere, &also_old, before).await;
    subject.same(subject.held(&who).await, vec![new.elevation]);
    for record in [new.record, pending, shared, spared.record] {
        subject.same(subject.flow(&Someone::of(&record), &record.id).await, Some(record));
    }
}

/// The same for all users at once.
///
/// In a store that others use, it takes from them what they had a day ago.
pub async fn what_is_older_than_a_time_is_revoked_for_everybody<S: Store>(store: S) {
    let subject = Subject::new(store, "what anybody had before a time is revoked, and no more");
    let (who, other) = (Someone::new(), Someone::new());
    let yesterday = Timestamp::from_millis(present().as_millis().saturating_sub(86_400_000));
    let before = yesterday.after(MINUTE);
    let flows = furnish(&subject, &who, yesterday).await;
    let others = furnish(&subject, &other, yesterday).await;
    let pending = subject.open_new(who.flow(&Requirement::system("cellar"), before), before).await;
    let new = subject.elevate(&other, &Requirement::system("payroll"), before).await;
    subject.ok(subject.store.revoke_before(None, before).await);
    has_nothing(&subject, &who, &flows, before).await;
    for id in others {
        subject.same(subject.flow(&other, &id).await, None);
    }
    subject.same(subject.held(&other).await, vec![new.elevation]);
    subject.same(subject.flow(&who, &pending.id).await, Some(pending));
}

/// What was opened before is not approved into something new.
pub async fn a_flow_opened_before_a_revocation_grants_nothing_after<S: Store>(store: S) {
    let subject = Subject::new(store, "a flow opened before a revocation grants nothing after it");
    let (who, now) = (Someone::new(), present());
    let later = now.after(MINUTE);
    let after = who.in_another_session();
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let started = subject.swap_done(begin(&opened, later), later).await;
    // When it was opened counts, whatever has happened to it since.
    subject.ok(subject.store.rebind(&who.session, &after.session, &who.auth_id).await);
    subject.ok(subject.store.revoke_before(Some(&who.auth_id), later).await);
    subject.same(subject.reload(&started).await, None);
    let approval = approve(&opened, later);
    let next = FlowRecord { version: started.version.saturating_add(1), ..approval.record };
    subject.same(subject.swap(&next, Some(&approval.elevation), later).await, Swap::Gone);
    has_nothing(&subject, &who, &[opened.id], later).await;
    has_nothing(&subject, &after, &[opened.id], later).await;
}

/// A user whose flows are revoked can open as many again.
pub async fn what_is_revoked_counts_for_no_limit<S: Store>(store: S) {
    let subject = Subject::new(store, "revoked flows count for no limit of their user");
    let (who, now) = (Someone::new(), present());
    for round in 0..3 {
        for _ in 0..FLOWS_PER_USER {
            subject.open_new(who.in_another_session().flow(&bank(), now), now).await;
        }
        let one_more = who.flow(&bank(), now);
        subject.holds(subject.has_too_many(&one_more, now).await.is_some());
        subject.ok(if round == 0 {
            subject.store.revoke_user(&who.auth_id).await
        } else {
            subject.store.revoke_before(Some(&who.auth_id), now.after(MINUTE)).await
        });
    }
}

async fn revoke<S: Store>(subject: &Subject<S>, who: &Someone, revokes_user: bool) {
    subject.ok(if revokes_user {
        subject.store.revoke_user(&who.auth_id).await
    } else {
        subject.store.revoke_session(&who.session).await
    });
}

/// A pending flow, and one that brought an elevation.
async fn furnish<S: Store>(subject: &Subject<S>, who: &Someone, now: Timestamp) -> [FlowId; 2] {
    let vault = who.flow(&Requirement::system("vault"), now);
    let FlowRecord { id, .. } = subject.open_new(vault, now).await;
    let approval = subject.elevate(who, &bank(), now).await;
    subject.same(subject.held(who).await, vec![approval.elevation]);
    [id, approval.record.id]
}

async fn has_nothing<S: Store>(
    subject: &Subject<S>,
    who: &Someone,
    flows: &[FlowId],
    now: Timestamp,
) {
    subject.same(subject.elevations(who).await, None);
    for flow in flows {
        subject.same(subject.flow(who, flow).await, None);
        subject.holds(!subject.consume(who, flow, now).await);
    }
}

const MINUTE: Duration = Duration::from_secs(60);
