use std::sync::{Mutex, PoisonError};

use super::Decision;

/// What one rule said about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule's name.
    pub rule: String,
    /// What it may do.
    pub verb: Verb,
    /// What it asked for, in words; nothing if it failed, or took too long.
    pub asked: Option<String>,
}

/// What a rule may do to what the rules before it have come to, or does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// It is the beginning.
    Floor,
    /// It can only ask for more.
    Raise,
    /// It can ask for less.
    Relax,
    /// It is a policy of a file, and says what the requests take that it is about.
    Permit,
    /// It is a policy of a file that denies, or says that none of them permits.
    Forbid,
}

impl Verb {
    /// The word for a log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Raise => "raise",
            Self::Relax => "relax",
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

/// Findings about one request, for whoever wants it explained.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<Finding>>);

impl Notes {
    pub(super) fn add(&self, rule: &str, verb: Verb, asked: &Decision<'_>) {
        self.push(Finding { rule: rule.to_owned(), verb, asked: Some(asked.to_string()) });
    }

    pub(super) fn add_failure(&self, rule: &str, verb: Verb) {
        self.push(Finding { rule: rule.to_owned(), verb, asked: None });
    }

    fn push(&self, finding: Finding) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    pub(crate) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
