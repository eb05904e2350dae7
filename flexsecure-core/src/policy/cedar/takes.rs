//! What the annotations of a policy say that a request takes.

use std::time::Duration;

use cedar_policy::{Effect, Policy};

use crate::{Method, Requirement};

/// An annotation that says nothing, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) key: String,
    pub(super) message: String,
}

impl Unclear {
    fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }
}

/// What a request takes that `policy` permits: nothing beyond an identity, or a proof.
pub(super) fn requirement(
    policy: &Policy,
    is_system: impl Fn(&str) -> bool,
) -> Result<Option<Requirement>, Unclear> {
    let mut annotations: Vec<(&str, &str)> = policy.annotations().collect();
    annotations.sort_unstable();
    for (key, value) in &annotations {
        match *key {
            ID if value.is_empty() => return Err(Unclear::new(ID, "an id is not empty")),
            ID => {}
            SYSTEM | MAX_AGE | METHODS | SINGLE_USE if policy.effect() == Effect::Forbid => {
                return Err(Unclear::new(key, format!("a forbid takes nothing, so no @{key}")));
            }
            SYSTEM | MAX_AGE | METHODS | SINGLE_USE => {}
            _ => return Err(Unclear::new(key, format!("@{key} is unknown: {KNOWN}"))),
        }
    }
    let Some(system) = policy.annotation(SYSTEM) else {
        return match annotations.iter().find(|(key, _)| *key != ID) {
            Some((key, _)) => Err(Unclear::new(key, format!("@{key} takes a @system"))),
            None => Ok(None),
        };
    };
    if !is_system(system) {
        return Err(Unclear::new(SYSTEM, format!("{system:?} is no system of this app")));
    }
    let mut requirement = Requirement::system(system);
    if let Some(text) = policy.annotation(MAX_AGE) {
        let age = duration(text).filter(|age| AGES.contains(age));
        requirement = requirement.within(age.ok_or_else(|| Unclear::new(MAX_AGE, AN_AGE))?);
    }
    if let Some(text) = policy.annotation(METHODS) {
        requirement = by(requirement, text).ok_or_else(|| Unclear::new(METHODS, SOME_METHODS))?;
    }
    match policy.annotation(SINGLE_USE) {
        Some("true") => requirement = requirement.single_use(),
        Some("false") | None => {}
        Some(_) => return Err(Unclear::new(SINGLE_USE, "write \"true\" or \"false\"")),
    }
    Ok(Some(requirement))
}

fn by(requirement: Requirement, text: &str) -> Option<Requirement> {
    let methods: Result<Vec<Method>, _> = text.split(',').map(|it| it.trim().parse()).collect();
    match methods.ok()?.as_slice() {
        [Method::Pin] => Some(requirement.pin()),
        [Method::Passwordless] => Some(requirement.passwordless()),
        [Method::Pin, Method::Passwordless] | [Method::Passwordless, Method::Pin] => {
            Some(requirement)
        }
        _ => None,
    }
}

/// A whole number of seconds, minutes or hours, like `90s`, `5m` or `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    // `parse` alone would take a sign.
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)?;
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

pub(super) const ID: &str = "id";
const SYSTEM: &str = "system";
const MAX_AGE: &str = "max_age";
const METHODS: &str = "methods";
const SINGLE_USE: &str = "single_use";
const KNOWN: &str = "there are @id, @system, @max_age, @methods and @single_use";
const AN_AGE: &str = "write an age from 10s to 1h, like \"90s\", \"5m\" or \"1h\"";
const SOME_METHODS: &str = "write \"pin\", \"passwordless\" or \"pin, passwordless\"";
const AGES: std::ops::RangeInclusive<Duration> =
    Requirement::SHORTEST_MAX_AGE..=Requirement::LONGEST_MAX_AGE;
