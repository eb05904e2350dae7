use super::line::Line;
use super::{Audit, End, Event, Kind, Revocation};
use crate::flow::Over;
use crate::refusal::Problem;

/// Writes each event to `tracing`, under the target `flexsecure::audit`: what a gate does unless
/// told otherwise.
///
/// The fields are those of the event's JSON, `event` first. What somebody may have to look into is a
/// warning: a denial, a flow that was refused, declined or ended by wrong PINs, a revocation of more
/// than a session, and an authority that refuses the gate. All the rest is info, refusals that ask
/// for a proof among them.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingAudit;

impl Audit for TracingAudit {
    fn record(&self, event: &Event<'_>) {
        let line = Line::of(event);
        if is_worth_a_look(event.kind) {
            write_down!(tracing::Level::WARN, line);
        } else {
            write_down!(tracing::Level::INFO, line);
        }
    }
}

const fn is_worth_a_look(kind: Kind) -> bool {
    match kind {
        Kind::Refused(problem) | Kind::WouldRefuse(problem) => matches!(problem, Problem::Denied),
        Kind::Ended { end: End::Over(over), .. } => match over {
            Over::Attempts | Over::Refused | Over::Declined => true,
            Over::Timeout | Over::Cancelled => false,
        },
        Kind::Revoked(what) => !matches!(what, Revocation::Session),
        Kind::Misconfigured => true,
        Kind::FlowOpened
        | Kind::Started { .. }
        | Kind::PinRejected { .. }
        | Kind::Ended { end: End::Authenticated(_), .. }
        | Kind::Consumed
        | Kind::Rebound { .. } => false,
    }
}

/// A level is part of the place in the code, so there is one place for each.
macro_rules! write_down {
    ($level:expr, $line:ident) => {
        tracing::event!(
            target: "flexsecure::audit",
            $level,
            event = $line.event,
            at = $line.at,
            problem = $line.problem,
            reason = $line.reason,
            message_number = $line.message,
            outcome = $line.outcome,
            attempts_left = $line.attempts_left,
            end = $line.end,
            method = $line.method,
            polls = $line.polls,
            revoked = $line.revoked,
            before = $line.before,
            from = $line.from.map(display),
            auth_id = $line.auth_id,
            session = $line.session.map(display),
            address = $line.address.map(display),
            flow = $line.flow.map(display),
            system = $line.system,
            operation = $line.operation,
        )
    };
}
use write_down;
