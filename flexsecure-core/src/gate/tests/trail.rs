use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::world::World;
use crate::Audit;
use crate::audit::{Event, Kind, StartOutcome};
use crate::authority::ScriptedAuthority;
use crate::refusal::{Problem, Reason};

/// Keeps all events, in order. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(Arc<Mutex<Vec<Told>>>);

/// An event as it was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) json: Value,
    pub(super) debug: String,
}

impl Audit for Trail {
    fn record(&self, event: &Event<'_>) {
        let json = serde_json::to_value(event).unwrap();
        let told = Told { kind: event.kind, json, debug: format!("{event:?}") };
        self.0.lock().unwrap().push(told);
    }
}

impl Trail {
    /// A world that leaves a trail.
    pub(super) fn of(authority: ScriptedAuthority) -> (World, Self) {
        let trail = Self::default();
        let world = World::with(authority, |builder| builder.audit(trail.clone()));
        (world, trail)
    }

    /// What was told since the last call.
    pub(super) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(super) fn take_kinds(&self) -> Vec<Kind> {
        self.take().into_iter().map(|told| told.kind).collect()
    }

    /// The only thing that was told since the last call.
    #[track_caller]
    pub(super) fn take_one(&self) -> Told {
        let [told] = self.take().try_into().unwrap();
        told
    }
}

pub(super) const fn refused(reason: Reason) -> Kind {
    Kind::Refused(Problem::StepUpRequired(reason))
}

pub(super) const fn accepted(message: u32) -> Kind {
    Kind::Started { message, outcome: StartOutcome::Accepted }
}
