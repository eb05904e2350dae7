//! How many PINs are compared, whatever races.

use super::builders::{Run, UNSENT, WRONG, refusal, start, told, unavailable, wake};
use crate::Method;
use crate::authority::{CheckReply, SecurityErrorReason, StartReply};
use crate::flow::{Effect, Input, Objection, Over};

fn pin() -> Run {
    Run::told(Method::Pin)
}

const fn wrong_with(attempts_left: u8) -> CheckReply {
    CheckReply::SecurityError { attempts_left: Some(attempts_left), reason: None }
}

#[test]
fn attempt_is_counted_in_the_step_that_sends_it() {
    let mut run = pin();
    assert_eq!(run.flow.attempts_left(), Some(5));
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(run.takes(Input::Pin), Some(Effect::CheckPin));
        assert_eq!(run.flow.attempts_left(), Some(left));
    }
    assert_eq!(run.objects_to(Input::Pin), Objection::NoAttempt);
}

#[test]
fn fifth_wrong_pin_ends_the_flow() {
    let run = pin().with_wrong_pins(4);
    assert_eq!(run.flow.attempts_left(), Some(1));
    let run = run.with_wrong_pins(1);
    assert_eq!(run.over(), Some(Over::Attempts));
}

#[test]
fn last_attempt_on_its_way_does_not_end_the_flow() {
    let mut all_at_once = (0..5).fold(pin(), |run, _| run.then(Input::Pin));
    for _ in 0..4 {
        all_at_once.takes(Input::PinCheck(WRONG));
        assert_eq!(all_at_once.flow.state(), "started");
    }
    let right = all_at_once.clone().then(Input::PinCheck(CheckReply::Authenticated));
    assert_eq!(right.flow.state(), "authenticated");
    let wrong = all_at_once.then(Input::PinCheck(WRONG));
    assert_eq!(wrong.over(), Some(Over::Attempts));
}

#[test]
fn attempt_that_was_not_sent_is_given_back() {
    let mut run = pin();
    for _ in 0..20 {
        run = run.with_pin(UNSENT);
        assert_eq!(run.flow.attempts_left(), Some(5));
    }
    let last = run.with_wrong_pins(4).with_pin(UNSENT);
    assert_eq!(last.flow.attempts_left(), Some(1));
}

#[test]
fn attempt_that_may_have_been_sent_is_not_given_back() {
    let mut run = (0..5).fold(pin(), |run, _| run.with_pin(unavailable(None)));
    assert_eq!(run.flow.attempts_left(), Some(0));
    assert_eq!(run.flow.state(), "started");
    run.takes(Input::Pin);
    assert_eq!(run.over(), Some(Over::Attempts));
}

#[test]
fn flow_without_attempts_is_still_checked_for_the_one_that_may_have_been_right() {
    let mut run = (0..5).fold(pin(), |run, _| run.with_pin(unavailable(None)));
    assert!(matches!(run.takes(wake()), Some(Effect::Check { .. })));
    run.takes(Input::Check(CheckReply::Authenticated));
    assert_eq!(run.flow.method(), Some(Method::Pin));
}

#[test]
fn answer_to_no_pin_gives_no_attempt_and_authenticates_nobody() {
    for reply in [UNSENT, CheckReply::Authenticated, WRONG] {
        let mut run = pin().with_wrong_pins(3);
        assert_eq!(run.objects_to(Input::PinCheck(reply)), Objection::Unasked);
        assert_eq!(run.flow.attempts_left(), Some(2));
    }
}

#[test]
fn authority_can_lower_the_attempts_but_not_raise_them() {
    assert_eq!(pin().with_pin(wrong_with(2)).flow.attempts_left(), Some(2));
    assert_eq!(pin().with_pin(wrong_with(200)).flow.attempts_left(), Some(4));
    assert_eq!(pin().with_pin(wrong_with(0)).over(), Some(Over::Attempts));
    let run = pin().with_pin(refusal(SecurityErrorReason::Attempts));
    assert_eq!(run.over(), Some(Over::Attempts));
}

#[test]
fn another_message_resets_no_attempt() {
    let mut run = pin().with_wrong_pins(3).after(30);
    run.takes(Input::Resend);
    assert_eq!(run.flow.attempts_left(), Some(2));
    run.takes(start(StartReply::Accepted(told(Method::Pin))));
    assert_eq!(run.flow.attempts_left(), Some(2));
    assert_eq!(run.with_wrong_pins(2).over(), Some(Over::Attempts));
}

#[test]
fn pin_is_taken_unless_the_authority_said_that_there_is_none() {
    assert!(Run::v1(Method::Pin).sends_pin());
    assert!(Run::v1(Method::Passwordless).sends_pin());
    assert!(Run::unconfirmed(Method::Passwordless).sends_pin());
    let mut link = Run::told(Method::Passwordless);
    assert!(!link.flow.takes_pin());
    assert_eq!(link.objects_to(Input::Pin), Objection::NoPin);
}

#[test]
fn attempts_are_told_wherever_a_pin_is_taken() {
    assert_eq!(Run::v1(Method::Passwordless).with_wrong_pins(1).flow.attempts_left(), Some(4));
    assert_eq!(Run::told(Method::Passwordless).flow.attempts_left(), None);
    assert_eq!(Run::open(Method::Pin).flow.attempts_left(), None);
    assert_eq!(pin().then(Input::Cancel).flow.attempts_left(), None);
}

#[test]
fn declined_while_a_pin_is_on_its_way_is_declined() {
    let run = pin().then(Input::Pin).with_pin(refusal(SecurityErrorReason::Declined));
    assert_eq!(run.over(), Some(Over::Declined));
}
