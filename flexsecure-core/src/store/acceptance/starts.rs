use std::time::Duration;

use super::{Someone, Subject, bank, present};
use crate::store::{Admission, STARTS, STARTS_WINDOW, StartTicket, Store};
use crate::{Operation, Requirement, Timestamp};

/// However a user spreads their starts over sessions and systems, they have so many.
pub async fn a_user_has_so_many_starts<S: Store>(store: S) {
    let subject = Subject::new(store, "a user has so many starts over all sessions and systems");
    let (who, now) = (Someone::new(), present());
    let until = now.after(STARTS_WINDOW);
    for number in 0..STARTS {
        let system = Requirement::system(&format!("system-{number}"));
        let ticket = ticket(&who.in_another_session(), &system).exclusive_until(until);
        subject.same(subject.admit(&ticket, now).await, Admission::Admitted);
        // What is given back is the login; the message went out.
        subject.release(&ticket).await;
    }
    let one_more = ticket(&who, &bank());
    subject.same(subject.admit(&one_more, now).await, Admission::TooMany { until });
    let other = ticket(&who.with_another_user(), &bank());
    subject.same(subject.admit(&other, now).await, Admission::Admitted);
}

/// Each start counts for the window and no longer, and one that was refused does not count.
pub async fn starts_are_counted_over_a_window<S: Store>(store: S) {
    let subject = Subject::new(store, "a start counts for the window and a refused one never does");
    let (who, now) = (Someone::new(), present());
    let ticket = ticket(&who, &bank());
    for number in 0..STARTS {
        let at = now.after(minutes(number));
        subject.same(subject.admit(&ticket, at).await, Admission::Admitted);
    }
    for number in 0..STARTS {
        let until = now.after(STARTS_WINDOW).after(minutes(number));
        let just_before = Timestamp::from_millis(until.as_millis().saturating_sub(1));
        subject.same(subject.admit(&ticket, just_before).await, Admission::TooMany { until });
        subject.same(subject.admit(&ticket, until).await, Admission::Admitted);
    }
}

/// However many starts come at once, so many are admitted.
pub async fn parallel_starts_are_all_counted<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel starts no more than the limit are admitted");
    let (who, now) = (Someone::new(), present());
    let outcomes = subject
        .race(|subject, _| {
            let ticket = ticket(&who.in_another_session(), &bank());
            async move { subject.admit(&ticket, now).await }
        })
        .await;
    let admitted = outcomes.iter().filter(|outcome| **outcome == Admission::Admitted);
    subject.same(admitted.count(), STARTS);
}

/// Another session or operation does not get a login that is claimed; another system or user does.
pub async fn a_login_has_one_holder<S: Store>(store: S) {
    let subject = Subject::new(store, "one session and operation has a login that nobody names");
    let (who, now) = (Someone::new(), present());
    let until = now.after(MINUTE);
    let later = until.after(MINUTE);
    let holder = ticket(&who, &transfer("bob")).exclusive_until(until);
    subject.same(subject.admit(&holder, now).await, Admission::Admitted);
    for (session, requirement) in [
        (who.in_another_session(), transfer("bob")),
        (who.clone(), transfer("mallory")),
        (who.clone(), bank()),
    ] {
        let other = ticket(&session, &requirement).exclusive_until(later);
        subject.same(subject.admit(&other, now).await, Admission::InProgress { until });
    }
    let elsewhere = Requirement::system("vault");
    let elsewhere = ticket(&who.in_another_session(), &elsewhere).exclusive_until(later);
    subject.same(subject.admit(&elsewhere, now).await, Admission::Admitted);
    let other_user = ticket(&who.with_another_user(), &bank()).exclusive_until(later);
    subject.same(subject.admit(&other_user, now).await, Admission::Admitted);
    let named = ticket(&who.in_another_session(), &bank());
    subject.same(subject.admit(&named, now).await, Admission::Admitted);
}

/// Once the authority takes no approval for it any more, a login is free.
pub async fn a_claim_ends_with_its_time<S: Store>(store: S) {
    let subject = Subject::new(store, "a claimed login is free when its time is over");
    let (who, now) = (Someone::new(), present());
    let until = now.after(MINUTE);
    let first = ticket(&who, &bank()).exclusive_until(until);
    subject.same(subject.admit(&first, now).await, Admission::Admitted);
    let second = ticket(&who.in_another_session(), &bank()).exclusive_until(until.after(MINUTE));
    let just_before = Timestamp::from_millis(until.as_millis().saturating_sub(1));
    let outcome = subject.admit(&second, just_before).await;
    subject.same(outcome, Admission::InProgress { until });
    subject.same(subject.admit(&second, until).await, Admission::Admitted);
    // The one before has nothing left to release.
    subject.release(&first).await;
    let outcome = subject.admit(&first, until).await;
    subject.same(outcome, Admission::InProgress { until: until.after(MINUTE) });
}

/// Another message for the same prolongs the claim.
pub async fn a_claim_is_extended_by_its_holder<S: Store>(store: S) {
    let subject = Subject::new(store, "the holder of a login extends its claim by another start");
    let (who, now) = (Someone::new(), present());
    let (until, later) = (now.after(MINUTE), now.after(minutes(2)));
    let holder = ticket(&who, &bank());
    let other = ticket(&who.in_another_session(), &bank()).exclusive_until(later);
    for until in [until, later] {
        let holder = holder.clone().exclusive_until(until);
        subject.same(subject.admit(&holder, now).await, Admission::Admitted);
        subject.same(subject.admit(&other, now).await, Admission::InProgress { until });
    }
}

/// Who has the login can give it back, and nobody else can.
pub async fn a_claim_is_released_by_its_holder<S: Store>(store: S) {
    let subject =
        Subject::new(store, "a claimed login is given back by its holder and by no other");
    let (who, now) = (Someone::new(), present());
    let until = now.after(MINUTE);
    let holder = ticket(&who, &transfer("bob")).exclusive_until(until);
    let other = ticket(&who.in_another_session(), &transfer("bob")).exclusive_until(until);
    subject.same(subject.admit(&holder, now).await, Admission::Admitted);
    for stranger in [
        other.clone(),
        ticket(&who, &transfer("mallory")).exclusive_until(until),
        ticket(&who, &Requirement::system("vault")).exclusive_until(until),
        ticket(&who.with_another_user(), &transfer("bob")).exclusive_until(until),
    ] {
        subject.release(&stranger).await;
    }
    subject.same(subject.admit(&other, now).await, Admission::InProgress { until });
    subject.release(&holder).await;
    subject.same(subject.admit(&other, now).await, Admission::Admitted);
    subject.release(&other).await;
    subject.release(&other).await;
}

/// All or nothing: who does not get the login has not started.
pub async fn a_refused_start_is_not_counted<S: Store>(store: S) {
    let subject = Subject::new(store, "a start that does not get the login is not counted");
    let (who, now) = (Someone::new(), present());
    let until = now.after(MINUTE);
    let holder = ticket(&who, &bank()).exclusive_until(until);
    subject.same(subject.admit(&holder, now).await, Admission::Admitted);
    let other = ticket(&who.in_another_session(), &bank()).exclusive_until(until);
    for _ in 0..STARTS {
        subject.same(subject.admit(&other, now).await, Admission::InProgress { until });
    }
    for _ in 1..STARTS {
        subject.same(subject.admit(&holder, now).await, Admission::Admitted);
    }
    let outcome = subject.admit(&holder, now).await;
    subject.same(outcome, Admission::TooMany { until: now.after(STARTS_WINDOW) });
}

/// Too many starts are told first, and the login stays free.
pub async fn too_many_starts_claim_nothing<S: Store>(store: S) {
    let subject = Subject::new(store, "a start too many is told first and claims nothing");
    let (who, now) = (Someone::new(), present());
    let second = now.after(MINUTE);
    let named = ticket(&who, &bank());
    let holder = named.clone().exclusive_until(now.after(minutes(20)));
    let other = ticket(&who.in_another_session(), &bank()).exclusive_until(now.after(minutes(20)));
    subject.same(subject.admit(&named, now).await, Admission::Admitted);
    for _ in 1..STARTS {
        subject.same(subject.admit(&named, second).await, Admission::Admitted);
    }
    let until = now.after(STARTS_WINDOW);
    subject.same(subject.admit(&other, second).await, Admission::TooMany { until });
    subject.same(subject.admit(&holder, until).await, Admission::Admitted);
    // The holder has the login, but the limit is told first.
    let until = second.after(STARTS_WINDOW);
    let just_before = Timestamp::from_millis(until.as_millis().saturating_sub(1));
    subject.same(subject.admit(&other, just_before).await, Admission::TooMany { until });
    let in_progress = Admission::InProgress { until: now.after(minutes(20)) };
    subject.same(subject.admit(&other, until).await, in_progress);
}

/// However many sessions want a login at once, one gets it.
pub async fn parallel_claims_have_one_holder<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel starts from many sessions one gets the login");
    let (who, now) = (Someone::new(), present());
    let until = now.after(MINUTE);
    let outcomes = subject
        .race(|subject, _| {
            let ticket = ticket(&who.in_another_session(), &bank()).exclusive_until(until);
            async move { subject.admit(&ticket, now).await }
        })
        .await;
    let (admitted, refused): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| *outcome == Admission::Admitted);
    subject.same(admitted.len(), 1);
    subject.holds(refused.iter().all(|outcome| *outcome == Admission::InProgress { until }));
}

impl<S: Store> Subject<S> {
    async fn admit(&self, ticket: &StartTicket, now: Timestamp) -> Admission {
        self.ok(self.store.admit_start(ticket, now).await)
    }

    async fn release(&self, ticket: &StartTicket) {
        self.ok(self.store.release_start(ticket).await);
    }
}

fn ticket(who: &Someone, requirement: &Requirement) -> StartTicket {
    StartTicket::new(who.binding(requirement))
}

fn transfer(to: &str) -> Requirement {
    bank().operation(Operation::new("Transfer 250.00 EUR").field("to", to))
}

fn minutes(minutes: usize) -> Duration {
    MINUTE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX))
}

const MINUTE: Duration = Duration::from_secs(60);
