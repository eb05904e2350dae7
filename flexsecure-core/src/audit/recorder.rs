use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Audit, Event, TracingAudit};

/// Hands events to where they are kept, which has no say in what the gate does: not even by a panic,
/// which would leave a flow half told and whoever waits for it without news.
#[derive(Debug)]
pub(crate) struct Recorder(Box<dyn Audit>);

impl Recorder {
    pub(crate) fn new(audit: impl Audit) -> Self {
        Self(Box::new(audit))
    }

    pub(crate) fn record(&self, event: &Event<'_>) {
        // Nothing of ours is touched in there, so nothing of ours can be left half done.
        if catch_unwind(AssertUnwindSafe(|| self.0.record(event))).is_err() {
            tracing::error!(
                target: "flexsecure::gate",
                event = event.kind.name(),
                "the audit trail lacks an event: what should have kept it panicked"
            );
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(TracingAudit)
    }
}
