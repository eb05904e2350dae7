//! Started and polling: when to check, when to send again.

use super::builders::{
    CHECK, Run, not_admitted, not_started, seconds, start, told, unavailable, wake,
};
use crate::authority::{Accepted, CheckReply, StartReply};
use crate::flow::{Effect, Input, Objection};
use crate::{Method, Timestamp};

const PENDING: Input = Input::Check(CheckReply::Pending);

fn link() -> Run {
    Run::told(Method::Passwordless)
}

/// The seconds until the next check after each of `retry_after`, the answers to one check each.
fn waits(answers: &[Option<u64>]) -> Vec<u64> {
    let mut run = link();
    let wait_after = |retry_after: &Option<u64>| {
        assert_eq!(run.takes(wake()), Some(CHECK));
        run.takes(Input::Check(unavailable(*retry_after)));
        let millis = run.millis_to_check().unwrap();
        run.wait_millis(millis);
        millis / 1000
    };
    answers.iter().map(wait_after).collect()
}

#[test]
fn pending_is_polling_and_no_pin_answer_is() {
    assert_eq!(link().then(wake()).then(PENDING).flow.state(), "polling");
    let pin = Run::told(Method::Pin).with_pin(CheckReply::Pending);
    assert_eq!(pin.flow.state(), "started");
}

#[test]
fn other_success_is_pending_and_authenticates_nobody() {
    let mut run = link();
    for _ in 0..60 {
        run.wait(10);
        run.takes(wake());
        assert_ne!(run.flow.state(), "authenticated");
        run.step(PENDING).ok();
    }
    assert_eq!(run.flow.state(), "expired");
}

#[test]
fn outage_neither_ends_nor_authenticates() {
    for mut run in [link(), Run::told(Method::Pin), Run::unconfirmed(Method::Passwordless)] {
        for _ in 0..290 {
            run.wait(1);
            if let Some(Effect::Check { .. }) = run.takes(wake()) {
                run.takes(Input::Check(unavailable(None)));
            }
            assert_eq!(run.flow.state(), "started");
        }
    }
}

#[test]
fn outage_during_a_resend_changes_nothing() {
    let before = link().after(30).then(Input::Resend);
    let after = before.clone().then(start(StartReply::Unknown));
    assert_eq!(after.flow, before.flow);
}

#[test]
fn v1_flow_with_a_pin_is_never_checked_without_one() {
    for mut run in [Run::v1(Method::Pin), Run::unconfirmed(Method::Pin)] {
        for _ in 0..300 {
            assert_eq!(run.wake_at, Some(run.now.after(run.flow.expires_in(run.now).unwrap())));
            run.wait(1);
            assert_eq!(run.takes(wake()), None);
        }
        assert_eq!(run.flow.state(), "expired");
    }
    assert_eq!(Run::told(Method::Pin).takes(wake()), Some(CHECK));
}

#[test]
fn back_off_grows_and_is_forgotten_after_an_answer() {
    assert_eq!(waits(&[None; 6]), [2, 3, 5, 5, 5, 5]);

    let mut run = link().then(wake()).then(Input::Check(unavailable(None)));
    run.wait(2);
    run.takes(wake());
    run.takes(PENDING);
    run.wait(2);
    run.takes(wake());
    run.takes(Input::Check(unavailable(None)));
    assert_eq!(run.millis_to_check(), Some(2000));
}

#[test]
fn retry_after_is_honoured_between_two_seconds_and_a_minute() {
    assert_eq!(waits(&[Some(0), Some(1), Some(2), Some(7)]), [2, 2, 2, 7]);
    assert_eq!(waits(&[Some(60), Some(61), Some(u64::MAX)]), [60, 60, 60]);
}

#[test]
fn failures_do_not_overflow() {
    assert!(waits(&[Some(2); 280]).iter().all(|wait| *wait == 2));
}

#[test]
fn next_check_counts_from_the_last_one() {
    let mut run = link().then(wake());
    run.wait_millis(500);
    run.takes(PENDING);
    assert_eq!(run.millis_to_check(), Some(1500));

    let mut held = link().then(Input::Wake { hold: seconds(30) });
    held.wait(30);
    held.takes(PENDING);
    assert_eq!(held.millis_to_check(), Some(0));
}

#[test]
fn checks_grow_rarer_with_the_flows_age() {
    let interval = |age: u64| link().after(age).then(wake()).then(PENDING).millis_to_check();
    assert_eq!(interval(0), Some(2000));
    assert_eq!(interval(59), Some(2000));
    assert_eq!(interval(60), Some(3000));
    assert_eq!(interval(179), Some(3000));
    assert_eq!(interval(180), Some(5000));

    let accepted = told(Method::Passwordless).interval(seconds(30));
    let slow = Run::started(Method::Passwordless, accepted).after(180).then(wake()).then(PENDING);
    assert_eq!(slow.millis_to_check(), Some(75_000));
}

#[test]
fn one_check_is_made_at_a_time() {
    let mut run = link();
    let effects: Vec<_> = (0..100).filter_map(|_| run.takes(wake())).collect();
    assert_eq!(effects, [CHECK]);
}

#[test]
fn check_is_given_up_on_four_seconds_after_its_hold() {
    let mut run = link();
    assert_eq!(run.takes(wake()), Some(CHECK));
    assert_eq!(run.millis_to_check(), Some(4000));

    let hold = seconds(30);
    let mut run = link();
    assert_eq!(run.takes(Input::Wake { hold }), Some(Effect::Check { hold }));
    assert_eq!(run.millis_to_check(), Some(34_000));
}

#[test]
fn answer_that_was_given_up_on_still_counts() {
    let mut run = link().then(wake()).after(5).then(wake());
    run.takes(Input::Check(CheckReply::Authenticated));
    assert_eq!(run.flow.state(), "authenticated");
}

#[test]
fn wake_is_asked_for_in_the_future_once_awake() {
    let mut run = link();
    while !run.flow.is_over() {
        run.takes(wake());
        assert!(run.wake_at.is_none_or(|at| at > run.now));
        run.wait(3);
    }
    assert_eq!(run.wake_at, None);
}

#[test]
fn wake_is_asked_for_no_later_than_the_deadline() {
    let accepted = told(Method::Passwordless).expires_in(seconds(3));
    let run = Run::started(Method::Passwordless, accepted).then(wake());
    assert_eq!(run.wake_at, Some(run.now.after(seconds(3))));
}

#[test]
fn message_is_sent_again_after_thirty_seconds_then_twice_as_many() {
    let mut run = link();
    for (send, cool_down) in [(2, 30), (3, 60), (4, 120), (5, 240), (6, 480)] {
        let until = run.now.after(seconds(cool_down));
        assert_eq!(run.flow.resend_from(), Some(until));
        run.wait_millis(cool_down * 1000 - 1);
        assert_eq!(run.objects_to(Input::Resend), Objection::TooSoon { until });
        run.wait_millis(1);
        assert_eq!(run.takes(Input::Resend), Some(Effect::Start { send }));
        run.takes(start(StartReply::Accepted(told(Method::Passwordless))));
    }
    assert!(run.after(600).flow_at_its_time().is_over());
}

#[test]
fn message_that_was_not_sent_counts_for_nothing_but_its_number() {
    let mut run = link().after(30);
    for (send, answer) in [(2, not_started(None)), (3, not_admitted(40)), (4, not_started(None))] {
        assert_eq!(run.takes(Input::Resend), Some(Effect::Start { send }));
        run.takes(answer);
        assert_eq!(run.flow.resend_from(), Some(run.now.after(seconds(5))));
        run.wait(5);
    }
    assert_eq!(run.takes(Input::Resend), Some(Effect::Start { send: 5 }));
    assert_eq!(run.flow.resend_from(), Some(run.now.after(seconds(60))));
}

#[test]
fn message_of_unknown_fate_counts_as_sent() {
    let run = link().after(30).then(Input::Resend).then(start(StartReply::Unknown));
    assert_eq!(run.flow.resend_from(), Some(run.now.after(seconds(60))));
}

#[test]
fn another_message_starts_the_lifetime_anew_once_it_is_accepted() {
    let mut run = Run::v1(Method::Pin).after(200).then(Input::Resend);
    assert_eq!(run.flow.expires_in(run.now), Some(seconds(100)));
    run.takes(start(StartReply::Accepted(Accepted::default())));
    assert_eq!(run.flow.expires_in(run.now), Some(seconds(300)));
}

#[test]
fn clock_set_back_changes_no_state() {
    let now_then =
        [link(), link().then(wake()), Run::open(Method::Pin), Run::begun(Method::Pin, true)];
    for run in now_then {
        let mut back = run.clone();
        back.now = Timestamp::from_millis(0);
        back.takes(wake());
        assert_eq!(back.flow.state(), run.flow.state());
    }
}
