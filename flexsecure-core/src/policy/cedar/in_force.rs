//! Rules that have been read and are fine, and what they say of a request.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Decision as Effect, Policy, PolicyId, PolicySet, Response, ValidationMode,
    Validator,
};
use miette::Diagnostic;

use super::takes::{self, ID};
use super::vocabulary::Vocabulary;
use super::written::{self, Written};
use super::{Fault, RefusedRules, Version};
use crate::policy::{Decision, Facts, Verb};
use crate::{Elevations, Requirement};

pub(super) struct InForce {
    pub(super) version: Version,
    vocabulary: Arc<Vocabulary>,
    policies: PolicySet,
    clauses: HashMap<PolicyId, Clause>,
    /// What a decision without any policy is called.
    nothing: String,
}

/// What is to be known of a policy beyond what Cedar keeps.
#[derive(Debug)]
struct Clause {
    /// Where among the others it stands.
    number: usize,
    /// What it is called where a decision is explained.
    name: String,
    /// What a request takes that it permits.
    requirement: Option<Requirement>,
}

impl InForce {
    /// The rules in `text`, which is from `origin`.
    pub(super) fn read(
        vocabulary: &Arc<Vocabulary>,
        origin: &str,
        text: &str,
    ) -> Result<Self, RefusedRules> {
        let version = Version::of(text.as_bytes());
        let refused = |mut faults: Vec<Fault>| {
            faults.sort();
            // A condition is held against each action, and told to be wrong for each.
            faults.dedup_by_key(|fault| (fault.line, fault.column));
            RefusedRules { origin: origin.to_owned(), faults }
        };
        let policies = PolicySet::from_str(text)
            .map_err(|errors| refused(errors.iter().map(|it| fault(text, it)).collect()))?;
        let validated =
            Validator::new(vocabulary.schema.clone()).validate(&policies, ValidationMode::Strict);
        let mut faults: Vec<Fault> =
            validated.validation_errors().map(|error| fault(text, error)).collect();
        let written = written::policies(text);
        if policies.templates().next().is_some() {
            // Templates come among the policies of a text, but nothing ever links them.
            faults.push(Fault::at(text, 0, "a policy with a slot, like ?principal, never applies"));
        } else if policies.is_empty() {
            faults.push(Fault::at(text, 0, "there is no policy in it"));
        }
        let named = format!("({origin}, version {version})");
        let clauses = clauses(vocabulary, text, &named, &policies, &written, &mut faults);
        if !faults.is_empty() {
            return Err(refused(faults));
        }
        for warning in validated.validation_warnings() {
            tracing::warn!(target: LOG, %version, "{origin}:{}", fault(text, warning));
        }
        let nothing = format!("no policy {named}");
        Ok(Self { version, vocabulary: Arc::clone(vocabulary), policies, clauses, nothing })
    }

    /// How many policies there are.
    pub(super) fn count(&self) -> usize {
        self.clauses.len()
    }

    /// What they say of the request that `facts` tell of, whose session has `held`.
    pub(super) fn decide(
        &self,
        facts: &Facts<'_>,
        held: Option<&Elevations>,
        refusals: Option<u32>,
    ) -> Decision<'static> {
        let request = match self.vocabulary.request(facts, held, refusals) {
            Ok(request) => request,
            Err(unfit) => {
                let cause = chain(&unfit);
                tracing::warn!(target: LOG, version = %self.version, cause, "denied, no rule was asked");
                return self.deny(facts);
            }
        };
        let response =
            Authorizer::new().is_authorized(&request, &self.policies, &self.vocabulary.entities);
        let mut has_failed = false;
        for error in response.diagnostics().errors() {
            has_failed = true;
            let cause = chain(error);
            tracing::error!(target: LOG, version = %self.version, cause, "denied, a rule failed");
        }
        // Cedar leaves out what fails, and it might have been what forbids.
        if has_failed {
            return self.deny(facts);
        }
        let Some(determining) = self.determining(&response) else { return self.deny(facts) };
        match (response.decision(), determining.as_slice()) {
            (_, []) => self.deny(facts),
            (Effect::Deny, forbids) => {
                for clause in forbids {
                    facts.note(&clause.name, Verb::Forbid, &Decision::Deny);
                }
                Decision::Deny
            }
            (Effect::Allow, permits) => permits.iter().fold(Decision::Allow, |all, clause| {
                let takes = clause.requirement.clone().map_or(Decision::Allow, Decision::require);
                facts.note(&clause.name, Verb::Permit, &takes);
                all.and(takes)
            }),
        }
    }

    fn deny(&self, facts: &Facts<'_>) -> Decision<'static> {
        facts.note(&self.nothing, Verb::Forbid, &Decision::Deny);
        Decision::Deny
    }

    /// The policies that made the decision, in the order of the file.
    fn determining(&self, response: &Response) -> Option<Vec<&Clause>> {
        let found = response.diagnostics().reason().map(|id| self.clauses.get(id));
        let mut clauses = found.collect::<Option<Vec<_>>>()?;
        clauses.sort_by_key(|clause| clause.number);
        Some(clauses)
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").field("version", &self.version).finish_non_exhaustive()
    }
}

fn clauses(
    vocabulary: &Vocabulary,
    text: &str,
    named: &str,
    policies: &PolicySet,
    written: &[Written],
    faults: &mut Vec<Fault>,
) -> HashMap<PolicyId, Clause> {
    let mut numbered: Vec<(usize, &Policy)> =
        policies.policies().map(|policy| (number(policy.id()), policy)).collect();
    numbered.sort_by_key(|(number, _)| *number);
    let mut ids = HashSet::new();
    let mut clauses = HashMap::new();
    for (number, policy) in numbered {
        let none = Written::default();
        let place = written.get(number).unwrap_or(&none);
        let id = policy.annotation(ID);
        if let Some(id) = id
            && !ids.insert(id)
        {
            faults.push(Fault::at(text, place.annotation(ID), format!("{id:?} is there already")));
        }
        let requirement = takes::requirement(policy, |name| vocabulary.has_system(name));
        let requirement = requirement.unwrap_or_else(|unclear| {
            faults.push(Fault::at(text, place.annotation(&unclear.key), unclear.message));
            None
        });
        let line = Fault::at(text, place.start, "").line;
        let name = id.map_or_else(|| format!("line {line}"), ToOwned::to_owned);
        let name = format!("{name} {named}");
        clauses.insert(policy.id().clone(), Clause { number, name, requirement });
    }
    clauses
}

/// Cedar numbers the policies of a text, from `policy0`.
fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.strip_prefix("policy").and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

/// What Cedar found wrong in `text`, and where.
fn fault(text: &str, diagnostic: &dyn Diagnostic) -> Fault {
    let label = diagnostic.labels().and_then(|mut labels| labels.next());
    let mut message = diagnostic.to_string();
    // The place says it better than a number that is nowhere in the file.
    if let Some((_, rest)) =
        message.strip_prefix("for policy `policy").and_then(|it| it.split_once("`, "))
    {
        message = rest.to_owned();
    }
    for more in [label.as_ref().and_then(|label| label.label().map(ToOwned::to_owned))]
        .into_iter()
        .chain([diagnostic.help().map(|help| help.to_string())])
        .flatten()
    {
        message.push_str("; ");
        message.push_str(&more);
    }
    Fault::at(text, label.map_or(0, |label| label.offset()), message)
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// The target under which rules from files log.
pub(super) const LOG: &str = "flexsecure::policy";
