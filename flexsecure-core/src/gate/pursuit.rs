use std::sync::Arc;

use super::access::{Admitted, Asked, undecided};
use super::client::Client;
use super::engine::LOG;
use super::{Applied, Ask, Gate, Pass, Verdict};
use crate::Identity;
use crate::audit::Kind;
use crate::policy::{Decision, Defect, OwnedFacts, Policy, Proofs, Undecided};
use crate::refusal::{Details, Problem};

/// A request about which nothing can be said without waiting.
#[derive(Debug)]
pub(super) struct Pursuit {
    pub(super) gate: Gate,
    pub(super) identity: Identity,
    pub(super) client: Client,
    pub(super) decision: Decision<'static>,
}

/// A policy to ask once more when a wait is over, and what it is to be asked about.
pub(super) type Again = (Arc<dyn Policy>, OwnedFacts);

impl Pursuit {
    /// What has to be proved, once the policy has decided, or what becomes of the request without.
    async fn settled(self: Box<Self>, again: Option<Again>) -> Result<Box<Asked>, Verdict> {
        let Self { gate, identity, client, decision } = *self;
        let refuse = |details: Details| {
            let event = gate.0.event(Kind::Refused(details.problem())).of(Some(&identity));
            gate.0.audit.record(&event.at_address(client.origin.ip));
            Verdict::Refuse(details.way(client.way.clone()).refuse(client.format, &gate.0.site))
        };
        Err(match settle(decision).await {
            Ok(Settled::Prove(proofs)) => {
                return Ok(Box::new(Asked { identity, client, proofs, again }));
            }
            Ok(Settled::Open) => Verdict::Pass(Pass::Open),
            Ok(Settled::OnDemand) => {
                Verdict::Pass(Pass::OnDemand(Ask::new(gate, identity, client)))
            }
            Ok(Settled::Denied) => refuse(Details::of(Problem::Denied)),
            Ok(Settled::Refused(defect)) => refuse(Details::defect(defect)),
            Err(_) => refuse(undecided()),
        })
    }

    pub(super) async fn verdict(self: Box<Self>, again: Option<Again>) -> Verdict {
        let gate = self.gate.clone();
        let asked = match self.settled(again).await {
            Ok(asked) => asked,
            Err(verdict) => return verdict,
        };
        match gate.0.admit(asked).await {
            Ok(Admitted { elevated, held: None }) => Verdict::Pass(Pass::Elevated(elevated)),
            Ok(Admitted { elevated, held }) => {
                let applied = Applied::default();
                applied.note(held);
                Verdict::Pass(Pass::Held(elevated, applied))
            }
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }
}

/// What a decision has come to.
#[derive(Debug)]
pub(super) enum Settled {
    Open,
    OnDemand,
    Prove(Proofs),
    Denied,
    Refused(Defect),
}

/// Waits for a decision that is late, for as long as it may be.
pub(super) async fn settle(decision: Decision<'static>) -> Result<Settled, Undecided> {
    let decision = match decision.made() {
        Ok(decision) => decision,
        Err(later) => later.decided().await.inspect_err(|undecided| {
            let cause: &dyn std::error::Error = undecided;
            let cause = cause.source().unwrap_or(cause);
            tracing::error!(target: LOG, %cause, "a policy came to no decision");
        })?,
    };
    Ok(match decision {
        Decision::Allow => Settled::Open,
        Decision::OnDemand => Settled::OnDemand,
        Decision::Require(requirement) => Settled::Prove(requirement.into_owned().into()),
        Decision::Prove(proofs) if proofs.is_impossible() => Settled::Denied,
        Decision::Prove(proofs) => Settled::Prove(proofs.into_owned()),
        Decision::Refuse(defect) => Settled::Refused(defect),
        Decision::Deny | Decision::Abstain | Decision::Later(_) => Settled::Denied,
    })
}
