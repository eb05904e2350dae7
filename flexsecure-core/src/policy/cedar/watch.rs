use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::in_force::LOG;
use super::{CedarError, Shared, Version};

/// Looks at a file again and again.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What it held at the last look, if that is not known to be fine or not.
    unsettled: Option<Version>,
    is_missing: bool,
}

/// What a look at the file has come to.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing has changed since, or what has was judged before.
    Same,
    /// It has changed, and may still be written to.
    Unsettled,
    /// The rules were replaced.
    Replaced,
    /// What it holds now was refused, and the rules are what they were.
    Refused(CedarError),
    /// It can't be read any more, and the rules are what they were.
    Missing(CedarError),
}

impl Watch {
    /// Replaces the rules if the file is another than the one last judged, and the same as at the
    /// look before.
    pub(super) fn look(&mut self, shared: &Shared) -> Seen {
        let mut judged = shared.judged();
        let bytes = match shared.origin.bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unsettled = None;
                let was_missing = std::mem::replace(&mut self.is_missing, true);
                return if was_missing { Seen::Same } else { Seen::Missing(error) };
            }
        };
        self.is_missing = false;
        let found = Version::of(&bytes);
        if *judged == Some(found) {
            self.unsettled = None;
            return Seen::Same;
        }
        if self.unsettled.replace(found) != Some(found) {
            return Seen::Unsettled;
        }
        self.unsettled = None;
        match shared.replace(&mut judged, &bytes) {
            Ok(()) => Seen::Replaced,
            Err(error) => Seen::Refused(error),
        }
    }
}

/// Looks every `period`, for as long as anybody has the rules.
pub(super) async fn watch(shared: Weak<Shared>, period: Duration) {
    let mut watch = Watch::default();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let looking = spawn_blocking(move || {
            let seen = watch.look(&shared);
            tell(&seen, &shared);
            watch
        });
        match looking.await {
            Ok(looked) => watch = looked,
            Err(error) => {
                tracing::error!(target: LOG, %error, "the file of rules is no longer watched");
                return;
            }
        }
    }
}

pub(super) fn tell(seen: &Seen, shared: &Arc<Shared>) {
    let file = shared.origin.name();
    match seen {
        Seen::Same | Seen::Unsettled => {}
        Seen::Replaced => {
            let rules = shared.in_force();
            let (policies, version) = (rules.count(), rules.version);
            tracing::info!(target: LOG, file, policies, %version, "the rules have changed");
        }
        Seen::Refused(CedarError::Refused(refused)) => {
            for fault in refused.faults() {
                tracing::error!(
                    target: LOG,
                    version = %shared.in_force().version,
                    "{file}:{fault}: the new rules are refused, the old ones stay"
                );
            }
        }
        Seen::Refused(error) | Seen::Missing(error) => {
            let cause: &dyn std::error::Error = error;
            let cause = cause.source().unwrap_or(cause);
            let version = shared.in_force().version;
            tracing::error!(target: LOG, file, %cause, %version, "the rules can't be read, the old ones stay");
        }
    }
}

/// How often a file is looked at.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
