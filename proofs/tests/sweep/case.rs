//! One run of a scenario: which fault, before which authority, on how many nodes.

use std::fmt;

use flexsecure_core::Method;
use flexsecure_core::test_util::ScriptedAuthority;

use crate::faults::Plan;
use crate::scenarios::Scenario;

/// What the authority knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// The v1 API and nothing more.
    V1,
    /// All of the superset.
    Full,
}

/// How the users of a scenario answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Link,
    Pin,
}

impl By {
    /// What an app says of its users to an authority that does not.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Link => Method::Passwordless,
            Self::Pin => Method::Pin,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    Calls(Plan),
    /// A client leaves after so many polls.
    Leaving {
        polls: u32,
    },
}

#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) scenario: &'static Scenario,
    pub(crate) api: Api,
    pub(crate) nodes: usize,
    pub(crate) fault: Fault,
}

impl Case {
    pub(crate) fn authority(&self) -> ScriptedAuthority {
        match (self.api, self.scenario.by) {
            (Api::V1, By::Link) => ScriptedAuthority::v1(None),
            (Api::V1, By::Pin) => ScriptedAuthority::v1(Some(PIN)),
            (Api::Full, By::Link) => ScriptedAuthority::passwordless(),
            (Api::Full, By::Pin) => ScriptedAuthority::pin(PIN),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, api, nodes, fault } = self;
        write!(f, "{} authority={api:?} nodes={nodes} ", scenario.name)?;
        match fault {
            Fault::None => f.write_str("without a fault"),
            Fault::Calls(plan) => plan.fmt(f),
            Fault::Leaving { polls } => write!(f, "leaving after {polls} polls"),
        }
    }
}

/// The right one.
pub(crate) const PIN: &str = "48151623";

pub(crate) const WRONG_PIN: &str = "11111111";
