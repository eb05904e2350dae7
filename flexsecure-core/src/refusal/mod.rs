//! Refusals.

/// Why what a session holds does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It holds nothing for this.
    Missing,
    /// It is too old.
    Stale,
    /// It was given by another method than the route accepts.
    Method,
    /// It was given for another operation.
    Operation,
    /// It was good for one request, which has been let through.
    Spent,
}
/// .
#[derive(Debug)]
pub struct Refusal;
