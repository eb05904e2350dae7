use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::policy::Network;
use crate::{Method, Methods, Operation, Timestamp};

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
    /// The first moment at which a proof may have been given.
    since: Timestamp,
    network: Option<Network>,
}

impl Requirement {
    /// A proof for the system `name`, as it is called at the authority: by either method, at most
    /// [`Requirement::DEFAULT_MAX_AGE`] old.
    pub fn system(name: &str) -> Self {
        Self {
            scope: Scope { system: name.into(), operation: None, single_use: false },
            max_age: millis(Self::DEFAULT_MAX_AGE),
            methods: Methods::Any,
            since: Timestamp::from_millis(0),
            network: None,
        }
    }

    /// A proof at most `max_age` old; more than [`Requirement::LONGEST_MAX_AGE`] means that, and
    /// less than [`Requirement::SHORTEST_MAX_AGE`] this.
    ///
    /// What has to be proved anew each time is [`Requirement::single_use`], not very young: a client
    /// needs the time to repeat its request, or it would be asked for ever.
    pub fn within(mut self, max_age: Duration) -> Self {
        self.max_age = millis(max_age.clamp(Self::SHORTEST_MAX_AGE, Self::LONGEST_MAX_AGE));
        self
    }

    /// A proof given no earlier than `moment`: the last change of the user's password or, as it is
    /// also called, of their security stamp.
    pub fn since(mut self, moment: Timestamp) -> Self {
        self.since = moment;
        self
    }

    /// A proof that was asked for from `network`: the user has not moved since, as far as an address
    /// can tell.
    ///
    /// Who roams between networks is asked again, and neighbours in one network are not told apart.
    /// A request whose address is not known has no network, and cannot ask for this.
    pub fn from_network(mut self, network: Network) -> Self {
        self.network = Some(network);
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

    /// The first moment at which a proof may have been given.
    #[must_use]
    pub const fn given_since(&self) -> Timestamp {
        self.since
    }

    /// The network from which it must have been asked for.
    #[must_use]
    pub const fn network(&self) -> Option<Network> {
        self.network
    }

    /// What satisfies both, if anything can: they are for the same system.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        Some(Self {
            scope: Scope {
                system: Arc::clone(&self.scope.system),
                operation: only(self.scope.operation.as_ref(), other.scope.operation.as_ref())?
                    .cloned(),
                single_use: self.scope.single_use || other.scope.single_use,
            },
            max_age: self.max_age.min(other.max_age),
            methods: self.methods.and(other.methods)?,
            since: self.since.max(other.since),
            network: only(self.network.as_ref(), other.network.as_ref())?.copied(),
        })
    }

    /// Ten minutes.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);

    /// Ten seconds.
    pub const SHORTEST_MAX_AGE: Duration = Duration::from_secs(10);

    /// One hour: no elevation lives longer, whatever a route asks for.
    pub const LONGEST_MAX_AGE: Duration = Duration::from_secs(3600);
}

/// The one that is there, unless there are two that differ.
fn only<'t, T: PartialEq>(one: Option<&'t T>, other: Option<&'t T>) -> Option<Option<&'t T>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => Some(one.or(other)),
    }
}

/// What is asked for, in words for a log.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a proof for {}", self.scope.system)?;
        if let Methods::Only(method) = self.methods {
            write!(f, " by {method}")?;
        }
        write!(f, " of the last {} s", self.max_age().as_secs())?;
        if self.since > Timestamp::from_millis(0) {
            write!(f, " since {:?}", self.since)?;
        }
        if let Some(network) = self.network {
            write!(f, " from {network}")?;
        }
        if self.scope.single_use {
            f.write_str(" for one request")?;
        }
        if let Some(operation) = &self.scope.operation {
            write!(f, " for {:?}", operation.text())?;
        }
        Ok(())
    }
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

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.system, &self.operation, self.single_use).hash(state);
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
