//! What is over stays over, and time is looked at first.

use super::builders::{EPOCH, Run, WRONG, not_admitted, not_started, seconds, start, told, wake};
use crate::authority::{CheckReply, StartReply};
use crate::flow::{Expired, Flow, Input, Objection, Over};
use crate::{Method, Timestamp};

impl Run {
    pub(super) fn flow_at_its_time(&self) -> Flow {
        self.flow.clone().at(self.now)
    }

    pub(super) fn over(&self) -> Option<Over> {
        match &self.flow {
            Flow::Expired(end) => Some(end.over()),
            Flow::Idle(_) | Flow::Started(_) | Flow::Polling(_) | Flow::Authenticated(_) => None,
        }
    }
}

fn answers_and_wishes() -> Vec<Input> {
    let mut inputs = vec![
        Input::Begin { idempotent: true },
        Input::Resend,
        start(StartReply::Accepted(told(Method::Pin))),
        start(StartReply::Refused),
        start(StartReply::Unknown),
        not_started(None),
        not_admitted(5),
        Input::Pin,
        Input::Cancel,
    ];
    let replies = [CheckReply::Authenticated, CheckReply::Pending, CheckReply::Expired, WRONG];
    inputs.extend(replies.map(Input::Check));
    inputs.extend(replies.map(Input::PinCheck));
    inputs
}

#[test]
fn time_is_looked_at_before_any_input() {
    let pin = Run::told(Method::Pin);
    let runs_out = [
        (Run::open(Method::Pin), 600),
        (Run::begun(Method::Pin, false), 300),
        (Run::begun(Method::Pin, true), 300),
        (pin.clone().then(Input::Pin), 300),
        (pin.then(Input::Check(CheckReply::Pending)).then(Input::Pin), 300),
        (Run::told(Method::Passwordless).then(wake()), 600),
    ];
    for (run, lifetime) in runs_out {
        let run = run.after(lifetime);
        let timeout = Flow::Expired(Expired { at: run.now, over: Over::Timeout });
        assert_eq!(run.clone().then(wake()).flow, timeout);
        for input in answers_and_wishes() {
            let mut late = run.clone();
            late.wait_millis(1);
            let illegal = late.step(input.clone()).unwrap_err();
            assert_eq!(illegal.objection, Objection::Over);
            assert_eq!(illegal.flow, timeout);
            assert_eq!(illegal.input, input);
        }
    }
}

#[test]
fn last_millisecond_counts() {
    let mut run = Run::told(Method::Passwordless).after(599);
    run.wait_millis(999);
    run.takes(Input::Check(CheckReply::Authenticated));
    assert_eq!(run.flow.state(), "authenticated");
}

#[test]
fn nothing_follows_an_end() {
    let link = Run::told(Method::Passwordless);
    let ends = [
        link.clone().then(Input::Check(CheckReply::Authenticated)),
        link.clone().then(Input::Check(CheckReply::Expired)),
        link.then(Input::Cancel),
        Run::told(Method::Pin).with_wrong_pins(5),
    ];
    for run in ends {
        let mut later = run.clone().after(1_000_000);
        assert_eq!(later.takes(wake()), None);
        assert_eq!(later.wake_at, None);
        for input in answers_and_wishes() {
            assert_eq!(later.objects_to(input), Objection::Over);
        }
        assert_eq!(later.flow, run.flow);
    }
}

#[test]
fn end_is_when_the_time_ran_out_not_when_it_was_noticed() {
    let run = Run::told(Method::Pin).after(10_000).then(wake());
    assert_eq!(run.flow.ended_at(), Some(EPOCH.after(seconds(300))));
    let run = Run::told(Method::Pin).after(7).then(Input::Cancel);
    assert_eq!(run.flow.ended_at(), Some(run.now));
}

#[test]
fn authenticated_tells_when_and_how() {
    let run = Run::told(Method::Pin).after(9).with_pin(CheckReply::Authenticated);
    let Flow::Authenticated(end) = &run.flow else { panic!("{:?}", run.flow) };
    assert_eq!((end.at(), end.method()), (run.now, Method::Pin));
}

#[test]
fn cancelled_is_over_from_every_live_state() {
    let live = [
        Run::open(Method::Pin),
        Run::begun(Method::Pin, true),
        Run::told(Method::Pin),
        Run::told(Method::Pin).then(Input::Check(CheckReply::Pending)),
    ];
    for run in live {
        assert_eq!(run.then(Input::Cancel).over(), Some(Over::Cancelled));
    }
}

#[test]
fn objection_hands_back_state_and_input() {
    let mut run = Run::told(Method::Passwordless).after(1);
    let before = run.flow.clone();
    let illegal = run.step(Input::Pin).unwrap_err();
    assert_eq!(illegal.to_string(), "a flow that is started takes no such input: it takes no PIN");
    assert_eq!((illegal.flow, illegal.input), (before, Input::Pin));
}

#[test]
fn end_of_time_overflows_nothing() {
    let mut run = Run::told(Method::Passwordless);
    run.now = Timestamp::from_millis(u64::MAX);
    run.takes(wake());
    assert_eq!(run.over(), Some(Over::Timeout));
    let mut run = Run { flow: Flow::open(run.now, Method::Pin), ..run };
    assert_eq!(run.takes(wake()), None);
}
