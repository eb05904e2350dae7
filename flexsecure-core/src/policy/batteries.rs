//! Conditions and rules that many apps need; each says what it cannot tell.

use std::sync::Arc;
use std::time::Duration;

use super::{Decision, Facts, Later, Networks, OwnedFacts, Policy, Undecided};
use crate::{Requirement, Timestamp};

/// Holds for requests from `networks`: those of an office, say.
///
/// An address says where a connection comes from, not who uses it: everybody behind the office's
/// router has it, the guest network too, and so has whoever got into a machine there. It is a reason
/// to relax a little, not to trust. A request whose address is not known is from none of them.
///
/// ```
/// use std::time::Duration;
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Networks, Rules, within};
/// # fn rules() -> Result<Rules, Box<dyn std::error::Error>> {
/// let bank = || Requirement::system("bank");
/// let office = Networks::parse(["192.0.2.0/24", "2001:db8:7::/48"])?;
/// let policy = Rules::floor(bank().within(Duration::from_secs(300)))
///     .relax_when("in the office", within(office), bank().within(Duration::from_secs(3600)));
/// # Ok(policy)
/// # }
/// ```
pub fn within(networks: Networks) -> impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static {
    move |facts| facts.address().is_some_and(|address| networks.contain(address))
}

/// Holds for requests from anywhere but `networks`; one whose address is not known is from elsewhere.
pub fn outside(networks: Networks) -> impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static {
    let within = within(networks);
    move |facts| !within(facts)
}

/// A rule that takes a proof for `system` which was asked for from the network the request comes from:
/// who has moved since proves again.
///
/// See [`Network::of`](super::Network::of) for what counts as one network. Phones move between networks
/// all day, and neighbours share one: this notices a session that is used from far away, not the thief
/// in the same café. Where the address is not known, nothing does.
#[must_use]
pub fn same_network(system: &str) -> impl Policy {
    let any = any_proof(system);
    move |facts: &Facts<'_>| match facts.network() {
        Some(network) => Decision::require(any.clone().from_network(network)),
        None => Decision::Deny,
    }
}

/// A rule that takes a proof for `system` which was given since `changed`: the time at which the app
/// last changed the user's password, factors or roles, which is also called their security stamp.
///
/// `changed` runs on each request, so it should read what is at hand, like a claim of the session; a
/// database is asked in an [`asynchronous`](super::asynchronous) rule, or told to
/// [`Gate::revoke_user_before`](crate::Gate::revoke_user_before) when it happens. A time in the
/// future is one that no proof does for; the clocks of app and gate should agree.
pub fn since(
    system: &str,
    changed: impl Fn(&Facts<'_>) -> Option<Timestamp> + Send + Sync + 'static,
) -> impl Policy {
    let any = any_proof(system);
    move |facts: &Facts<'_>| match changed(facts) {
        Some(moment) => Decision::require(any.clone().since(moment)),
        None => Decision::Abstain,
    }
}

/// The rule `then`, for users of whom at least `count` flows were declined, refused, or ended by too
/// many wrong PINs in the time `within`, of which the [last hour](crate::store::REFUSALS_WINDOW) is
/// known.
///
/// It asks the store. Somebody else who is logged in as the user, or knows their password, can cause
/// refusals too: that is what it is for, but also why it should ask for more rather than lock out.
pub fn after_refusals(count: u32, within: Duration, then: impl Policy) -> AfterRefusals {
    AfterRefusals { count, within, then: Arc::new(then) }
}

/// A rule for users of whom flows were refused lately; made by [`after_refusals`].
#[derive(Clone)]
#[must_use]
pub struct AfterRefusals {
    count: u32,
    within: Duration,
    then: Arc<dyn Policy>,
}

impl AfterRefusals {
    async fn decided(self, facts: OwnedFacts) -> Result<Decision<'static>, Undecided> {
        let refusals = facts.refusals(self.within).await.map_err(Undecided::because)?;
        if refusals < self.count {
            return Ok(Decision::Abstain);
        }
        let decision = self.then.decide(&facts.facts()).into_owned();
        match decision.made() {
            Ok(decision) => Ok(decision),
            Err(later) => later.decided().await,
        }
    }
}

impl Policy for AfterRefusals {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        Decision::Later(Later::new(self.clone().decided(facts.to_owned())))
    }

    fn reads_body(&self) -> bool {
        self.then.reads_body()
    }
}

impl std::fmt::Debug for AfterRefusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, within, .. } = self;
        f.debug_struct("AfterRefusals")
            .field("count", count)
            .field("within", within)
            .finish_non_exhaustive()
    }
}

/// What adds nothing to another requirement for the same system.
fn any_proof(system: &str) -> Requirement {
    Requirement::system(system).within(Requirement::LONGEST_MAX_AGE)
}
