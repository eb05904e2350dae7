//! What proof a request takes, decided while it runs.
//!
#![doc = include_str!("guide.md")]
//!
//! | file | role |
//! | --- | --- |
//! | `mod` | the trait, and the simplest policies |
//! | `decision` | what a policy says |
//! | `proofs` | several requirements: any of them, all of them |
//! | `rules` | a floor, and rules that raise or relax it |
//! | `later` | policies that have to ask somebody |
//! | `facts` | what a policy may know |
//! | `batteries`, `limit`, `hours` | conditions and rules that many apps need |
//! | `annotate` | a policy that is watched before it is enforced |
//! | `network` | addresses, networks and the proxies that forward for others |
//! | `operation` | requirements bound to what a request is about to do |
//! | `bodiless` | a policy that misses the body it needs |
//! | `note` | what is told of a decision |
//! | `cedar` | rules from a file that is changed while the app runs (feature `cedar`) |

mod annotate;
mod batteries;
mod bodiless;
#[cfg(feature = "cedar")]
pub mod cedar;
mod decision;
mod facts;
#[cfg(feature = "hours")]
mod hours;
mod later;
mod limit;
mod network;
mod note;
mod operation;
mod proofs;
mod rules;
#[cfg(test)]
mod tests;

pub use self::annotate::Annotate;
pub use self::batteries::{AfterRefusals, after_refusals, outside, same_network, since, within};
pub use self::bodiless::without_body;
pub use self::decision::{Decision, Defect};
pub use self::facts::{Facts, OwnedFacts};
#[cfg(feature = "hours")]
pub use self::hours::{Hours, HoursError};
pub use self::later::{Asynchronous, Later, Undecided, asynchronous};
pub use self::limit::{Above, Field, above};
pub use self::network::{Network, Networks, NotANetwork};
pub use self::note::{Finding, Verb};
pub use self::operation::{
    OperationSource, OperationTemplate, PerOperation, TemplateBuilder, TemplateError,
};
pub use self::proofs::{Proofs, all_of, any_of};
pub use self::rules::Rules;
#[cfg(feature = "hours")]
pub use jiff::civil::Weekday;

pub(crate) use self::facts::LOG;
pub(crate) use self::note::Notes;

use std::borrow::Cow;

use crate::{RequestView, Requirement};

/// Decides, per request, what proof it takes.
///
/// A [`Requirement`] is the policy that always asks the same, and [`any_of`] and [`all_of`] several
/// of them. A closure decides in real time; [`Rules`] raise or relax a floor by several policies,
/// each with a name; [`asynchronous`] ones may ask a database or a risk service.
///
/// ```
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Decision, Facts};
///
/// let policy = |facts: &Facts<'_>| match facts.method() {
///     "GET" | "HEAD" => Decision::Allow,
///     "DELETE" => Decision::require(Requirement::system("bank-admin").pin()),
///     _ => Decision::require(Requirement::system("bank")),
/// };
/// # fn is_policy(_: impl flexsecure_core::Policy) {}
/// # is_policy(policy);
/// ```
pub trait Policy: Send + Sync + 'static {
    /// The decision about the request that `facts` tell of.
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p>;

    /// The requirement, if it is the same for every request; the gate then need not ask further.
    fn fixed(&self) -> Option<&Requirement> {
        None
    }

    /// Whether it has to know the request's body.
    ///
    /// Such a policy belongs into a layer that reads it; without the body it should
    /// [abstain](Decision::Abstain), by which the request is denied.
    fn reads_body(&self) -> bool {
        false
    }

    /// Whether `request` is open to everybody, logged in or not; it is asked only about requests
    /// that have no identity.
    fn admits_anyone(&self, request: &dyn RequestView) -> bool {
        let _ = request;
        false
    }

    /// Whether the request is kept from passing by what is decided; otherwise that is only told.
    fn enforces(&self) -> bool {
        true
    }
}

impl Policy for Requirement {
    fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
        Decision::Require(Cow::Borrowed(self))
    }

    fn fixed(&self) -> Option<&Requirement> {
        Some(self)
    }
}

/// The policy that leaves it to the handler to [ask](crate::Ask).
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct OnDemand;

impl Policy for OnDemand {
    fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
        Decision::OnDemand
    }
}

impl<F> Policy for F
where
    F: Fn(&Facts<'_>) -> Decision<'static> + Send + Sync + 'static,
{
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        self(facts)
    }
}
