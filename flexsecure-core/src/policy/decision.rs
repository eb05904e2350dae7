use std::borrow::Cow;
use std::fmt;

use super::{Later, Proofs};
use crate::Requirement;
use crate::refusal::Problem;

/// What a request must bring.
#[derive(Debug)]
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "a request passes, has to prove something, or does not pass"
)]
pub enum Decision<'p> {
    /// Nothing beyond an identity.
    Allow,
    /// A proof.
    Require(Cow<'p, Requirement>),
    /// One of several proofs, or several of them.
    Prove(Cow<'p, Proofs>),
    /// Nothing beyond an identity so far: the handler may [ask](crate::Ask) for more.
    OnDemand,
    /// Nothing would do.
    Deny,
    /// The request cannot be read as what its route takes, whatever it brings.
    Refuse(Defect),
    /// This policy has nothing to say about the request. A rule that abstains leaves the floor as
    /// it is; where a policy stands alone, the request is denied.
    Abstain,
    /// Somebody has to be asked first.
    Later(Later),
}

impl<'p> Decision<'p> {
    /// Asks for `requirement`.
    pub const fn require(requirement: Requirement) -> Self {
        Self::Require(Cow::Owned(requirement))
    }

    /// Asks for `proofs`: [any of](super::any_of) or [all of](super::all_of) some requirements.
    pub const fn prove(proofs: Proofs) -> Self {
        Self::Prove(Cow::Owned(proofs))
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Decision<'static> {
        match self {
            Self::Allow => Decision::Allow,
            Self::Require(requirement) => Decision::require(requirement.into_owned()),
            Self::Prove(proofs) => Decision::prove(proofs.into_owned()),
            Self::OnDemand => Decision::OnDemand,
            Self::Deny => Decision::Deny,
            Self::Refuse(defect) => Decision::Refuse(defect),
            Self::Abstain => Decision::Abstain,
            Self::Later(later) => Decision::Later(later),
        }
    }

    /// The decision, unless it is still to be made.
    pub(crate) fn made(self) -> Result<Self, Later> {
        if let Self::Later(later) = self { Err(later) } else { Ok(self) }
    }

    /// What takes both: never less than either.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            // Whoever combines decisions waits for the late ones before.
            (Self::Deny | Self::Later(_), _) | (_, Self::Deny | Self::Later(_)) => Self::Deny,
            (refused @ Self::Refuse(_), _) | (_, refused @ Self::Refuse(_)) => refused,
            (one, Self::Abstain) | (Self::Abstain | Self::Allow, one) | (one, Self::Allow) => one,
            (Self::OnDemand, one) | (one, Self::OnDemand) => one,
            (one, other) => match (one.proofs(), other.proofs()) {
                (Some(one), Some(other)) => Self::from(one.and(&other)),
                _ => Self::Deny,
            },
        }
    }

    /// Whether a request that fulfils it has proved something.
    pub(crate) const fn takes_proof(&self) -> bool {
        matches!(self, Self::Require(_) | Self::Prove(_))
    }

    /// Whether no request fulfils it.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, Self::Deny | Self::Refuse(_))
    }

    fn proofs(self) -> Option<Proofs> {
        match self {
            Self::Require(requirement) => Some(requirement.into_owned().into()),
            Self::Prove(proofs) => Some(proofs.into_owned()),
            Self::Allow
            | Self::OnDemand
            | Self::Deny
            | Self::Refuse(_)
            | Self::Abstain
            | Self::Later(_) => None,
        }
    }
}

/// What is wrong with a request before anybody can be asked about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Defect {
    problem: Problem,
    detail: Cow<'static, str>,
}

impl Defect {
    /// The body, or what else was sent, lacks what is needed, or has it twice: 400.
    ///
    /// The client is told `detail`, so that it should quote nothing that was sent.
    #[must_use]
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { problem: Problem::BodyMalformed, detail: detail.into() }
    }

    /// The body has more than `limit` bytes: 413.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("At most {limit} bytes are read here.").into();
        Self { problem: Problem::BodyTooLarge, detail }
    }

    /// The body is of a type or an encoding that is not read here: 415.
    #[must_use]
    pub fn unsupported(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { problem: Problem::ContentTypeUnsupported, detail: detail.into() }
    }

    /// The app is at fault, and the log says how: 403.
    pub(crate) const fn denied() -> Self {
        let problem = Problem::Denied;
        Self { problem, detail: Cow::Borrowed(problem.detail()) }
    }

    /// What it is, as a client is told.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn into_detail(self) -> Cow<'static, str> {
        self.detail
    }
}

impl From<Proofs> for Decision<'_> {
    fn from(proofs: Proofs) -> Self {
        match proofs.into_one() {
            Ok(requirement) => Self::require(requirement),
            Err(proofs) => Self::prove(proofs),
        }
    }
}

/// What is asked for, in words for a log.
impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("nothing"),
            Self::Require(requirement) => requirement.fmt(f),
            Self::Prove(proofs) => proofs.fmt(f),
            Self::OnDemand => f.write_str("what the handler asks for"),
            Self::Deny => f.write_str("nothing would do"),
            Self::Refuse(defect) => write!(f, "another request: {defect}"),
            Self::Abstain => f.write_str("no opinion"),
            Self::Later(_) => f.write_str("still to be decided"),
        }
    }
}
