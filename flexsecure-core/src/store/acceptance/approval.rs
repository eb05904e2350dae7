use super::super::FlowRecord;
use crate::authority::{Accepted, CheckReply, StartReply, Txn};
use crate::flow::{Cx, Flow, Input};
use crate::{Elevation, Timestamp};

/// What an approved flow comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Approval {
    /// The record to swap in.
    pub record: FlowRecord,
    /// The elevation to grant with it.
    pub elevation: Elevation,
}

/// The record that follows `record`, a flow not begun yet, once its user has approved it.
#[must_use]
pub fn approve(record: &FlowRecord, now: Timestamp) -> Approval {
    let started = begin(record, now);
    let flow = step(&started, Input::Check(CheckReply::Authenticated), now);
    let record = record.next(flow);
    let Some(elevation) = record.elevation() else { panic!("an approved flow is authenticated") };
    Approval { record, elevation }
}

/// The record that follows `record`, a flow not begun yet, once its user has a message.
#[must_use]
pub fn begin(record: &FlowRecord, now: Timestamp) -> FlowRecord {
    let begun = record.next(step(record, Input::Begin { idempotent: false }, now));
    let accepted = Accepted::default().txn(Txn::new("txn-of-an-acceptance-test"));
    record.next(step(&begun, Input::Start(StartReply::Accepted(accepted)), now))
}

/// The record that follows `record`, once its user has given up.
#[must_use]
pub fn cancel(record: &FlowRecord, now: Timestamp) -> FlowRecord {
    record.next(step(record, Input::Cancel, now))
}

/// The flow of `record` after `input`.
pub(super) fn step(record: &FlowRecord, input: Input, now: Timestamp) -> Flow {
    match record.flow.clone().step(input, Cx::at(now)) {
        Ok(step) => step.flow,
        Err(illegal) => panic!("a test takes no such step: {illegal}"),
    }
}
