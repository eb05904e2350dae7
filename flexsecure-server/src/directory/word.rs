//! The words of `/v1/admin` for what is an enum elsewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Scopes;
use crate::{Channel, Method};

/// How a user is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MethodWord {
    /// An 8-digit PIN that the user types back.
    Pin,
    /// A link that the user opens and approves.
    Passwordless,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChannelWord {
    /// A bare e-mail address.
    Email,
    /// A telephone number in E.164 form.
    Sms,
}

/// What an API key is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub(crate) enum ScopeWord {
    /// Starts and checks.
    #[serde(rename = "authenticate")]
    Authenticate,
    /// Reads what is administered.
    #[serde(rename = "admin:read")]
    AdminRead,
    /// Changes what is administered.
    #[serde(rename = "admin:write")]
    AdminWrite,
}

impl From<MethodWord> for Method {
    fn from(word: MethodWord) -> Self {
        match word {
            MethodWord::Pin => Self::Pin,
            MethodWord::Passwordless => Self::Passwordless,
        }
    }
}

impl From<ChannelWord> for Channel {
    fn from(word: ChannelWord) -> Self {
        match word {
            ChannelWord::Email => Self::Email,
            ChannelWord::Sms => Self::Sms,
        }
    }
}

impl FromIterator<ScopeWord> for Scopes {
    fn from_iter<I: IntoIterator<Item = ScopeWord>>(words: I) -> Self {
        let mut scopes = Self { authenticate: false, admin_read: false, admin_write: false };
        for word in words {
            match word {
                ScopeWord::Authenticate => scopes.authenticate = true,
                ScopeWord::AdminRead => scopes.admin_read = true,
                ScopeWord::AdminWrite => scopes.admin_write = true,
            }
        }
        scopes
    }
}
