use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Gate;
use super::access::store_unavailable;
use super::pursuit::{Settled, settle};
use crate::policy::{Decision, Facts, Finding, Notes, Policy, Proofs};
use crate::refusal::{Problem, Reason};
use crate::{Elevated, Elevation, Elevations, Identity, RequestView, Requirement};

/// Why a request would pass or not: which rules asked for what, and what the session holds of it.
///
/// It prints as lines of text, for a log or a support desk. Nothing in it is secret, but it is not
/// for the user who is asked either.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// What each rule said, in the order in which they were asked; nothing for a policy without.
    pub findings: Vec<Finding>,
    /// What has to be satisfied, one of these lists as a whole, and how far each is.
    pub proofs: Vec<Vec<Proof>>,
    /// Why the request would be refused, if it would.
    pub refused: Option<Problem>,
}

/// A requirement, and what the session holds of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proof {
    /// What is asked for.
    pub requirement: Requirement,
    /// What the session holds for the same system, operation and use, satisfying or not.
    pub elevation: Option<Elevation>,
    /// Why that does not do, if it does not.
    pub lacking: Option<Reason>,
}

/// What would become of a request.
#[derive(Debug)]
pub(super) enum Foreseen {
    Open,
    Elevated(Elevated),
    /// Why, and what is lacking.
    Refused(Problem, Option<Requirement>),
}

impl Gate {
    /// Says what would become of `request`, and why; nothing is sent or used up.
    ///
    /// So a form can ask for the proof before it is filled in, and an operator why somebody was asked.
    pub fn explain(
        &self,
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> impl Future<Output = Explanation> + Send + use<> {
        let notes = Arc::new(Notes::default());
        let known = identity.map(|identity| {
            let facts = Facts::of(&self.0, request, identity).noting(&notes);
            (identity.clone(), policy.decide(&facts).into_owned())
        });
        let is_open = identity.is_none() && policy.admits_anyone(request);
        let gate = self.clone();
        async move {
            let mut proofs = Vec::new();
            let refused = match known {
                None => (!is_open).then_some(Problem::IdentificationRequired),
                Some((identity, decision)) => {
                    gate.explained(&identity, decision, &mut proofs).await.err()
                }
            };
            Explanation { findings: notes.take(), proofs, refused }
        }
    }

    async fn explained(
        &self,
        identity: &Identity,
        decision: Decision<'static>,
        explained: &mut Vec<Vec<Proof>>,
    ) -> Result<(), Problem> {
        let proofs = match settle(decision).await {
            Ok(Settled::Open | Settled::OnDemand) => return Ok(()),
            Ok(Settled::Denied) => return Err(Problem::Denied),
            Ok(Settled::Refused(defect)) => return Err(defect.problem()),
            Ok(Settled::Prove(proofs)) => proofs,
            Err(_) => return Err(Problem::PolicyUnavailable),
        };
        let held = self.held(identity).await?;
        for alternative in proofs.alternatives() {
            let explain = |requirement| self.proof(held.as_deref(), identity, requirement);
            explained.push(alternative.iter().map(explain).collect());
        }
        self.judged(held, identity, &proofs).map(|_| ()).map_err(|(problem, _)| problem)
    }

    fn proof(
        &self,
        held: Option<&Elevations>,
        identity: &Identity,
        requirement: &Requirement,
    ) -> Proof {
        let judged = held.ok_or(Reason::Missing);
        let judged = judged.and_then(|it| it.judge(identity.auth_id(), requirement, self.0.now()));
        let own = held.filter(|held| held.auth_id() == identity.auth_id());
        let mut list = own.into_iter().flat_map(Elevations::list);
        Proof {
            requirement: requirement.clone(),
            elevation: list.find(|held| held.scope() == requirement.scope()).cloned(),
            lacking: judged.err(),
        }
    }

    /// What would become of a request about which `decision` was made.
    pub(super) async fn foresee(
        &self,
        identity: &Identity,
        decision: Decision<'static>,
    ) -> Foreseen {
        match settle(decision).await {
            Ok(Settled::Open | Settled::OnDemand) => Foreseen::Open,
            Ok(Settled::Denied) => Foreseen::Refused(Problem::Denied, None),
            Ok(Settled::Refused(defect)) => Foreseen::Refused(defect.problem(), None),
            Err(_) => Foreseen::Refused(Problem::PolicyUnavailable, None),
            Ok(Settled::Prove(proofs)) => match self.held(identity).await {
                Ok(held) => self.judged(held, identity, &proofs).map_or_else(
                    |(why, lacking)| Foreseen::Refused(why, lacking),
                    Foreseen::Elevated,
                ),
                Err(problem) => Foreseen::Refused(problem, None),
            },
        }
    }

    async fn held(&self, identity: &Identity) -> Result<Option<Arc<Elevations>>, Problem> {
        let held = self.0.store.elevations(identity.session(), identity.auth_id()).await;
        held.map_err(|error| {
            store_unavailable(error);
            Problem::StoreUnavailable
        })
    }

    fn judged(
        &self,
        held: Option<Arc<Elevations>>,
        identity: &Identity,
        proofs: &Proofs,
    ) -> Result<Elevated, (Problem, Option<Requirement>)> {
        let judged = proofs.judge(held.as_deref(), identity.auth_id(), self.0.now(), 0);
        let first = match judged {
            Ok(found) => found.first().map(|(index, _)| *index),
            Err(lacking) => {
                let reason = lacking.as_ref().map_or(Reason::Missing, |it| it.reason);
                let requirement = lacking.map(|it| it.requirement.clone());
                return Err((Problem::StepUpRequired(reason), requirement));
            }
        };
        let elevated = held.zip(first).map(|(held, index)| Elevated::new(held, index));
        elevated.ok_or((Problem::Denied, None))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refused {
            None => f.write_str("passes")?,
            Some(problem) => write!(f, "refused: {}", problem.name())?,
        }
        if let Some(reason) = self.refused.and_then(Problem::reason) {
            write!(f, " ({})", reason.as_str())?;
        }
        for Finding { rule, verb, asked } in &self.findings {
            let asked = asked.as_deref().unwrap_or("no decision: it failed, or took too long");
            write!(f, "\n  {} {rule:?}: {asked}", verb.as_str())?;
        }
        for (number, alternative) in self.proofs.iter().enumerate() {
            for (index, proof) in alternative.iter().enumerate() {
                let joint = if number > 0 && index == 0 { "or needs" } else { "needs" };
                write!(f, "\n  {joint} {proof}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.requirement)?;
        match (&self.elevation, self.lacking) {
            (Some(held), None) => write!(f, "held, by {}", held.method()),
            (Some(held), Some(lacking)) => {
                write!(f, "held, by {}, but {}", held.method(), lacking.as_str())
            }
            (None, lacking) => f.write_str(lacking.map_or("held", Reason::as_str)),
        }?;
        let Some(held) = &self.elevation else { return Ok(()) };
        write!(f, ", of {:?}", held.authenticated_at())
    }
}
