use serde::Serialize;

/// A page that only says something, and what to do next.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Notice {
    Approved,
    Declined,
    WrongNumber,
    /// Unknown, answered and expired links look alike.
    Gone,
    /// Another site sent the answer.
    Foreign,
    Unreadable,
    Failed,
    NotFound,
    Method,
}

impl Notice {
    pub(super) const ALL: [Self; 9] = [
        Self::Approved,
        Self::Declined,
        Self::WrongNumber,
        Self::Gone,
        Self::Foreign,
        Self::Unreadable,
        Self::Failed,
        Self::NotFound,
        Self::Method,
    ];
}

/// What its template is filled in with.
#[derive(Debug, Serialize)]
pub(super) struct NoticePage {
    /// The first part of the names of its texts.
    pub(super) notice: Notice,
}
