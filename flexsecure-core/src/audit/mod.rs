//! What the gate did, for whoever has to answer for it later.
//!
//! Every decision that refuses, starts, ends or consumes something is an [`Event`]: one is
//! [`recorded`](Audit::record) for
//!
//! | event | when |
//! | --- | --- |
//! | [`refused`](Kind::Refused) | a request that needs a proof is refused, by the gate or through [`Ask`](crate::Ask); or one that would start, cancel or feed a flow |
//! | [`would-refuse`](Kind::WouldRefuse) | the same, where the policy only [annotates](crate::policy::Annotate) |
//! | [`flow-opened`](Kind::FlowOpened) | a flow is opened |
//! | [`started`](Kind::Started) | the authority was asked for a message |
//! | [`pin-rejected`](Kind::PinRejected) | the authority was asked about a PIN, and it was wrong |
//! | [`ended`](Kind::Ended) | a flow is over: authenticated, refused, declined, cancelled, or out of attempts or time |
//! | [`consumed`](Kind::Consumed) | a proof that is good for one request lets that request through |
//! | [`revoked`](Kind::Revoked), [`rebound`](Kind::Rebound) | the app says so |
//! | [`misconfigured`](Kind::Misconfigured) | the authority refuses the gate's key |
//!
//! A request that passes with a proof it may use again is no event, and neither is one that needs
//! none: the way that most requests take costs nothing. Nor is a poll, of the authority or of a flow;
//! the last event of a flow says how many of the former there were.
//! [`Gate::explain`](crate::Gate::explain) and [`Gate::probe`](crate::Gate::probe) only ask, and what
//! an app refuses by [`Gate::denied`](crate::Gate::denied) the gate does not see.
//!
//! By default events go to `tracing`, by [`TracingAudit`]. To keep them apart, implement [`Audit`];
//! an event serializes as one flat object:
//!
//! ```
//! use std::io::Write;
//! use std::sync::mpsc::{SyncSender, sync_channel};
//!
//! use flexsecure_core::audit::{Audit, Event};
//! # use flexsecure_core::{Gate, authority::ScriptedAuthority};
//!
//! /// Lines of JSON, written by a thread of their own.
//! #[derive(Debug)]
//! struct JsonLines(SyncSender<String>);
//!
//! impl JsonLines {
//!     fn to(mut file: impl Write + Send + 'static) -> Self {
//!         let (lines, received) = sync_channel::<String>(10_000);
//!         std::thread::spawn(move || {
//!             for line in received {
//!                 if let Err(error) = writeln!(file, "{line}") {
//!                     tracing::error!(%error, "the audit trail cannot be written");
//!                 }
//!             }
//!         });
//!         Self(lines)
//!     }
//! }
//!
//! impl Audit for JsonLines {
//!     fn record(&self, event: &Event<'_>) {
//!         // {"at":1767225600000,"event":"refused","problem":"step-up-required","reason":"missing",
//!         //  "auth_id":"alice","session":"5f0c1a9e","system":"bank"}
//!         let line = serde_json::to_string(event).unwrap_or_default();
//!         if self.0.try_send(line).is_err() {
//!             tracing::error!("the audit trail lacks an event: its writer is too slow");
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let authority = ScriptedAuthority::passwordless();
//! # let path = std::env::temp_dir().join(format!("flexsecure-audit-{}", std::process::id()));
//! let gate = Gate::builder(authority).audit(JsonLines::to(std::fs::File::create(&path)?)).build()?;
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a trail tells, and what it does not
//!
//! What the gate did is recorded once it is stored; what the authority answered as soon as it is
//! there, whether or not it can be stored then. Events of one request or flow come in the order in
//! which they happened on one node; those of several have to be sorted by their time.
//!
//! A flow [ends](Kind::Ended) once: of all nodes, the one that stores the end tells it, in the name of
//! the session that it found. That the time of a flow has run out is told when somebody looks: who
//! waits, polls or asks for it. One to which nobody comes back within the
//! [time for which ends are kept](crate::store::RETENTION) has no last event, and is over ten minutes
//! after its last start, or after it was opened. The flows that go with a revocation have that for
//! their end.
//!
//! A process that dies, or a client that leaves while its request is at the store, can leave a
//! deed without its event: a flow opened, a proof spent on a request that did not pass. No request
//! waits for a trail, so none is refused for want of one; where that has to be, keep the trail of the
//! authority, which sees every message and every approval.

mod event;
mod line;
mod recorder;
mod tracing;

use std::fmt;
use std::sync::Arc;

pub use self::event::{End, Event, Kind, Revocation, SessionTag, StartOutcome};
pub use self::tracing::TracingAudit;

pub(crate) use self::recorder::Recorder;

/// Keeps what the gate did.
pub trait Audit: fmt::Debug + Send + Sync + 'static {
    /// Takes note of `event`.
    ///
    /// It is called from within the request or the flow that the event is about, so it must not
    /// block: hand the event to a thread or a task that writes, and drop it rather than wait. It must
    /// not call the gate.
    ///
    /// A panic in here is caught and logged, and the event is lost: nothing passes and no flow is
    /// held up because of it. Where a panic aborts the process, it aborts this one too.
    fn record(&self, event: &Event<'_>);
}

impl<A: Audit + ?Sized> Audit for Arc<A> {
    fn record(&self, event: &Event<'_>) {
        (**self).record(event);
    }
}
