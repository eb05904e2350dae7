//! What is swept: each from the first refusal to the last answer.
//!
//! | file | role |
//! | --- | --- |
//! | `flows` | flows from start to end, in all the ways they end |
//! | `requests` | requests that are held, many at once, for one use, or decided late |
//! | `sessions` | sessions that end or get another id meanwhile |

pub(crate) mod flows;
pub(crate) mod requests;
pub(crate) mod sessions;

use std::pin::Pin;
use std::sync::Arc;

use flexsecure_core::{Identity, Requirement};

use crate::case::By;
use crate::clients::Stuck;
use crate::world::{Route, World};

/// A course of events, and how its users answer.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) by: By,
    pub(crate) crowd: Crowd,
    pub(crate) play: fn(Arc<World>) -> Play,
}

/// How many requests there are at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// So few that all faults can be tried.
    Few,
    /// So many that each run has hundreds of calls.
    Many,
}

pub(crate) type Play = Pin<Box<dyn Future<Output = Result<(), Stuck>>>>;

fn alice() -> Identity {
    Identity::new("alice", "the session of alice")
}

fn bank() -> Route {
    Route::to(Requirement::system("bank"))
}
