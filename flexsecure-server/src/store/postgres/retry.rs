use std::borrow::Cow;

use crate::{DirectoryError, StoreError, challenge::ServiceError};

/// Does it again if PostgreSQL ended the transaction to break a deadlock. Nothing of it has been told yet.
///
/// The order of locks leaves few: between groups, and by what an administrator does by hand meanwhile.
pub(super) async fn retry<T, E, F>(mut work: impl FnMut() -> F) -> Result<T, E>
where
    E: Failure,
    F: Future<Output = Result<T, E>>,
{
    for _ in 1..TRIES {
        match work().await {
            Err(error) if error.store_error().is_some_and(ended_for_another) => {}
            done => return done,
        }
    }
    work().await
}

/// What may be a failure of the database.
pub(super) trait Failure {
    fn store_error(&self) -> Option<&StoreError>;
}

impl Failure for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl Failure for ServiceError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

impl Failure for DirectoryError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

fn ended_for_another(error: &StoreError) -> bool {
    code(error).is_some_and(|code| code == DEADLOCK_DETECTED || code == SERIALIZATION_FAILURE)
}

/// Whether a row holds what can't be read.
pub(super) fn is_damage(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else { return false };
    matches!(error.downcast_ref::<sqlx::Error>(), Some(sqlx::Error::ColumnDecode { .. }))
}

/// What the database itself says went wrong, if it says anything.
pub(super) fn code(error: &StoreError) -> Option<Cow<'_, str>> {
    let StoreError::Database(error) = error else { return None };
    error
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(|error| error.code())
}

/// However often something is begun anew.
pub(super) const TRIES: usize = 4;

// PostgreSQL, appendix A.
const DEADLOCK_DETECTED: &str = "40P01";
const SERIALIZATION_FAILURE: &str = "40001";
