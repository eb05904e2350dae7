//! The one thing an adapter calls: it answers each request with a pass or a finished refusal.
//!
//! | file | role |
//! | --- | --- |
//! | `mod` | the gate, and the hit path |
//! | `access` | the slow path: open a flow, start it, hold or refuse |
//! | `ask` | the same from within a handler |
//! | `endpoints` | the flow endpoints |
//! | `errands` | calls to the authority, each in a task of its own |
//! | `engine` | read, step, swap |
//! | `hub` | who waits for which flow on this node |
//! | `client` | what the gate reads from a request |
//! | `builder` | how a gate is put together |

mod access;
mod ask;
mod builder;
mod client;
mod endpoints;
mod engine;
mod errands;
mod hub;
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

use self::access::Admitted;
use self::client::{Client, format};
use self::engine::Engine;
use crate::refusal::{Details, Format, Problem, Reason};
use crate::store::{Peek, StoreError};
use crate::{
    Authority, Decision, Elevated, Identity, Policy, Refusal, RequestView, Requirement, SessionKey,
};

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
}

impl Pass {
    /// What the response to a request that passes so has to say in addition.
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        match self {
            Self::Open | Self::Elevated(_) => None,
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
        policy: &dyn Policy,
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
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> Check {
        let Some(identity) = identity else {
            return Check::Done(Verdict::Refuse(refuse(Problem::IdentificationRequired, request)));
        };
        let requirement = match policy.decide(request, identity) {
            Decision::Allow => return Check::Done(Verdict::Pass(Pass::Open)),
            Decision::OnDemand => {
                let ask = Ask::new(self, request, identity);
                return Check::Done(Verdict::Pass(Pass::OnDemand(ask)));
            }
            Decision::Deny => {
                return Check::Done(Verdict::Refuse(refuse(Problem::Denied, request)));
            }
            Decision::Require(requirement) => requirement,
        };
        if let Some(elevated) = self.hit(identity, &requirement) {
            return Check::Done(Verdict::Pass(Pass::Elevated(elevated)));
        }
        let client = Client::read(request, &self.0.trusted);
        let (engine, identity) = (Arc::clone(&self.0), identity.clone());
        let requirement = requirement.into_owned();
        Check::Pending(Pending(Box::pin(async move {
            match engine.admit(identity, client, requirement).await {
                Ok(Admitted { elevated, held: None }) => Verdict::Pass(Pass::Elevated(elevated)),
                Ok(Admitted { elevated, held }) => {
                    let applied = Applied::default();
                    applied.note(held);
                    Verdict::Pass(Pass::Held(elevated, applied))
                }
                Err(refusal) => Verdict::Refuse(refusal),
            }
        })))
    }

    /// What is good for one request has to be taken from the store, so it is never a hit.
    fn hit(&self, identity: &Identity, requirement: &Requirement) -> Option<Elevated> {
        if requirement.scope().single_use() {
            return None;
        }
        let Peek::Known(Some(held)) = self.0.store.peek(identity.session()) else {
            return None;
        };
        let index = held.judge(identity.auth_id(), requirement, self.0.now()).ok()?;
        Some(Elevated::new(held, index))
    }

    /// Whether `requirement` would take a proof now, and why; nothing is sent or used up.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with if the store fails.
    pub async fn probe(
        &self,
        identity: &Identity,
        requirement: &Requirement,
    ) -> Result<Option<Reason>, Refusal> {
        let found = self.0.look(identity, requirement).await;
        found.map(Result::err).map_err(|details| details.refuse(Format::Json))
    }

    /// Forgets what the session named `session_id` holds, flows included: call it at logout.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; the session may then still hold all of it.
    pub async fn revoke_session(&self, session_id: &str) -> Result<(), StoreError> {
        self.0.store.revoke_session(&SessionKey::of(session_id)).await
    }

    /// Forgets what the user `auth_id` holds, in every session: call it when their credentials
    /// change.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; the user may then still hold all of it.
    pub async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.0.store.revoke_user(auth_id).await
    }

    /// Ends all waiting, so that a server can drain; flows live on in the store.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// The path under which a client reaches the flow endpoints.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }
}

fn refuse(problem: Problem, request: &dyn RequestView) -> Refusal {
    Details::of(problem).refuse(format(request))
}

impl Refusal {
    /// Nobody is logged in, in the form that the client of `request` understands.
    #[must_use]
    pub fn identification_required(request: &dyn RequestView) -> Self {
        refuse(Problem::IdentificationRequired, request)
    }

    /// No proof would do, in the form that the client of `request` understands.
    #[must_use]
    pub fn denied(request: &dyn RequestView) -> Self {
        refuse(Problem::Denied, request)
    }
}
