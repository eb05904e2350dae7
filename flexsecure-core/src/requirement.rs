use std::sync::Arc;
use std::time::Duration;

use crate::{Method, Methods, Operation};

/// What a route demands before it lets a request through.
///
/// ```
/// use std::time::Duration;
/// use flexsecure_core::Requirement;
///
/// let statements = Requirement::system("bank").within(Duration::from_secs(300));
/// let admin = Requirement::system("bank-admin").within(Duration::from_secs(60)).pin();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Requirement {
    scope: Scope,
    /// In milliseconds: this is compared on every request.
    max_age: u64,
    methods: Methods,
}

impl Requirement {
    /// A proof for the system `name`, as it is called at the authority: by either method, at most
    /// [`Requirement::DEFAULT_MAX_AGE`] old.
    pub fn system(name: &str) -> Self {
        Self {
            scope: Scope { system: name.into(), operation: None, single_use: false },
            max_age: millis(Self::DEFAULT_MAX_AGE),
            methods: Methods::Any,
        }
    }

    /// A proof at most `max_age` old; more than [`Requirement::LONGEST_MAX_AGE`] means that.
    pub fn within(mut self, max_age: Duration) -> Self {
        self.max_age = millis(max_age.min(Self::LONGEST_MAX_AGE));
        self
    }

    /// Only a proof by PIN will do.
    pub fn pin(mut self) -> Self {
        self.methods = Methods::Only(Method::Pin);
        self
    }

    /// Only a proof by link will do.
    pub fn passwordless(mut self) -> Self {
        self.methods = Methods::Only(Method::Passwordless);
        self
    }

    /// The proof is good for one request, and no proof made for anything else will do.
    pub fn single_use(mut self) -> Self {
        self.scope.single_use = true;
        self
    }

    /// The proof must have been given for `operation`, which the user is shown.
    pub fn operation(mut self, operation: Operation) -> Self {
        self.scope.operation = Some(operation);
        self
    }

    /// What a proof must have been made for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How old a proof may be.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        Duration::from_millis(self.max_age)
    }

    pub(crate) const fn max_age_millis(&self) -> u64 {
        self.max_age
    }

    /// The methods accepted.
    #[must_use]
    pub const fn methods(&self) -> Methods {
        self.methods
    }

    /// Ten minutes.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);

    /// One hour: no elevation lives longer, whatever a route asks for.
    pub const LONGEST_MAX_AGE: Duration = Duration::from_secs(3600);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a flow is run for and an elevation is good for, and nothing else.
#[derive(Clone, Debug, Eq)]
pub struct Scope {
    pub(crate) system: Arc<str>,
    pub(crate) operation: Option<Operation>,
    pub(crate) single_use: bool,
}

/// An elevation has its system from the requirement that asked for it, so that most often they are
/// not only equal but the same.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.single_use == other.single_use
            && self.operation == other.operation
            && (Arc::ptr_eq(&self.system, &other.system) || self.system == other.system)
    }
}

impl Scope {
    /// The system, as it is called at the authority.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The operation, if it is bound to one.
    #[must_use]
    pub const fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    /// Whether it is good for one request only.
    #[must_use]
    pub const fn single_use(&self) -> bool {
        self.single_use
    }
}
