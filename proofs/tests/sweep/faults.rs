//! Which calls go wrong, counted over store and authority together, in the order in which they are
//! made.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At once, with nothing done.
    Error,
    /// After its time limit, with nothing done.
    TimeOut,
    /// It is done, but the answer is lost.
    Lost,
}

/// Which calls go wrong after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// None.
    One,
    /// The two that follow.
    Three,
    /// All calls to the same service in the next 30 seconds.
    HalfAMinute,
}

/// A call to the store or the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Store,
    Authority,
}

/// From which call on they go wrong, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) first: u32,
    pub(crate) extent: Extent,
    pub(crate) mode: Mode,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n={} mode={:?} extent={:?}", self.first, self.mode, self.extent)
    }
}

/// Counts the calls, and says which go wrong.
#[derive(Debug)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Debug)]
struct State {
    plan: Option<Plan>,
    calls: u32,
    down: Option<(Service, Instant)>,
    hit: Vec<String>,
}

impl Faults {
    pub(crate) const fn new(plan: Option<Plan>) -> Self {
        Self(Mutex::new(State { plan, calls: 0, down: None, hit: Vec::new() }))
    }

    /// Counts a call, which goes wrong if it says so.
    pub(crate) fn next(&self, service: Service, name: &str) -> Option<Mode> {
        let mut state = self.lock();
        state.calls += 1;
        let plan = state.plan?;
        let number = state.calls;
        let is_hit = match plan.extent {
            Extent::One => number == plan.first,
            Extent::Three => (plan.first..plan.first + 3).contains(&number),
            Extent::HalfAMinute => {
                if number == plan.first {
                    state.down = Some((service, Instant::now() + HALF_A_MINUTE));
                }
                state.down.is_some_and(|(down, until)| down == service && Instant::now() < until)
            }
        };
        if !is_hit {
            return None;
        }
        state.hit.push(format!("{number} {name}"));
        Some(plan.mode)
    }

    /// Nothing goes wrong from here on.
    pub(crate) fn end(&self) {
        self.lock().plan = None;
    }

    /// The calls that went wrong: number and name.
    pub(crate) fn hit(&self) -> Vec<String> {
        self.lock().hit.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
