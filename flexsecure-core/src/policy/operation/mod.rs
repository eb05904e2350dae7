//! A requirement bound to what each request is about to do.

mod template;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::template::{OperationTemplate, TemplateBuilder, TemplateError};

use super::{Decision, Defect, Facts, Policy};
use crate::{Operation, Requirement};

/// Finds out what a request is about to do.
///
/// An [`OperationTemplate`] does, and so does a closure that returns `Option<Operation>`, which
/// refuses a request where it finds none.
pub trait OperationSource: Send + Sync + 'static {
    /// What the request that `facts` tell of is about to do.
    ///
    /// # Errors
    ///
    /// [`Defect`] if it cannot be told; the request is refused, and nobody is asked.
    fn operation(&self, facts: &Facts<'_>) -> Result<Operation, Defect>;

    /// Whether it has to know the request's body.
    fn reads_body(&self) -> bool {
        false
    }
}

impl<F> OperationSource for F
where
    F: Fn(&Facts<'_>) -> Option<Operation> + Send + Sync + 'static,
{
    fn operation(&self, facts: &Facts<'_>) -> Result<Operation, Defect> {
        self(facts).ok_or_else(|| Defect::malformed("The request lacks what is to be approved."))
    }
}

impl Requirement {
    /// The proof must have been given for the operation that `source` finds in the request: it is
    /// fixed before the user is asked, and found again when the request is repeated.
    ///
    /// ```
    /// use flexsecure_core::policy::{Facts, OperationTemplate};
    /// use flexsecure_core::{Operation, Requirement};
    ///
    /// let once = || Requirement::system("bank").single_use();
    ///
    /// // For a layer made with `StepUp::require`.
    /// let delete = once().operation_from(OperationTemplate::text("Delete the user {id}").path(["id"]).build()?);
    ///
    /// // For one made with `StepUp::require_reading`, which reads the body.
    /// let transfer = OperationTemplate::text("Transfer {amount} EUR to {to}").json(["to", "amount"]);
    /// let transfer = once().operation_from(transfer.build()?);
    ///
    /// // By hand; where there is nothing, the request is refused.
    /// let export = once().operation_from(|facts: &Facts<'_>| {
    ///     let year = facts.query("year")?;
    ///     Some(Operation::new(&format!("Export the year {year}")).field("year", &*year))
    /// });
    /// # Ok::<_, flexsecure_core::policy::TemplateError>(())
    /// ```
    pub fn operation_from<S: OperationSource>(self, source: S) -> PerOperation<S> {
        PerOperation { requirement: self, source }
    }
}

/// A [`Requirement`] for the operation of each request; made by [`Requirement::operation_from`].
#[derive(Clone)]
#[must_use]
pub struct PerOperation<S> {
    requirement: Requirement,
    source: S,
}

impl<S: OperationSource> Policy for PerOperation<S> {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        match self.source.operation(facts) {
            Ok(operation) => Decision::require(self.requirement.clone().operation(operation)),
            Err(defect) => Decision::Refuse(defect),
        }
    }

    fn reads_body(&self) -> bool {
        self.source.reads_body()
    }
}

impl<S> fmt::Debug for PerOperation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerOperation")
            .field("requirement", &self.requirement)
            .finish_non_exhaustive()
    }
}
