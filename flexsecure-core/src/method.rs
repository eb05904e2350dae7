use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a user proves who they are; which one a user gets is the authority's assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the v1 API knows these two and no others")]
pub enum Method {
    /// An 8-digit PIN that the user types back into the requesting page.
    Pin,
    /// A link that the user opens and approves.
    Passwordless,
}

impl Method {
    /// The word of the v1 API: `pin` or `passwordless`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Passwordless => "passwordless",
        }
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        match text {
            "pin" => Ok(Self::Pin),
            "passwordless" => Ok(Self::Passwordless),
            _ => Err(UnknownMethod),
        }
    }
}

/// The text is neither `pin` nor `passwordless`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a method is `pin` or `passwordless`")]
pub struct UnknownMethod;

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which methods a [`Requirement`](crate::Requirement) accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "every set of the two methods but the empty one")]
pub enum Methods {
    /// Either method.
    Any,
    /// This method alone.
    Only(Method),
}

impl Methods {
    /// Whether `method` is among them.
    #[must_use]
    pub fn accept(self, method: Method) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == method,
        }
    }

    /// Those that are in both, if any is.
    pub(crate) fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, methods) | (methods, Self::Any) => Some(methods),
            (Self::Only(one), Self::Only(other)) => (one == other).then_some(self),
        }
    }
}
