use std::net::IpAddr;
use std::sync::Arc;

use crate::flow::FlowId;
use crate::policy::Network;
use crate::refusal::Reason;
use crate::{Method, Operation, Requirement, Scope, Timestamp};

/// What a session holds after an authenticated flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elevation {
    pub(crate) scope: Scope,
    pub(crate) method: Method,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) flow: FlowId,
    pub(crate) address: Option<IpAddr>,
    pub(crate) spent: bool,
}

impl Elevation {
    /// The system the user authenticated for.
    #[must_use]
    pub fn system(&self) -> &str {
        self.scope.system()
    }

    /// The method by which they did.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// When the authority's answer came.
    #[must_use]
    pub const fn authenticated_at(&self) -> Timestamp {
        self.authenticated_at
    }

    /// The operation they approved, if it was bound to one.
    #[must_use]
    pub const fn operation(&self) -> Option<&Operation> {
        self.scope.operation()
    }

    /// What it is good for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The flow that led to it.
    #[must_use]
    pub const fn flow(&self) -> &FlowId {
        &self.flow
    }

    /// The client's address when the flow was opened, where it is known.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether the one request it was good for has been let through.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.spent
    }

    /// Marks it as used up.
    pub fn spend(&mut self) {
        self.spent = true;
    }

    /// Whether no requirement can be satisfied by it any more, by age.
    #[must_use]
    pub fn is_outlived(&self, now: Timestamp) -> bool {
        !self.is_younger_than(LONGEST_MAX_AGE, now)
    }

    fn is_from(&self, network: Network) -> bool {
        self.address.is_some_and(|address| network.contains(address))
    }

    /// A time ahead of ours by more than the skew allowed between nodes counts as too old: a clock
    /// set back must not prolong an elevation.
    const fn is_younger_than(&self, max_age_millis: u64, now: Timestamp) -> bool {
        self.authenticated_at.millis_since(now) <= CLOCK_SKEW
            && now.millis_since(self.authenticated_at) < max_age_millis
    }
}

/// All that one session holds: an immutable picture, replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elevations {
    auth_id: Arc<str>,
    list: Vec<Elevation>,
}

impl Elevations {
    /// Nothing yet, for the user `auth_id`.
    #[must_use]
    pub fn none(auth_id: Arc<str>) -> Self {
        Self { auth_id, list: Vec::new() }
    }

    /// The user they belong to.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.auth_id
    }

    /// All of them, the newest last.
    #[must_use]
    pub fn list(&self) -> &[Elevation] {
        &self.list
    }

    /// Adds `elevation` in the place of one for the same scope; adding one of the same flow again
    /// changes nothing, so that a repeated write cannot bring a spent one back.
    pub fn grant(&mut self, elevation: Elevation) {
        if self.list.iter().any(|held| held.flow == elevation.flow) {
            return;
        }
        self.list.retain(|held| held.scope != elevation.scope);
        self.list.push(elevation);
    }

    /// Spends the elevation of `flow`, and tells whether it was there to spend.
    pub fn spend(&mut self, flow: &FlowId) -> bool {
        let unspent = self.list.iter_mut().find(|held| held.flow == *flow && !held.spent);
        unspent.map(Elevation::spend).is_some()
    }

    /// Drops what [is outlived](Elevation::is_outlived), and tells whether anything is left.
    pub fn retain_useful(&mut self, now: Timestamp) -> bool {
        self.list.retain(|held| !held.is_outlived(now));
        !self.list.is_empty()
    }

    /// Where in the list an elevation of `auth_id` satisfies `requirement`, or why none does.
    pub(crate) fn judge(
        &self,
        auth_id: &str,
        requirement: &Requirement,
        now: Timestamp,
    ) -> Result<usize, Reason> {
        if *self.auth_id != *auth_id {
            return Err(Reason::Missing);
        }
        let mut numbered = self.list.iter().enumerate();
        let found = numbered.find(|(_, held)| held.scope == *requirement.scope());
        let Some((index, held)) = found else {
            return Err(self.why_none_matches(requirement, now));
        };
        if held.spent {
            Err(Reason::Spent)
        } else if !held.is_younger_than(requirement.max_age_millis(), now)
            || held.authenticated_at < requirement.given_since()
        {
            Err(Reason::Stale)
        } else if !requirement.methods().accept(held.method) {
            Err(Reason::Method)
        } else if requirement.network().is_some_and(|network| !held.is_from(network)) {
            Err(Reason::Network)
        } else {
            Ok(index)
        }
    }

    #[cold]
    fn why_none_matches(&self, requirement: &Requirement, now: Timestamp) -> Reason {
        let scope = requirement.scope();
        let same_system = |held: &Elevation| {
            held.scope.system == scope.system
                && !held.spent
                && held.is_younger_than(requirement.max_age_millis(), now)
        };
        let is_other = scope.operation.is_some() && self.list.iter().any(same_system);
        if is_other { Reason::Operation } else { Reason::Missing }
    }
}

/// Proof that the request came through the gate: the elevation it was let through with.
#[derive(Clone, Debug)]
pub struct Elevated {
    elevations: Arc<Elevations>,
    index: usize,
}

impl Elevated {
    pub(crate) const fn new(elevations: Arc<Elevations>, index: usize) -> Self {
        Self { elevations, index }
    }
}

impl std::ops::Deref for Elevated {
    type Target = Elevation;

    #[expect(clippy::indexing_slicing, reason = "`judge` found the index in this very list")]
    fn deref(&self) -> &Elevation {
        &self.elevations.list[self.index]
    }
}

/// How far the clocks of two nodes may differ, in milliseconds.
const CLOCK_SKEW: u64 = 2000;

/// In milliseconds.
const LONGEST_MAX_AGE: u64 = Requirement::LONGEST_MAX_AGE.as_secs() * 1000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn bank() -> Requirement {
        Requirement::system("bank").within(Duration::from_secs(300))
    }

    fn transfer() -> Requirement {
        bank().operation(Operation::new("Transfer 250.00 EUR to bob"))
    }

    fn elevation(requirement: &Requirement, flow: u128) -> Elevation {
        Elevation {
            scope: requirement.scope().clone(),
            method: Method::Passwordless,
            authenticated_at: NOW,
            flow: FlowId::from_bits(flow),
            address: None,
            spent: false,
        }
    }

    fn holding(granted: impl IntoIterator<Item = Elevation>) -> Elevations {
        let mut held = Elevations::none("bob".into());
        granted.into_iter().for_each(|elevation| held.grant(elevation));
        held
    }

    fn judge(held: &Elevations, requirement: &Requirement, millis_later: u64) -> Option<Reason> {
        let now = NOW.after(Duration::from_millis(millis_later));
        held.judge("bob", requirement, now).err()
    }

    #[test]
    fn elevation_is_good_until_its_age_is_the_maximal_one() {
        let held = holding([elevation(&bank(), 1)]);
        assert_eq!(judge(&held, &bank(), 0), None);
        assert_eq!(judge(&held, &bank(), 299_999), None);
        assert_eq!(judge(&held, &bank(), 300_000), Some(Reason::Stale));
    }

    #[test]
    fn clock_set_back_prolongs_nothing() {
        let held = holding([elevation(&bank(), 1)]);
        let before = |millis| Timestamp::from_millis(NOW.as_millis().saturating_sub(millis));
        assert_eq!(held.judge("bob", &bank(), before(2_000)), Ok(0));
        assert_eq!(held.judge("bob", &bank(), before(2_001)), Err(Reason::Stale));
    }

    #[test]
    fn elevation_is_good_for_its_user_system_operation_and_use_alone() {
        let held = holding([elevation(&bank(), 1)]);
        assert_eq!(held.judge("eve", &bank(), NOW), Err(Reason::Missing));
        assert_eq!(judge(&held, &Requirement::system("vault"), 0), Some(Reason::Missing));
        assert_eq!(judge(&held, &bank().single_use(), 0), Some(Reason::Missing));
        assert_eq!(judge(&held, &transfer(), 0), Some(Reason::Operation));
        let other = bank().operation(Operation::new("Transfer 2500.00 EUR to eve"));
        let held = holding([elevation(&transfer(), 1)]);
        assert_eq!(judge(&held, &other, 0), Some(Reason::Operation));
        assert_eq!(judge(&held, &other, 300_000), Some(Reason::Missing));
        assert_eq!(judge(&held, &bank(), 0), Some(Reason::Missing));
        assert_eq!(judge(&held, &transfer(), 0), None);
    }

    #[test]
    fn only_an_accepted_method_will_do() {
        let held = holding([elevation(&bank(), 1)]);
        assert_eq!(judge(&held, &bank().pin(), 0), Some(Reason::Method));
        assert_eq!(judge(&held, &bank().passwordless(), 0), None);
    }

    #[test]
    fn elevation_is_good_in_the_network_that_it_was_asked_for_from() {
        let home = bank().from_network("192.0.2.0/24".parse().unwrap());
        let granted = |address: Option<&str>| {
            let address = address.map(|address| address.parse().unwrap());
            holding([Elevation { address, ..elevation(&bank(), 1) }])
        };
        assert_eq!(judge(&granted(Some("192.0.2.7")), &home, 0), None);
        assert_eq!(judge(&granted(Some("::ffff:192.0.2.7")), &home, 0), None);
        assert_eq!(judge(&granted(Some("192.0.3.7")), &home, 0), Some(Reason::Network));
        assert_eq!(judge(&granted(None), &home, 0), Some(Reason::Network));
    }

    #[test]
    fn elevation_is_spent_once_and_not_brought_back_by_a_repeated_grant() {
        let requirement = bank().single_use();
        let mut held = holding([elevation(&requirement, 1)]);
        assert!(held.spend(&FlowId::from_bits(1)));
        assert!(!held.spend(&FlowId::from_bits(1)));
        assert!(!held.spend(&FlowId::from_bits(2)));
        held.grant(elevation(&requirement, 1));
        assert_eq!(judge(&held, &requirement, 0), Some(Reason::Spent));
        held.grant(elevation(&requirement, 2));
        assert_eq!(judge(&held, &requirement, 0), None);
        assert_eq!(held.list().len(), 1);
    }

    #[test]
    fn outlived_elevations_are_dropped() {
        let mut held = holding([elevation(&bank(), 1), elevation(&transfer(), 2)]);
        assert_eq!(held.list().len(), 2);
        assert!(held.retain_useful(NOW.after(Duration::from_secs(3599))));
        assert!(!held.retain_useful(NOW.after(Duration::from_secs(3600))));
        assert!(held.list().is_empty());
    }
}
