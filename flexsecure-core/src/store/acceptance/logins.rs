use super::{Someone, Subject, approve, bank, cancel, present};
use crate::store::{FlowRecord, Store};

/// What an authority would take for a repetition is one: the same user asks in the same session for
/// the same.
pub async fn a_login_goes_on_with_the_next_flow_like_it<S: Store>(store: S) {
    let subject = Subject::new(store, "a flow goes on with the login of the last one like it");
    let (who, now) = (Someone::new(), present());
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    subject.same(first.binding.login, Some(first.id));
    subject.swap_done(cancel(&first, now), now).await;
    let second = subject.open_new(who.flow(&bank(), now), now).await;
    subject.swap_done(approve(&second, now).record, now).await;
    let third = subject.open_new(who.flow(&bank(), now), now).await;
    for next in [second, third] {
        subject.same(next.binding.login, Some(first.id));
        subject.same(name(&next), name(&first));
    }
    let once = subject.open_new(who.flow(&bank().single_use(), now), now).await;
    subject.same(once.binding.login, Some(once.id));
}

/// No session shares the login of another, or of another user.
pub async fn a_login_is_of_one_session<S: Store>(store: S) {
    let subject = Subject::new(store, "a login is that of one user in one session");
    let (who, now) = (Someone::new(), present());
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    for other in [who.in_another_session(), who.with_another_user()] {
        let other = subject.open_new(other.flow(&bank(), now), now).await;
        subject.same(other.binding.login, Some(other.id));
        subject.holds(name(&other) != name(&first));
    }
}

/// A message sent again after a rotation is one of the same login; who still knows the id of before
/// does not share it.
pub async fn a_rebound_login_keeps_its_name<S: Store>(store: S) {
    let subject = Subject::new(store, "a login keeps its name in the session it is rebound to");
    let (who, now) = (Someone::new(), present());
    let after = who.in_another_session();
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    subject.ok(subject.store.rebind(&who.session, &after.session, &who.auth_id).await);
    let rebound = subject.flow(&after, &first.id).await;
    subject.same(rebound.as_ref().map(name), Some(name(&first)));

    let stale = subject.open_new(who.flow(&bank(), now), now).await;
    subject.holds(name(&stale) != name(&first));
    let Some(rebound) = rebound else { return };
    subject.swap_done(cancel(&rebound, now), now).await;
    let next = subject.open_new(after.flow(&bank(), now), now).await;
    subject.same(name(&next), name(&first));
}

/// An approval that was asked for before a revocation is none for what comes after.
pub async fn a_revoked_login_is_not_gone_on_with<S: Store>(store: S) {
    let subject = Subject::new(store, "no flow goes on with a login that was revoked");
    let (who, now) = (Someone::new(), present());
    let first = subject.open_new(who.flow(&bank(), now), now).await;
    subject.ok(subject.store.revoke_session(&who.session).await);
    let second = subject.open_new(who.flow(&bank(), now), now).await;
    subject.holds(name(&second) != name(&first));
    subject.ok(subject.store.revoke_user(&who.auth_id).await);
    let third = subject.open_new(who.flow(&bank(), now), now).await;
    subject.holds(name(&third) != name(&second));
}

fn name(flow: &FlowRecord) -> String {
    flow.binding.name().to_string()
}
