//! What every [`Store`] must do, for whoever writes one.
//!
//! [`run`] takes a function that makes a store and tries every property on one of its own. They
//! need not be empty, only unknown to each other's sessions and users: names are random, so the
//! stores may all be views of one database. Times begin with the present and go on from there.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use flexsecure_core::{MemoryStore, test_util::acceptance};
//!
//! acceptance::run(async || MemoryStore::new()).await;
//! acceptance::a_full_store_refuses(MemoryStore::with_capacity(20), 20).await;
//! # }
//! ```
//!
//! Run it on a runtime of several threads as well: on one thread, a store that never yields is
//! never raced.
//!
//! # Panics
//!
//! Every property panics if the store does not have it, with a sentence that says which.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "it is how a property fails")]

mod approval;
mod elevations;
mod flows;
mod logins;
mod rebinding;
mod refusals;
mod revocation;
mod starts;
mod swaps;

pub use self::approval::{Approval, approve, begin, cancel};
pub use self::elevations::*;
pub use self::flows::*;
pub use self::logins::*;
pub use self::rebinding::*;
pub use self::refusals::*;
pub use self::revocation::*;
pub use self::starts::*;
pub use self::swaps::*;

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{Binding, FlowRecord, Opened, Peek, Store, StoreError, Swap};
use crate::flow::{Flow, FlowId};
use crate::{
    Clock, Elevation, Elevations, Method, Requirement, SessionKey, SystemClock, Timestamp,
};

/// Tries every property on a store of its own, except [`a_full_store_refuses`].
pub async fn run<S: Store>(make: impl AsyncFn() -> S) {
    a_new_flow_is_kept(make().await).await;
    a_live_flow_is_joined(make().await).await;
    a_flow_is_joined_only_for_the_same_thing(make().await).await;
    an_ended_flow_is_not_joined(make().await).await;
    a_timed_out_flow_is_not_live(make().await).await;
    a_flow_awaiting_its_start_is_live(make().await).await;
    parallel_opens_keep_one_flow(make().await).await;
    a_session_has_so_many_live_flows(make().await).await;
    ended_flows_make_room_in_their_session(make().await).await;
    a_user_has_so_many_live_flows(make().await).await;
    ended_flows_make_room_for_their_user(make().await).await;
    parallel_opens_stay_within_the_limit_of_a_user(make().await).await;
    nobody_else_sees_a_flow(make().await).await;

    a_swap_replaces_the_version_before(make().await).await;
    another_version_conflicts(make().await).await;
    a_flow_that_is_not_there_is_gone(make().await).await;
    parallel_swaps_have_one_winner(make().await).await;

    a_swap_grants(make().await).await;
    a_grant_is_for_its_session_alone(make().await).await;
    a_grant_replaces_its_scope(make().await).await;
    a_repeated_grant_changes_nothing(make().await).await;
    another_user_inherits_nothing(make().await).await;
    an_elevation_is_consumed_once(make().await).await;
    nobody_else_consumes_an_elevation(make().await).await;
    parallel_consumers_have_one_winner(make().await).await;

    a_revoked_session_holds_nothing(make().await).await;
    a_revoked_user_holds_nothing(make().await).await;
    a_revocation_spares_everybody_else(make().await).await;
    a_swap_after_a_revocation_grants_nothing(make().await).await;
    a_revocation_wins_against_parallel_swaps(make().await).await;
    a_revoked_session_can_begin_again(make().await).await;
    what_is_older_than_a_time_is_revoked(make().await).await;
    what_is_older_than_a_time_is_revoked_for_everybody(make().await).await;
    a_flow_opened_before_a_revocation_grants_nothing_after(make().await).await;
    what_is_revoked_counts_for_no_limit(make().await).await;

    a_rebound_session_keeps_what_it_has(make().await).await;
    nothing_is_left_under_the_id_given_up(make().await).await;
    what_another_user_planted_is_dropped(make().await).await;
    a_rebound_session_joins_what_it_had(make().await).await;
    of_two_elevations_for_one_scope_the_later_is_kept(make().await).await;
    an_effect_under_way_arrives_after_a_rebinding(make().await).await;
    a_rebound_flow_is_granted_once(make().await).await;
    a_rebinding_races_swaps_and_loses_nothing(make().await).await;
    a_revocation_wins_against_parallel_rebindings(make().await).await;
    parallel_rebindings_leave_one_holder(make().await).await;
    a_rebinding_to_itself_changes_nothing(make().await).await;

    a_login_goes_on_with_the_next_flow_like_it(make().await).await;
    a_login_is_of_one_session(make().await).await;
    a_rebound_login_keeps_its_name(make().await).await;
    a_revoked_login_is_not_gone_on_with(make().await).await;

    refused_flows_are_counted(make().await).await;
    other_ends_are_no_refusals(make().await).await;
    a_refusal_is_counted_once(make().await).await;
    refusals_survive_a_revocation(make().await).await;

    a_user_has_so_many_starts(make().await).await;
    starts_are_counted_over_a_window(make().await).await;
    parallel_starts_are_all_counted(make().await).await;
    a_login_has_one_holder(make().await).await;
    a_claim_ends_with_its_time(make().await).await;
    a_claim_is_extended_by_its_holder(make().await).await;
    a_claim_is_released_by_its_holder(make().await).await;
    a_refused_start_is_not_counted(make().await).await;
    too_many_starts_claim_nothing(make().await).await;
    parallel_claims_have_one_holder(make().await).await;
}

/// A user in a session, both unknown to any store so far.
#[derive(Clone)]
struct Someone {
    session: SessionKey,
    auth_id: Arc<str>,
}

impl Someone {
    fn new() -> Self {
        let name = random_id().to_string();
        Self { session: SessionKey::of(&name), auth_id: name.into() }
    }

    /// Whose `record` is.
    fn of(record: &FlowRecord) -> Self {
        let Binding { session, auth_id, .. } = &*record.binding;
        Self { session: *session, auth_id: Arc::clone(auth_id) }
    }

    fn in_another_session(&self) -> Self {
        Self { session: Self::new().session, ..self.clone() }
    }

    fn with_another_user(&self) -> Self {
        self.with_user_of(&Self::new())
    }

    fn with_user_of(&self, other: &Self) -> Self {
        Self { auth_id: Arc::clone(&other.auth_id), ..self.clone() }
    }

    fn binding(&self, requirement: &Requirement) -> Arc<Binding> {
        let auth_id = Arc::clone(&self.auth_id);
        Arc::new(Binding::new(self.session, auth_id, requirement.scope().clone()))
    }

    /// A flow that nothing has happened to yet.
    fn flow(&self, requirement: &Requirement, now: Timestamp) -> FlowRecord {
        let flow = Flow::open(now, Method::Passwordless);
        FlowRecord { id: random_id(), version: 0, binding: self.binding(requirement), flow }
    }
}

fn random_id() -> FlowId {
    FlowId::random().unwrap_or_else(|error| panic!("no test without randomness: {error}"))
}

fn bank() -> Requirement {
    Requirement::system("bank")
}

fn present() -> Timestamp {
    SystemClock.now()
}

/// The verbs, with a property that fails where the store does.
struct Subject<S> {
    store: Arc<S>,
    property: &'static str,
}

impl<S> Clone for Subject<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), property: self.property }
    }
}

impl<S: Store> Subject<S> {
    fn new(store: S, property: &'static str) -> Self {
        Self { store: Arc::new(store), property }
    }

    #[track_caller]
    fn holds(&self, condition: bool) {
        assert!(condition, "{}", self.property);
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "most callers have a value to compare with")]
    fn same<T: PartialEq + std::fmt::Debug>(&self, left: T, right: T) {
        assert_eq!(left, right, "{}", self.property);
    }

    fn ok<T>(&self, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| panic!("{}, but {error}", self.property))
    }

    async fn open(&self, new: &FlowRecord, now: Timestamp) -> Opened {
        self.ok(self.store.open(new.clone(), now).await)
    }

    /// Opens a flow that must be new, and gives it back as it is kept.
    async fn open_new(&self, new: FlowRecord, now: Timestamp) -> FlowRecord {
        let Opened::New(kept) = self.open(&new, now).await else {
            panic!("{}, but a new flow was not kept", self.property);
        };
        let login = kept.binding.login;
        self.holds(login.is_some());
        let binding = Arc::new(Binding { login, ..Binding::clone(&new.binding) });
        self.same(&kept, &FlowRecord { binding, ..new });
        kept
    }

    async fn reload(&self, record: &FlowRecord) -> Option<FlowRecord> {
        self.ok(self.store.reload(record).await)
    }

    async fn has_too_many(&self, new: &FlowRecord, now: Timestamp) -> Option<Timestamp> {
        match self.open(new, now).await {
            Opened::TooMany { until } => Some(until),
            Opened::New(_) | Opened::Joined(_) => None,
        }
    }

    async fn is_full(&self, new: FlowRecord, now: Timestamp) -> bool {
        match self.store.open(new, now).await {
            Ok(_) => false,
            Err(StoreError::Full) => true,
            Err(error) => panic!("{}, but {error}", self.property),
        }
    }

    async fn flow(&self, who: &Someone, id: &FlowId) -> Option<FlowRecord> {
        self.ok(self.store.flow(&who.session, &who.auth_id, id).await)
    }

    async fn swap(&self, next: &FlowRecord, grant: Option<&Elevation>, now: Timestamp) -> Swap {
        self.ok(self.store.swap(next.clone(), grant.cloned(), now).await)
    }

    /// Swaps where nothing stands in the way, and gives back what is there now.
    async fn swap_done(&self, next: FlowRecord, now: Timestamp) -> FlowRecord {
        self.same(self.swap(&next, None, now).await, Swap::Done);
        next
    }

    /// Opens a flow for `who`, and lets it be approved.
    async fn elevate(&self, who: &Someone, needs: &Requirement, now: Timestamp) -> Approval {
        let opened = self.open_new(who.flow(needs, now), now).await;
        let approval = approve(&opened, now);
        let swap = self.swap(&approval.record, Some(&approval.elevation), now).await;
        self.same(swap, Swap::Done);
        approval
    }

    /// What a session holds; at once or asked for, it must be the same.
    async fn elevations(&self, who: &Someone) -> Option<Arc<Elevations>> {
        let asked = self.ok(self.store.elevations(&who.session, &who.auth_id).await);
        if let Peek::Known(known) = self.store.peek(&who.session, &who.auth_id) {
            let known = known.filter(|held| *held.auth_id() == *who.auth_id);
            self.same(&known, &asked);
        }
        asked
    }

    async fn held(&self, who: &Someone) -> Vec<Elevation> {
        self.elevations(who).await.map_or_else(Vec::new, |held| held.list().to_vec())
    }

    async fn consume(&self, who: &Someone, flow: &FlowId, now: Timestamp) -> bool {
        self.ok(self.store.consume(&who.session, &who.auth_id, flow, now).await)
    }

    /// Does something many times at once, and gives back what came of each.
    async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        racer: impl Fn(Self, usize) -> F,
    ) -> Vec<T> {
        let line = Arc::new(Barrier::new(RACERS));
        let racers: Vec<_> = (0..RACERS)
            .map(|number| {
                let (line, racer) = (Arc::clone(&line), racer(self.clone(), number));
                tokio::spawn(async move {
                    line.wait().await;
                    racer.await
                })
            })
            .collect();
        let mut outcomes = Vec::with_capacity(RACERS);
        for racer in racers {
            let outcome = racer.await;
            outcomes.push(outcome.unwrap_or_else(|error| panic!("{}, but {error}", self.property)));
        }
        outcomes
    }
}

const RACERS: usize = 64;
