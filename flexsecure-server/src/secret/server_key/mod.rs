//! The keys of the server, in a file of their own, so that a copy of the database alone yields neither PIN nor link nor
//! API key.
//!
//! | file | role |
//! | --- | --- |
//! | `key` | one key, and what is made with it |
//! | `file` | the file: read, made, and exchanged for one with a new key |
//! | `ring` | what a running server knows of it |

mod file;
mod key;
mod ring;
#[cfg(test)]
mod tests;

pub use self::file::{ServerKeyInfo, ServerKeysError, list, rotate};
pub(crate) use self::{
    key::{Purpose, ServerKey},
    ring::ServerKeys,
};
