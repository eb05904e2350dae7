//! What an app lets through without a proof: found by asking it, not by reading it.
//!
//! An adapter's `coverage` sends [`probes`] to an app and makes a [`Report`] of the answers. Each route
//! is called by somebody logged in who has proved nothing, by somebody unknown, by other methods and by
//! other spellings of its path, and so are paths that should not exist.
//!
//! - **Handlers that turn out to be open run**: the app has to have test data only.
//! - **A refusal starts flows**: the app's gate has to stand before a
//!   [`ScriptedAuthority`](crate::authority::ScriptedAuthority), or users are sent messages.
//! - A refusal is known by the [`Problem`] in the extensions of the response, so what replaces a
//!   response must not be around the app that is asked.

mod probe;
mod report;
#[cfg(test)]
mod tests;

pub use self::probe::{Probe, Shape, probes};
pub use self::report::{NotGated, Report};

use crate::refusal::Problem;

/// What an answer says about who would get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finding {
    /// The gate refused: it takes a proof.
    Gated,
    /// The gate refuses everybody: a policy says so, or a table does not list what was matched.
    Denied,
    /// Something answered without a proof.
    Open,
    /// There is no such route, or not with this method.
    Absent,
    /// The gate knows nobody, though the request is said to come from somebody logged in: what it
    /// would do for them is not known.
    Unidentified,
}

impl Finding {
    /// What is to be said of an answer with `status`, and with `problem` in its extensions, to a
    /// request of somebody who is logged in or not.
    #[must_use]
    pub fn of(status: u16, problem: Option<Problem>, is_logged_in: bool) -> Self {
        match problem {
            Some(Problem::Denied) => Self::Denied,
            Some(Problem::IdentificationRequired) if is_logged_in => Self::Unidentified,
            Some(_) => Self::Gated,
            None if matches!(status, 404 | 405) => Self::Absent,
            None => Self::Open,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gated => "gated",
            Self::Denied => "denied",
            Self::Open => "open",
            Self::Absent => "absent",
            Self::Unidentified => "unidentified",
        }
    }
}
