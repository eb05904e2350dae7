use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{Decision, Facts, OwnedFacts, Policy};

/// A decision for which somebody has to be asked, within a time limit.
#[must_use]
pub struct Later {
    limit: Duration,
    decided: Pin<Box<dyn Future<Output = Decided> + Send>>,
}

type Decided = Result<Decision<'static>, Undecided>;

impl Later {
    /// The decision that `decided` comes to, if it does so within [`Later::LIMIT`].
    pub fn new(decided: impl Future<Output = Decided> + Send + 'static) -> Self {
        Self { limit: Self::LIMIT, decided: Box::pin(decided) }
    }

    /// Sets another time limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Waits for the decision; one that puts it off again counts as none.
    pub(crate) async fn decided(self) -> Decided {
        match tokio::time::timeout(self.limit, self.decided).await {
            Ok(Ok(Decision::Later(_))) | Err(_) => Err(Undecided::too_late(self.limit)),
            Ok(decided) => decided,
        }
    }

    /// A quarter of a second.
    pub const LIMIT: Duration = Duration::from_millis(250);
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A policy came to no decision: what it asks failed, or took too long.
///
/// Among [rules](super::Rules) the floor stays; a policy that stands alone makes it a 503.
#[derive(Debug, thiserror::Error)]
#[error("a policy came to no decision")]
pub struct Undecided(#[source] Box<dyn Error + Send + Sync>);

impl Undecided {
    /// No decision, because of `cause`.
    pub fn because(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    pub(super) fn too_late(limit: Duration) -> Self {
        Self(format!("it took longer than {} ms", limit.as_millis()).into())
    }
}

/// A policy that asks a database or a risk service: `decide` may await.
///
/// It has [`Later::LIMIT`] to answer. An error, like no answer in time, lets nothing through: among
/// [rules](super::Rules) the floor stays, and on its own it is a 503.
///
/// ```
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Decision, OwnedFacts, Rules, asynchronous};
/// # async fn score(_: &str) -> Result<u8, std::io::Error> { Ok(90) }
///
/// let risk = asynchronous(|facts: OwnedFacts| async move {
///     Ok::<_, std::io::Error>(match score(facts.identity().auth_id()).await? {
///         0..70 => Decision::Abstain,
///         _ => Decision::require(Requirement::system("bank").pin()),
///     })
/// });
/// let policy = Rules::floor(Requirement::system("bank")).raise("risk", risk);
/// ```
pub fn asynchronous<D, F, E>(decide: D) -> Asynchronous<D>
where
    D: Fn(OwnedFacts) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Decision<'static>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Asynchronous { decide, limit: Later::LIMIT }
}

/// A policy that may await; made by [`asynchronous`].
#[derive(Clone, Copy)]
#[must_use]
pub struct Asynchronous<D> {
    decide: D,
    limit: Duration,
}

impl<D> Asynchronous<D> {
    /// Gives it more, or less, than [`Later::LIMIT`] to decide.
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<D, F, E> Policy for Asynchronous<D>
where
    D: Fn(OwnedFacts) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Decision<'static>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        let deciding = (self.decide)(facts.to_owned());
        let decided = async move { deciding.await.map_err(Undecided::because) };
        Decision::Later(Later::new(decided).within(self.limit))
    }
}

impl<D> fmt::Debug for Asynchronous<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asynchronous").field("limit", &self.limit).finish_non_exhaustive()
    }
}
