//! Who may be asked, for what, and by whom: systems, users, their methods, API keys.

mod model;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use self::model::{validate_auth_id, validate_name, validate_operation};
pub use self::{
    model::{ApiKey, Assignment, NewUser, Policies, System, User},
    service::{Directory, DirectoryError},
};
