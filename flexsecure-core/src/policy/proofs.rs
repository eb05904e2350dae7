use std::borrow::Cow;
use std::fmt;

use super::{Decision, Facts, Policy};
use crate::refusal::Reason;
use crate::{Elevations, Requirement, Scope, Timestamp};

/// Several requirements of which any, or all, have to be satisfied.
///
/// As a [`Policy`] it asks the same of every request. With nothing in it, nothing satisfies it.
///
/// ```
/// use std::time::Duration;
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{all_of, any_of};
///
/// // A PIN of the last hour will do, and so will anything of the last five minutes.
/// let bank = || Requirement::system("bank");
/// let either = any_of([bank().pin().within(Duration::from_secs(3600)), bank().within(Duration::from_secs(300))]);
/// // Two people's work: what the bank asks for, and the proof of an auditor's system.
/// let both = all_of([either, Requirement::system("audit").into()]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Proofs {
    /// One of these lists has to be satisfied as a whole; no list is empty, and no two requirements
    /// of one are for the same system.
    alternatives: Vec<Vec<Requirement>>,
}

/// One of `proofs` is enough. The first is what a user who has none is asked for.
pub fn any_of<P: Into<Proofs>>(proofs: impl IntoIterator<Item = P>) -> Proofs {
    let alternatives = proofs.into_iter().flat_map(|proofs| proofs.into().alternatives);
    Proofs { alternatives: alternatives.collect() }
}

/// All of `proofs` are needed. Those for one system become one: what satisfies it satisfies each.
///
/// If no proof could satisfy all of them, such as one by PIN alone and one by link alone for the same
/// system, nothing does.
pub fn all_of<P: Into<Proofs>>(proofs: impl IntoIterator<Item = P>) -> Proofs {
    let all = proofs.into_iter().map(Into::into).reduce(|all, one: Proofs| all.and(&one));
    all.unwrap_or(Proofs { alternatives: Vec::new() })
}

impl Proofs {
    /// Both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let pairs = self
            .alternatives
            .iter()
            .flat_map(|one| other.alternatives.iter().map(move |other| (one, other)));
        Self { alternatives: pairs.filter_map(|(one, other)| joined(one, other)).collect() }
    }

    /// The only requirement, if there is but one.
    pub(super) fn into_one(mut self) -> Result<Requirement, Self> {
        if self.as_one().is_none() {
            return Err(self);
        }
        let only = self.alternatives.pop().and_then(|mut one| one.pop());
        only.ok_or(self)
    }

    pub(super) fn as_one(&self) -> Option<&Requirement> {
        match self.alternatives.as_slice() {
            [one] => match one.as_slice() {
                [requirement] => Some(requirement),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn decision(&self) -> Decision<'_> {
        match self.as_one() {
            Some(requirement) => Decision::Require(Cow::Borrowed(requirement)),
            None => Decision::Prove(Cow::Borrowed(self)),
        }
    }

    /// Whether nothing would do.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// What has to be satisfied: one of these lists, as a whole.
    pub fn alternatives(&self) -> impl Iterator<Item = &[Requirement]> {
        self.alternatives.iter().map(Vec::as_slice)
    }

    /// The next alternative after the one numbered `number` that begins with something other than
    /// `scope`.
    pub(crate) fn next_beside(&self, number: usize, scope: &Scope) -> Option<usize> {
        let mut rest = self.alternatives.iter().enumerate().skip(number.saturating_add(1));
        let is_other =
            |list: &[Requirement]| list.first().is_some_and(|first| first.scope() != scope);
        rest.find(|(_, alternative)| is_other(alternative)).map(|(number, _)| number)
    }

    /// Where in `held` the elevations are that satisfy an alternative, one for each requirement; or
    /// what the alternative numbered `wanted` lacks.
    pub(crate) fn judge(
        &self,
        held: Option<&Elevations>,
        auth_id: &str,
        now: Timestamp,
        wanted: usize,
    ) -> Result<Vec<(usize, &Requirement)>, Option<Lacking<'_>>> {
        let find = |requirement| {
            let found = held.ok_or(Reason::Missing);
            match found.and_then(|held| held.judge(auth_id, requirement, now)) {
                Ok(index) => Ok((index, requirement)),
                Err(reason) => Err(Lacking { requirement, reason }),
            }
        };
        let mut lacking = None;
        for (number, alternative) in self.alternatives.iter().enumerate() {
            match alternative.iter().map(find).collect() {
                Ok(found) => return Ok(found),
                Err(lack) if number == wanted => lacking = Some(lack),
                Err(_) => {}
            }
        }
        Err(lacking)
    }
}

/// A requirement that is not satisfied, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lacking<'p> {
    pub(crate) requirement: &'p Requirement,
    pub(crate) reason: Reason,
}

/// All of both lists, unless no proof would do for one of their systems.
fn joined(one: &[Requirement], other: &[Requirement]) -> Option<Vec<Requirement>> {
    let mut joined = one.to_vec();
    for requirement in other {
        let system = requirement.scope().system();
        let same = joined.iter_mut().find(|known| known.scope().system() == system);
        match same {
            Some(same) => *same = same.and(requirement)?,
            None => joined.push(requirement.clone()),
        }
    }
    Some(joined)
}

impl From<Requirement> for Proofs {
    fn from(requirement: Requirement) -> Self {
        Self { alternatives: vec![vec![requirement]] }
    }
}

impl Policy for Proofs {
    fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
        self.decision()
    }

    fn fixed(&self) -> Option<&Requirement> {
        self.as_one()
    }
}

impl fmt::Display for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_impossible() {
            return f.write_str("nothing would do");
        }
        for (index, alternative) in self.alternatives.iter().enumerate() {
            if index > 0 {
                f.write_str(", or ")?;
            }
            for (index, requirement) in alternative.iter().enumerate() {
                if index > 0 {
                    f.write_str(" and ")?;
                }
                requirement.fmt(f)?;
            }
        }
        Ok(())
    }
}
