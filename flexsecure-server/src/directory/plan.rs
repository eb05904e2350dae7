use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Assignment, Change, DirectoryError, NewUser, Policies, User,
    validate::{validate_auth_id, validate_email, validate_locale, validate_name, validate_sms},
};
use crate::{Channel, Method};

/// What is wrong with something that was sent, and where: a JSON pointer (RFC 6901).
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) pointer: String,
    pub(crate) error: DirectoryError,
}

impl NewUser {
    /// What can be said of it without knowing what there is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let fault = |pointer: String, error| Some(Fault { pointer, error });
        if !validate_auth_id(&self.auth_id) {
            return fault("/authid".to_owned(), DirectoryError::MalformedAuthId);
        }
        if !(1..=MOST_CONTACTS).contains(&self.contacts.len()) {
            return fault("/contacts".to_owned(), DirectoryError::NoAddress);
        }
        let mut distinct = HashSet::new();
        for (position, contact) in self.contacts.iter().enumerate() {
            let (valid, error) = match contact.channel {
                Channel::Email => {
                    (validate_email(&contact.address), DirectoryError::MalformedEmail)
                }
                Channel::Sms => (validate_sms(&contact.address), DirectoryError::MalformedSms),
            };
            if !valid {
                return fault(format!("/contacts/{position}/address"), error);
            }
            if !distinct.insert(contact) {
                return fault(format!("/contacts/{position}"), DirectoryError::SameAddress);
            }
        }
        if !self.locale.is_empty() && !validate_locale(&self.locale) {
            return fault("/locale".to_owned(), DirectoryError::MalformedLocale);
        }
        self.assignments
            .as_deref()
            .and_then(assignments_fault)
            .map(|fault| Fault { pointer: format!("/assignments{}", fault.pointer), ..fault })
    }

    /// Where in it an error of the store is.
    pub(crate) fn pointer_to(&self, error: &DirectoryError) -> Option<String> {
        let pointer = pointer_to(self.assignments.as_deref()?, error)?;
        Some(format!("/assignments{pointer}"))
    }
}

/// What can be said of assignments without knowing what there is.
pub(super) fn assignments_fault(assignments: &[Assignment]) -> Option<Fault> {
    let mut distinct = HashSet::new();
    for (position, Assignment { system, .. }) in assignments.iter().enumerate() {
        let system = system.clone();
        let error = if !validate_name(&system) {
            DirectoryError::UnknownSystem { system }
        } else if distinct.insert(system.clone()) {
            continue;
        } else {
            DirectoryError::SameSystem { system }
        };
        return Some(Fault { pointer: format!("/{position}/system"), error });
    }
    None
}

/// Where in a list of assignments an error of the store is.
pub(super) fn pointer_to(assignments: &[Assignment], error: &DirectoryError) -> Option<String> {
    let (system, field) = if let DirectoryError::UnknownSystem { system } = error {
        (system, "system")
    } else if let DirectoryError::PolicyOff { system, .. } = error {
        (system, "method")
    } else {
        return None;
    };
    let position = assignments.iter().position(|assignment| assignment.system == *system)?;
    Some(format!("/{position}/{field}"))
}

/// A change of a user that leaves the rest of him as it is.
#[derive(Clone, Debug)]
pub(crate) enum UserEdit {
    /// These systems, each with this method; what was assigned before is replaced.
    Assign {
        systems: Vec<String>,
        method: Method,
    },
    Unassign {
        system: String,
    },
    /// Exactly these.
    Assignments(Vec<Assignment>),
    Disabled(bool),
}

impl UserEdit {
    /// What the user is to be after it.
    pub(crate) fn of(self, user: &User) -> Result<NewUser, DirectoryError> {
        let mut wanted = NewUser::new(&user.auth_id).locale(&user.locale);
        wanted.contacts.clone_from(&user.contacts);
        let assigned = user.assignments.iter();
        Ok(match self {
            Self::Assign { systems, method } => {
                let mut assignments: Vec<_> =
                    assigned.filter(|had| !systems.contains(&had.system)).cloned().collect();
                let distinct: BTreeSet<_> = systems.into_iter().collect();
                assignments
                    .extend(distinct.into_iter().map(|system| Assignment::new(system, method)));
                wanted.assignments(assignments)
            }
            Self::Unassign { system } => {
                let left: Vec<_> = assigned.filter(|had| had.system != system).cloned().collect();
                if left.len() == user.assignments.len() {
                    let auth_id = user.auth_id.clone();
                    return Err(DirectoryError::NotAssigned { auth_id, system });
                }
                wanted.assignments(left)
            }
            Self::Assignments(assignments) => wanted.assignments(assignments),
            Self::Disabled(disabled) => wanted.disabled(disabled),
        })
    }
}

/// What has to be written so that a user is as he was put. Nothing, if it is empty.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    pub(crate) add: bool,
    pub(crate) contacts: bool,
    pub(crate) locale: bool,
    pub(crate) disabled: Option<bool>,
    /// New ones, and those whose method is another now.
    pub(crate) assign: Vec<Assignment>,
    pub(crate) unassign: Vec<String>,
}

impl Plan {
    pub(crate) fn change(&self) -> Change {
        if self.add {
            Change::Created
        } else if *self == Self::default() {
            Change::Unchanged
        } else {
            Change::Updated
        }
    }
}

/// `systems` holds those that there are, of those that `wanted` names.
pub(crate) fn plan(
    current: Option<&User>,
    systems: &HashMap<String, Policies>,
    wanted: &NewUser,
) -> Result<Plan, DirectoryError> {
    let assigned = current.map_or(&[][..], |user| &user.assignments);
    let mut plan = Plan {
        add: current.is_none(),
        contacts: current.is_none_or(|user| user.contacts != wanted.contacts),
        locale: current.is_none_or(|user| user.locale != wanted.locale),
        disabled: wanted
            .disabled
            .filter(|&disabled| current.map_or(disabled, |user| user.disabled != disabled)),
        ..Plan::default()
    };
    let Some(assignments) = &wanted.assignments else { return Ok(plan) };
    for assignment in assignments {
        let Some(policies) = systems.get(&assignment.system) else {
            return Err(DirectoryError::UnknownSystem { system: assignment.system.clone() });
        };
        // What is assigned already stays, also after its policy was switched off.
        if assigned.contains(assignment) {
            continue;
        }
        if !policies.allow(assignment.method) {
            return Err(DirectoryError::PolicyOff {
                system: assignment.system.clone(),
                method: assignment.method,
            });
        }
        plan.assign.push(assignment.clone());
    }
    let kept: HashSet<_> = assignments.iter().map(|assignment| &assignment.system).collect();
    plan.unassign
        .extend(assigned.iter().map(|had| &had.system).filter(|had| !kept.contains(had)).cloned());
    Ok(plan)
}

const MOST_CONTACTS: usize = 8;
