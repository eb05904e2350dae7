//! What the operator set: a file, over it the environment, over that the command line.
//!
//! | file | role |
//! | --- | --- |
//! | `layer` | what one of the three may say, all of it optional and not yet understood |
//! | `file` | the configuration file, in TOML |
//! | `environment` | the variables `FLEXSECURE_*` |
//! | `flags` | the command line |
//! | `secret` | values that are never shown, and may be in a file of their own |
//! | `source` | where a value came from |
//! | `resolve` | the three become one, and texts become values |
//! | `show` | the same again, for people, without secrets |
//! | `error` | what can be wrong with it |

mod environment;
mod error;
mod file;
mod flags;
mod layer;
mod resolve;
mod secret;
mod show;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    error::SettingsError,
    flags::{ConfigArg, Flags},
    resolve::{Database, LogFormat, Settings, is_postgres},
    secret::Secret,
};
