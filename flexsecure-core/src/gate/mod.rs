//! The one thing an adapter calls: it answers each request with a pass or a finished refusal.
//!
//! | file | role |
//! | --- | --- |
//! | `mod` | the gate, and the hit path |
//! | `pursuit` | a decision that takes a wait |
//! | `reading` | what comes before a policy that needs the body |
//! | `access` | the slow path: open a flow, start it, hold or refuse |
//! | `ask` | the same from within a handler |
//! | `explain` | why a request would pass or not |
//! | `endpoints` | the flow endpoints |
//! | `errands` | calls to the authority, each in a task of its own |
//! | `engine` | read, step, swap |
//! | `hub` | who waits for which flow on this node |
//! | `interleavings` | the same, raced |
//! | `holds` | requests that wait, and how many may |
//! | `lifecycle` | sessions that end or get another id |
//! | `client` | what the gate reads from a request |
//! | `builder` | how a gate is put together |

mod access;
mod ask;
mod builder;
mod client;
mod endpoints;
mod engine;
mod errands;
mod explain;
mod holds;
mod hub;
#[cfg(shuttle)]
pub mod interleavings;
mod lifecycle;
mod pursuit;
mod reading;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

pub use self::ask::Ask;
pub use self::builder::{BuildError, GateBuilder};
pub use self::endpoints::{FlowBody, FlowRequest};
pub use self::explain::{Explanation, Proof};
pub use self::reading::{BodyReading, Unread};

pub(crate) use self::engine::Engine;

use self::access::store_unavailable;
use self::client::{Client, format};
use self::explain::Foreseen;
use self::pursuit::Pursuit;
use crate::audit::Kind;
use crate::policy::{Decision, Facts, Policy, Proofs};
use crate::refusal::{Details, Format, Problem, Reason};
use crate::store::Peek;
use crate::{Authority, Elevated, Identity, Refusal, RequestView, Requirement};

/// Decides which requests pass; owns flows, store and authority. Cheap to clone.
///
/// Calls have to be made inside a tokio runtime: a flow runs in tasks of its own.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Engine>);

/// A decision, or the future of one.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an answer is there or it is not")]
#[must_use]
pub enum Check {
    /// The answer: on the hit path it is there at once.
    Done(Verdict),
    /// The answer takes a store, an authority, or a wait.
    Pending(Pending),
}

/// What becomes of a request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a request passes or it does not")]
#[must_use]
pub enum Verdict {
    /// It goes on.
    Pass(Pass),
    /// It is answered instead.
    Refuse(Refusal),
}

/// What a request that goes on takes along.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to hand each of them on")]
pub enum Pass {
    /// Nothing: no proof was needed.
    Open,
    /// The elevation that let it through.
    Elevated(Elevated),
    /// The same, after the request was held as its client preferred.
    Held(Elevated, Applied),
    /// The means to ask for one.
    OnDemand(Ask),
    /// What would have been refused, if the policy were enforced.
    Annotated(WouldRefuse),
}

/// A request behind an [annotating](crate::policy::Annotate) layer would have been refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldRefuse(Problem);

impl WouldRefuse {
    /// Why.
    #[must_use]
    pub const fn problem(self) -> Problem {
        self.0
    }
}

impl Pass {
    /// What the response to a request that passes so has to say in addition.
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        match self {
            Self::Open | Self::Elevated(_) | Self::Annotated(_) => None,
            Self::Held(_, applied) => Some(applied.clone()),
            Self::OnDemand(ask) => ask.applied(),
        }
    }
}

/// Which preference of a client was followed (RFC 7240, section 3); known once there is a response.
#[derive(Clone, Debug, Default)]
pub struct Applied(Arc<OnceLock<Duration>>);

impl Applied {
    /// The header for the response, name and value.
    #[must_use]
    pub fn header(&self) -> Option<(&'static str, String)> {
        self.0.get().map(|held| ("preference-applied", format!("wait={}", held.as_secs())))
    }

    fn note(&self, held: Option<Duration>) {
        if let Some(held) = held {
            // A handler that asks twice has the first time said.
            let _ = self.0.set(held);
        }
    }
}

/// The future of a [`Verdict`].
#[must_use = "futures do nothing unless polled"]
pub struct Pending(Pin<Box<dyn Future<Output = Verdict> + Send>>);

impl Future for Pending {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}

impl Gate {
    /// A gate in front of which `authority` authenticates users.
    pub fn builder(authority: impl Authority) -> GateBuilder {
        GateBuilder::new(authority)
    }

    /// Decides about a request by `policy`.
    ///
    /// A request whose session holds a fresh elevation is decided at once, with one look into the
    /// store and no allocation; everything else is [`Check::Pending`].
    pub fn check(
        &self,
        policy: &Arc<dyn Policy>,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> Check {
        if let (Some(identity), Some(requirement)) = (identity, policy.fixed())
            && let Some(elevated) = self.hit(identity, requirement)
        {
            return Check::Done(Verdict::Pass(Pass::Elevated(elevated)));
        }
        self.consider(policy, request, identity)
    }

    /// Apart from the hit path, which is better off without what this needs to have at hand.
    #[inline(never)]
    fn consider(
        &self,
        policy: &Arc<dyn Policy>,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> Check {
        let engine = &self.0;
        if !policy.enforces() {
            return self.annotate(policy, request, identity);
        }
        let Some(identity) = identity else {
            if policy.admits_anyone(request) {
                return Check::Done(Verdict::Pass(Pass::Open));
            }
            let problem = Problem::IdentificationRequired;
            self.tell(Kind::Refused(problem), request, None, policy.fixed());
            return Check::Done(Verdict::Refuse(self.identification_required(request)));
        };
        let facts = Facts::of(engine, request, identity);
        let decision = policy.decide(&facts);
        if let Some(verdict) = self.at_once(&decision, request, identity) {
            if let Verdict::Refuse(refusal) = &verdict {
                self.tell(Kind::Refused(refusal.problem()), request, Some(identity), None);
            }
            return Check::Done(verdict);
        }
        let client = self.read(request);
        // A policy that is the same for every request is the same when a wait is over.
        let is_asked_again = !client.hold.is_zero() && policy.fixed().is_none();
        let again = is_asked_again.then(|| (Arc::clone(policy), facts.to_owned()));
        let pursuit = Box::new(Pursuit {
            gate: self.clone(),
            identity: identity.clone(),
            client,
            decision: decision.into_owned(),
        });
        Check::Pending(Pending(Box::pin(pursuit.verdict(again))))
    }

    /// What can be said without waiting for anybody.
    fn at_once(
        &self,
        decision: &Decision<'_>,
        request: &dyn RequestView,
        identity: &Identity,
    ) -> Option<Verdict> {
        match decision {
            Decision::Allow => Some(Verdict::Pass(Pass::Open)),
            Decision::OnDemand => {
                let client = self.read(request);
                let ask = Ask::new(self.clone(), identity.clone(), client);
                Some(Verdict::Pass(Pass::OnDemand(ask)))
            }
            Decision::Deny | Decision::Abstain => Some(Verdict::Refuse(self.denied(request))),
            Decision::Refuse(defect) => {
                Some(Verdict::Refuse(self.refuse(Details::defect(defect.clone()), request)))
            }
            Decision::Require(requirement) => {
                self.hit(identity, requirement).map(|it| Verdict::Pass(Pass::Elevated(it)))
            }
            Decision::Prove(proofs) => {
                self.hit_all(identity, proofs).map(|it| Verdict::Pass(Pass::Elevated(it)))
            }
            Decision::Later(_) => None,
        }
    }

    /// Lets every request pass, with what would have become of it.
    fn annotate(
        &self,
        policy: &Arc<dyn Policy>,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> Check {
        let Some(identity) = identity else {
            let problem = Problem::IdentificationRequired;
            if policy.admits_anyone(request) {
                return Check::Done(Verdict::Pass(Pass::Open));
            }
            self.tell(Kind::WouldRefuse(problem), request, None, policy.fixed());
            return Check::Done(Verdict::Pass(Pass::Annotated(WouldRefuse(problem))));
        };
        let decision = policy.decide(&Facts::of(&self.0, request, identity));
        match self.at_once(&decision, request, identity) {
            Some(Verdict::Pass(pass)) => return Check::Done(Verdict::Pass(pass)),
            Some(Verdict::Refuse(refusal)) => {
                let problem = refusal.problem();
                self.tell(Kind::WouldRefuse(problem), request, Some(identity), None);
                return Check::Done(Verdict::Pass(Pass::Annotated(WouldRefuse(problem))));
            }
            None => {}
        }
        let (gate, identity, decision) = (self.clone(), identity.clone(), decision.into_owned());
        let address = self.0.proxies.client(request);
        Check::Pending(Pending(Box::pin(async move {
            Verdict::Pass(match gate.foresee(&identity, decision).await {
                Foreseen::Open => Pass::Open,
                Foreseen::Elevated(elevated) => Pass::Elevated(elevated),
                Foreseen::Refused(problem, wanted) => {
                    let event = gate.0.event(Kind::WouldRefuse(problem)).of(Some(&identity));
                    let event = event.in_scope(wanted.as_ref().map(Requirement::scope));
                    gate.0.audit.record(&event.at_address(address));
                    Pass::Annotated(WouldRefuse(problem))
                }
            })
        })))
    }

    fn tell(
        &self,
        kind: Kind,
        request: &dyn RequestView,
        identity: Option<&Identity>,
        wanted: Option<&Requirement>,
    ) {
        let event = self.0.event(kind).of(identity).in_scope(wanted.map(Requirement::scope));
        self.0.audit.record(&event.at_address(self.0.proxies.client(request)));
    }

    /// What is good for one request has to be taken from the store, so it is never a hit.
    fn hit(&self, identity: &Identity, requirement: &Requirement) -> Option<Elevated> {
        if requirement.scope().single_use() {
            return None;
        }
        let Peek::Known(Some(held)) = self.0.store.peek(identity.session(), identity.auth_id())
        else {
            return None;
        };
        let index = held.judge(identity.auth_id(), requirement, self.0.now()).ok()?;
        Some(Elevated::new(held, index))
    }

    fn hit_all(&self, identity: &Identity, proofs: &Proofs) -> Option<Elevated> {
        let Peek::Known(Some(held)) = self.0.store.peek(identity.session(), identity.auth_id())
        else {
            return None;
        };
        let found = proofs.judge(Some(&held), identity.auth_id(), self.0.now(), 0).ok()?;
        if found.iter().any(|(_, requirement)| requirement.scope().single_use()) {
            return None;
        }
        let first = found.first().map(|(index, _)| *index)?;
        Some(Elevated::new(held, first))
    }

    /// Whether `proofs`, a [`Requirement`] for instance, would take the user's doing now, and why;
    /// nothing is sent or used up. [`Gate::explain`] does the same for a policy.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with if the store fails.
    pub async fn probe(
        &self,
        identity: &Identity,
        proofs: impl Into<Proofs>,
    ) -> Result<Option<Reason>, Refusal> {
        let proofs = proofs.into();
        let held = self.0.store.elevations(identity.session(), identity.auth_id()).await;
        let held =
            held.map_err(|error| store_unavailable(error).refuse(Format::Json, &self.0.site))?;
        let judged = proofs.judge(held.as_deref(), identity.auth_id(), self.0.now(), 0);
        Ok(judged.err().map(|lacking| lacking.map_or(Reason::Missing, |it| it.reason)))
    }

    /// Ends all waiting, so that a server can drain; flows live on in the store.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// The path under which a client reaches the flow endpoints.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.site.prefix
    }

    /// The refusal of somebody who is not logged in, in the form that the client of `request`
    /// understands; for an app that finds out by itself.
    #[must_use]
    pub fn identification_required(&self, request: &dyn RequestView) -> Refusal {
        self.refuse(Details::of(Problem::IdentificationRequired), request)
    }

    /// The refusal of what no proof would let through, likewise. The [trail](crate::audit) does not
    /// have it.
    #[must_use]
    pub fn denied(&self, request: &dyn RequestView) -> Refusal {
        self.refuse(Details::of(Problem::Denied), request)
    }

    fn read(&self, request: &dyn RequestView) -> Client {
        let Engine { site, trusted, proxies, .. } = &*self.0;
        Client::read(request, site, trusted, proxies)
    }

    fn refuse(&self, details: Details, request: &dyn RequestView) -> Refusal {
        details.refuse(format(request, &self.0.site), &self.0.site)
    }
}
