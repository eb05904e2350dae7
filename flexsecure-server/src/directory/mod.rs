//! Who may be asked, for what, and by whom: accounts, systems, users, their methods, API keys.
//!
//! | file | role |
//! | --- | --- |
//! | `model`, `word` | what there is, and its words |
//! | `validate`, `plan` | what may be, and what a change comes to: plain functions |
//! | `service`, `users`, `keys` | what can be asked of an account's directory |
//! | `import` | users by the file |
//! | `timeline` | how far a challenge has come |

mod cursor;
mod error;
mod import;
mod keys;
mod model;
mod plan;
mod service;
#[cfg(test)]
mod tests;
mod timeline;
mod users;
mod validate;
mod word;

pub use self::{
    error::DirectoryError,
    import::{
        Import, ImportError, ImportFormat, Imported, ImportedLine, LineOutcome, UnknownFormat,
        csv_report,
    },
    model::{
        Account, ApiKey, Assignment, Change, Contact, KeyRequest, NewUser, Page, Policies, Scopes,
        System, User, UserFilter,
    },
    service::Directory,
    timeline::{ChallengeTimeline, MessageTimeline},
};
pub(crate) use self::{
    keys::Caller,
    model::{SMS_DAILY_BUDGET, SystemFields},
    plan::{Fault, Plan, UserEdit, plan},
    validate::{
        breaks_line, is_invisible, validate_auth_id, validate_country, validate_name,
        validate_operation,
    },
    word::{ChannelWord, MethodWord, ScopeWord},
};
