#![doc = include_str!("rules.md")]

mod builder;
mod error;
mod in_force;
mod origin;
mod schema;
mod takes;
#[cfg(test)]
mod tests;
mod vocabulary;
mod watch;
mod written;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use self::in_force::InForce;
use self::origin::Origin;
use self::vocabulary::Vocabulary;
use super::{Decision, Facts, Later, Policy, Undecided};
use crate::store::Peek;

pub use self::builder::CedarBuilder;
pub use self::error::{CedarError, Fault, RefusedRules};

/// Rules in the Cedar language, most often from a file that operators change while the app runs.
///
/// Clones are the same rules. See [the module](self) for how they are written.
#[derive(Clone)]
pub struct CedarRules(Arc<Shared>);

struct Shared {
    vocabulary: Arc<Vocabulary>,
    origin: Origin,
    in_force: RwLock<Arc<InForce>>,
    /// What was last found fine or refused.
    judged: Mutex<Option<Version>>,
    watching: OnceLock<AbortHandle>,
}

impl CedarRules {
    /// Begins to declare what the rules can be about.
    pub fn builder() -> CedarBuilder {
        CedarBuilder::new()
    }

    fn new(vocabulary: Vocabulary, origin: Origin) -> Result<Self, CedarError> {
        let vocabulary = Arc::new(vocabulary);
        let bytes = origin.bytes()?;
        let text = origin.text(&bytes)?;
        let in_force = InForce::read(&vocabulary, &origin.name(), text)?;
        Ok(Self(Arc::new(Shared {
            vocabulary,
            origin,
            judged: Mutex::new(Some(in_force.version)),
            in_force: RwLock::new(Arc::new(in_force)),
            watching: OnceLock::new(),
        })))
    }

    /// Reads the file again, now. Requests are judged by the old rules or by the new ones, as a
    /// whole.
    ///
    /// This reads a file and so may block for a moment.
    ///
    /// # Errors
    ///
    /// [`CedarError`] if the file can't be read or the rules are refused; the old ones stay.
    pub fn reload(&self) -> Result<(), CedarError> {
        match self.0.origin {
            Origin::File(_) => {
                let mut judged = self.0.judged();
                self.0.replace(&mut judged, &self.0.origin.bytes()?)
            }
            Origin::Text(_) => Err(CedarError::NotFromAFile),
        }
    }

    /// Reads the file again whenever it has changed, from now on until the last clone is dropped.
    ///
    /// It is looked at every second, and read once it is the same at two looks. What is refused, and
    /// where, is logged as an error, and the old rules stay; so they do when the file is gone.
    ///
    /// # Errors
    ///
    /// [`CedarError::NotFromAFile`], and [`CedarError::NoRuntime`] outside of a Tokio runtime.
    pub fn watch(&self) -> Result<(), CedarError> {
        self.watch_every(watch::PERIOD)
    }

    fn watch_every(&self, period: std::time::Duration) -> Result<(), CedarError> {
        if matches!(self.0.origin, Origin::Text(_)) {
            return Err(CedarError::NotFromAFile);
        }
        let runtime = Handle::try_current().map_err(|_| CedarError::NoRuntime)?;
        self.0.watching.get_or_init(|| {
            runtime.spawn(watch::watch(Arc::downgrade(&self.0), period)).abort_handle()
        });
        Ok(())
    }

    /// The version of the rules in force, as it is logged and explained.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.in_force().version
    }

    /// The schema that policies are held against, in Cedar's own syntax: for an editor, and for
    /// `cedar validate` before a file is put in place.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.0.vocabulary.text
    }
}

impl Policy for CedarRules {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        let rules = self.0.in_force();
        let refusals = self.0.vocabulary.refusals;
        if refusals.is_none()
            && let Peek::Known(held) = facts.peek()
        {
            return rules.decide(facts, held.as_deref(), None);
        }
        let facts = facts.to_owned();
        Decision::Later(Later::new(async move {
            let held = facts.elevations().await.map_err(Undecided::because)?;
            let refusals = match refusals {
                Some(within) => Some(facts.refusals(within).await.map_err(Undecided::because)?),
                None => None,
            };
            Ok(rules.decide(&facts.fresh(), held.as_deref(), refusals))
        }))
    }

    fn reads_body(&self) -> bool {
        self.0.vocabulary.reads_body
    }
}

impl Shared {
    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever has this is the only one to read the file.
    fn judged(&self) -> MutexGuard<'_, Option<Version>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the rules in `bytes` in the place of those in force, if they are fine.
    fn replace(&self, judged: &mut Option<Version>, bytes: &[u8]) -> Result<(), CedarError> {
        *judged = Some(Version::of(bytes));
        let text = self.origin.text(bytes)?;
        let read = InForce::read(&self.vocabulary, &self.origin.name(), text)?;
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }
}

impl fmt::Debug for CedarRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarRules")
            .field("source", &self.0.origin.name())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Which rules: a digest of their text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 8]);

impl Version {
    fn of(bytes: &[u8]) -> Self {
        let mut version = Self([0; 8]);
        blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut version.0);
        version
    }
}

/// In hexadecimal digits.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
