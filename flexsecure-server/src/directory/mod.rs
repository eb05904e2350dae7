//! Who may be asked, for what, and by whom: systems, users, their methods, API keys.

mod model;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use self::model::{
    SMS_DAILY_BUDGET, validate_auth_id, validate_name, validate_operation,
};
pub(crate) use self::service::Caller;
pub use self::{
    model::{ApiKey, Assignment, Contact, NewUser, Policies, Scopes, System, User},
    service::{Directory, DirectoryError},
};
