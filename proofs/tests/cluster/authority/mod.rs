//! The authority: what it remembers, its host, and the nodes' way to it.

mod client;
mod host;
mod logins;

use serde::{Deserialize, Serialize};

pub(crate) use self::client::RemoteAuthority;
pub(crate) use self::host::run;
pub(crate) use self::logins::Logins;

#[derive(Debug, Serialize, Deserialize)]
enum Question {
    Start { system: String, user: String, key: String, binding: String },
    Check { system: String, user: String, txn: Option<String>, pin: Option<String>, hold: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Started { txn: Option<String>, method: Option<String>, expires_in: Option<u64> },
    Authenticated,
    Pending,
    Expired,
    SecurityError { attempts_left: Option<u8> },
}
