use std::time::Duration;

use super::approval::step;
use super::{Someone, Subject, approve, bank, begin, cancel, present, random_id};
use crate::flow::{Flow, Input};
use crate::store::{FLOWS_PER_SESSION, FLOWS_PER_USER, FlowRecord, Opened, Store};
use crate::{Method, Operation, Requirement};

/// What is opened is new, and can be looked up.
pub async fn a_new_flow_is_kept<S: Store>(store: S) {
    let subject = Subject::new(store, "a new flow is kept as it is");
    let (who, now) = (Someone::new(), present());
    let flow = subject.open_new(who.flow(&bank(), now), now).await;
    subject.same(subject.flow(&who, &flow.id).await, Some(flow));
}

/// Who opens the same again gets the live flow, as it stands.
pub async fn a_live_flow_is_joined<S: Store>(store: S) {
    let subject = Subject::new(store, "a live flow of the same session, user and scope is joined");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let again = who.flow(&bank(), now);
    subject.same(subject.open(&again, now).await, Opened::Joined(opened.clone()));
    subject.same(subject.flow(&who, &again.id).await, None);

    let started = subject.swap_done(begin(&opened, now), now).await;
    subject.same(subject.open(&again, now).await, Opened::Joined(started));
}

/// Another session, user, system, operation or use is another flow.
pub async fn a_flow_is_joined_only_for_the_same_thing<S: Store>(store: S) {
    let subject = Subject::new(store, "only a flow of the same session, user and scope is joined");
    let (who, now) = (Someone::new(), present());
    let operation = |text| bank().operation(Operation::new(text));
    for flow in [
        who.flow(&bank(), now),
        who.in_another_session().flow(&bank(), now),
        who.with_another_user().flow(&bank(), now),
        who.flow(&Requirement::system("vault"), now),
        who.flow(&bank().single_use(), now),
        who.flow(&operation("Transfer 250.00 EUR to bob"), now),
        who.flow(&operation("Transfer 2500.00 EUR to bob"), now),
    ] {
        let flow = subject.open_new(flow, now).await;
        subject.same(subject.flow(&Someone::of(&flow), &flow.id).await, Some(flow));
    }
}

/// An authenticated or cancelled flow is given to nobody who opens one.
pub async fn an_ended_flow_is_not_joined<S: Store>(store: S) {
    let subject = Subject::new(store, "an ended flow is not joined, and can still be asked about");
    let (who, now) = (Someone::new(), present());
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    let cancelled = subject.swap_done(cancel(&first, now), now).await;
    let second = subject.open_new(who.flow(&bank(), now), now).await;
    subject.swap_done(approve(&second, now).record, now).await;
    subject.open_new(who.flow(&bank(), now), now).await;
    subject.same(subject.flow(&who, &first.id).await, Some(cancelled));
}

/// What ran out of time is over, though nobody has noticed.
pub async fn a_timed_out_flow_is_not_live<S: Store>(store: S) {
    let subject = Subject::new(store, "a timed-out flow is not live, one that has time left is");
    let (who, now) = (Someone::new(), present());
    let idle = subject.open_new(who.flow(&bank(), now), now).await;
    let (before, end) = (now.after(A_MOMENT_LESS), now.after(TEN_MINUTES));
    subject.same(subject.open(&who.flow(&bank(), before), before).await, Opened::Joined(idle));

    let opened = subject.open_new(who.flow(&bank(), end), end).await;
    let started = subject.swap_done(begin(&opened, end), end).await;
    let (before, end) = (end.after(A_MOMENT_LESS), end.after(TEN_MINUTES));
    subject.same(subject.open(&who.flow(&bank(), before), before).await, Opened::Joined(started));
    subject.open_new(who.flow(&bank(), end), end).await;
}

/// A start that nobody answered may have reached the user: the flow lives on.
pub async fn a_flow_awaiting_its_start_is_live<S: Store>(store: S) {
    let subject = Subject::new(store, "a flow whose start nobody answered is live");
    let (who, now) = (Someone::new(), present());
    let opened = subject.open_new(who.flow(&bank(), now), now).await;
    let begun = opened.next(step(&opened, Input::Begin { idempotent: false }, now));
    let begun = subject.swap_done(begun, now).await;
    let later = now.after(Duration::from_secs(60));
    subject.same(subject.open(&who.flow(&bank(), later), later).await, Opened::Joined(begun));
}

/// However many open the same at once, one flow comes of it.
pub async fn parallel_opens_keep_one_flow<S: Store>(store: S) {
    let subject = Subject::new(store, "of parallel opens one is new, and the others join it");
    let (who, now) = (Someone::new(), present());
    let outcomes = subject
        .race(|subject, _| {
            let new = who.flow(&bank(), now);
            async move { subject.open(&new, now).await }
        })
        .await;
    let is_new = |opened: &&Opened| matches!(opened, Opened::New(_));
    subject.same(outcomes.iter().filter(is_new).count(), 1);
    let ids = outcomes.iter().map(|opened| match opened {
        Opened::New(flow) | Opened::Joined(flow) => Some(flow.id),
        Opened::TooMany { .. } => None,
    });
    let ids: std::collections::HashSet<_> = ids.collect();
    subject.same(ids.len(), 1);
}

/// A session that has all the live flows it can have gets no more, and keeps what it has.
pub async fn a_session_has_so_many_live_flows<S: Store>(store: S) {
    let subject = Subject::new(store, "a session has so many live flows and no more");
    let (who, now) = (Someone::new(), present());
    let mut flows = Vec::new();
    for number in 0..FLOWS_PER_SESSION {
        flows.push(subject.open_new(who.flow(&system(number), now), now).await);
    }
    let one_more = who.flow(&system(FLOWS_PER_SESSION), now);
    subject.same(subject.has_too_many(&one_more, now).await, Some(now.after(TEN_MINUTES)));
    for (number, flow) in flows.into_iter().enumerate() {
        let joined = subject.open(&who.flow(&system(number), now), now).await;
        subject.same(joined, Opened::Joined(flow.clone()));
        subject.swap_done(begin(&flow, now), now).await;
    }
    let other = who.in_another_session();
    subject.open_new(other.flow(&bank(), now), now).await;
}

/// Only live flows count, be the others cancelled or timed out.
pub async fn ended_flows_make_room_in_their_session<S: Store>(store: S) {
    let subject = Subject::new(store, "ended flows make room for new ones of their session");
    let (who, now) = (Someone::new(), present());
    let stays = subject.open_new(who.flow(&bank(), now), now).await;
    for number in 0..FLOWS_PER_SESSION * 2 {
        let flow = subject.open_new(who.flow(&system(number), now), now).await;
        subject.swap_done(cancel(&flow, now), now).await;
    }
    subject.same(subject.flow(&who, &stays.id).await, Some(stays));

    let later = now.after(TEN_MINUTES);
    for number in 0..FLOWS_PER_SESSION {
        subject.open_new(who.flow(&system(number), later), later).await;
    }
}

/// Over however many sessions and systems they spread them.
pub async fn a_user_has_so_many_live_flows<S: Store>(store: S) {
    let subject = Subject::new(store, "a user has so many live flows over all sessions, no more");
    let (who, now) = (Someone::new(), present());
    let mut flows = Vec::new();
    for number in 0..FLOWS_PER_USER {
        let session = who.in_another_session();
        flows.push(subject.open_new(session.flow(&system(number), now), now).await);
    }
    let until = Some(now.after(TEN_MINUTES));
    let one_more = who.in_another_session().flow(&bank(), now);
    subject.same(subject.has_too_many(&one_more, now).await, until);
    for flow in &flows {
        subject.same(subject.open(flow, now).await, Opened::Joined(flow.clone()));
    }
    // Whose it is decides, not where it is from.
    for flow in flows.iter().take(2) {
        let other = Someone::new().auth_id;
        let other = Someone { session: flow.binding.session, auth_id: other };
        subject.open_new(other.flow(&bank(), now), now).await;
    }
    // A message brings its flow more time, and so the first to end is another.
    let just_before = now.after(A_MOMENT_LESS);
    let mut flows = flows.into_iter();
    if let Some(flow) = flows.next() {
        subject.swap_done(begin(&flow, just_before), just_before).await;
    }
    subject.same(subject.has_too_many(&one_more, just_before).await, until);
}

/// Be they cancelled, approved, timed out, or started long after the others.
pub async fn ended_flows_make_room_for_their_user<S: Store>(store: S) {
    let subject = Subject::new(store, "ended flows make room for new ones of their user");
    let (who, now) = (Someone::new(), present());
    let end = now.after(TEN_MINUTES);
    let mut flows = Vec::new();
    for number in 0..FLOWS_PER_USER {
        let session = who.in_another_session();
        flows.push(subject.open_new(session.flow(&system(number), now), now).await);
    }
    let one_more = || who.in_another_session().flow(&bank(), now);
    let mut flows = flows.into_iter();
    if let (Some(cancelled), Some(approved), Some(begun)) =
        (flows.next(), flows.next(), flows.next())
    {
        subject.swap_done(cancel(&cancelled, now), now).await;
        subject.open_new(one_more(), now).await;
        subject.holds(subject.has_too_many(&one_more(), now).await.is_some());
        subject.swap_done(approve(&approved, now).record, now).await;
        subject.open_new(one_more(), now).await;
        subject.holds(subject.has_too_many(&one_more(), now).await.is_some());
        let just_before = now.after(A_MOMENT_LESS);
        subject.swap_done(begin(&begun, just_before), just_before).await;
    }
    // All but the one that was begun have timed out.
    for _ in 1..FLOWS_PER_USER {
        let one_more = FlowRecord { flow: Flow::open(end, Method::Pin), ..one_more() };
        subject.open_new(one_more, end).await;
    }
    let first_end = now.after(A_MOMENT_LESS).after(TEN_MINUTES);
    subject.same(subject.has_too_many(&one_more(), end).await, Some(first_end));
}

/// However many sessions open flows at once.
pub async fn parallel_opens_stay_within_the_limit_of_a_user<S: Store>(store: S) {
    let subject = Subject::new(store, "parallel opens stay within the limit of their user");
    let (who, now) = (Someone::new(), present());
    let left = super::RACERS / 2;
    for _ in left..FLOWS_PER_USER {
        subject.open_new(who.in_another_session().flow(&bank(), now), now).await;
    }
    let outcomes = subject
        .race(|subject, _| {
            let new = who.in_another_session().flow(&bank(), now);
            async move { subject.has_too_many(&new, now).await.is_some() }
        })
        .await;
    let refused = outcomes.iter().filter(|is_refused| **is_refused).count();
    subject.same(outcomes.len().saturating_sub(refused), left);
}

/// To any other session a flow does not exist.
pub async fn nobody_else_sees_a_flow<S: Store>(store: S) {
    let subject = Subject::new(store, "a flow answers only the user and session that opened it");
    let (who, now) = (Someone::new(), present());
    let flow = subject.open_new(who.flow(&bank(), now), now).await;
    let other = who.in_another_session();
    subject.open_new(other.flow(&bank(), now), now).await;
    subject.same(subject.flow(&other, &flow.id).await, None);
    subject.same(subject.flow(&who.with_another_user(), &flow.id).await, None);
    subject.same(subject.flow(&Someone::new(), &flow.id).await, None);
    subject.same(subject.flow(&who, &random_id()).await, None);
}

/// A store with room for `capacity` flows refuses one more, and what it has goes on.
///
/// For stores whose capacity can be set; [`run`](super::run) leaves it out. The store must be empty.
pub async fn a_full_store_refuses<S: Store>(store: S, capacity: usize) {
    let subject = Subject::new(store, "a full store refuses new flows and forgets no live one");
    let now = present();
    let mut flows = Vec::new();
    for _ in 0..capacity {
        flows.push(subject.open_new(Someone::new().flow(&bank(), now), now).await);
    }
    let refused = Someone::new();
    subject.holds(subject.is_full(refused.flow(&bank(), now), now).await);
    for flow in &flows {
        subject.same(subject.open(flow, now).await, Opened::Joined(flow.clone()));
        subject.same(subject.flow(&Someone::of(flow), &flow.id).await.as_ref(), Some(flow));
        subject.swap_done(begin(flow, now), now).await;
    }
    subject.holds(subject.is_full(refused.flow(&bank(), now), now).await);

    let later = now.after(TEN_MINUTES);
    for _ in 0..capacity {
        subject.open_new(Someone::new().flow(&bank(), later), later).await;
    }
    subject.holds(subject.is_full(refused.flow(&bank(), later), later).await);
}

fn system(number: usize) -> Requirement {
    Requirement::system(&format!("system-{number}"))
}

/// How long a flow lives that nobody starts, and one by link whose authority tells nothing.
const TEN_MINUTES: Duration = Duration::from_secs(600);

const A_MOMENT_LESS: Duration = Duration::from_millis(599_999);
