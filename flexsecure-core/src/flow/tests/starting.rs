//! From idle to started: what is sent, and what is learnt.

use std::time::Duration;

use super::builders::{
    EPOCH, Run, SEND_1, not_admitted, not_started, seconds, start, told, unavailable, wake,
};
use crate::Method;
use crate::authority::{Accepted, CheckReply, MatchNumber, StartReply, Txn};
use crate::flow::{Effect, Hindrance, Input, Objection, Over};

const BEGIN: Input = Input::Begin { idempotent: false };
const BEGIN_IDEMPOTENT: Input = Input::Begin { idempotent: true };

/// Every input that an impatient client and its driver come up with.
fn eager_inputs() -> [Input; 5] {
    [BEGIN, BEGIN_IDEMPOTENT, Input::Resend, wake(), start(StartReply::Unknown)]
}

/// How many starts are sent while `inputs` are given every second for 29 seconds: less than the
/// cool-down, so none of them is asked for by the user.
fn unasked_starts(mut run: Run, inputs: &[Input]) -> usize {
    let mut starts = 0;
    for _ in 0..29 {
        run.wait(1);
        for input in inputs {
            let effect = run.step(input.clone()).ok().and_then(|step| step.effect);
            starts += usize::from(matches!(effect, Some(Effect::Start { .. })));
        }
    }
    starts
}

#[test]
fn one_start_is_sent_whatever_races() {
    let mut run = Run::open(Method::Pin);
    assert_eq!(run.takes(BEGIN), Some(SEND_1));
    assert!(run.flow.is_starting());
    assert_eq!(run.objects_to(BEGIN), Objection::Begun);
    assert_eq!(unasked_starts(run, &eager_inputs()), 0);
}

#[test]
fn unknown_outcome_is_not_repeated_by_itself() {
    let run = Run::unconfirmed(Method::Passwordless);
    assert_eq!(run.flow.state(), "started");
    assert_eq!(unasked_starts(run, &eager_inputs()), 0);
}

#[test]
fn unknown_outcome_is_repeated_once_where_a_repeated_start_is_recognized() {
    let mut run = Run::begun(Method::Passwordless, true);
    assert_eq!(run.takes(start(StartReply::Unknown)), Some(SEND_1));
    assert!(run.flow.is_starting());
    assert_eq!(run.takes(start(StartReply::Unknown)), None);
    assert_eq!(run.flow.state(), "started");

    let run = Run::begun(Method::Passwordless, true);
    assert_eq!(unasked_starts(run, &eager_inputs()), 1);
}

#[test]
fn start_that_nobody_answered_counts_as_made_after_six_seconds() {
    let mut run = Run::begun(Method::Passwordless, false).after(5);
    run.wait_millis(999);
    assert_eq!(run.takes(wake()), None);
    assert_eq!(run.flow.state(), "idle");
    run.wait_millis(1);
    assert!(matches!(run.takes(wake()), Some(Effect::Check { .. })));
    assert_eq!(run.flow.state(), "started");
    assert_eq!(run.flow.txn(), None);
    assert_eq!(run.flow.expires_in(run.now), Some(seconds(594)));
}

#[test]
fn start_that_nobody_answered_is_repeated_once_where_that_is_recognized() {
    let mut run = Run::begun(Method::Passwordless, true).after(6);
    assert_eq!(run.takes(wake()), Some(SEND_1));
    run.wait(6);
    assert!(matches!(run.takes(wake()), Some(Effect::Check { .. })));
    assert_eq!(run.flow.state(), "started");
}

#[test]
fn start_is_not_repeated_once_its_message_would_be_over() {
    for (method, lifetime) in [(Method::Pin, 300), (Method::Passwordless, 600)] {
        let mut run = Run::begun(method, true).after(lifetime);
        assert_eq!(run.takes(wake()), None);
        assert_eq!(run.flow.state(), "expired");
        let mut run = Run::begun(method, true).after(lifetime - 1);
        assert_eq!(run.takes(wake()), Some(SEND_1));
    }
}

#[test]
fn late_answer_to_the_start_is_learnt() {
    let mut run = Run::begun(Method::Passwordless, false).after(7).then(wake());
    run.takes(start(StartReply::Accepted(told(Method::Pin))));
    assert_eq!(run.flow.txn(), Some(&Txn::new("login")));
    assert_eq!(run.flow.method(), Some(Method::Pin));
}

#[test]
fn start_that_did_not_happen_can_be_asked_for_again_after_a_while() {
    for (told, seconds) in [(None, 5), (Some(0), 1), (Some(1), 1), (Some(60), 60), (Some(61), 60)] {
        let mut run = Run::begun(Method::Pin, false).then(not_started(told));
        assert!(!run.flow.is_starting());
        let until = run.now.after(Duration::from_secs(seconds));
        run.wait_millis(seconds * 1000 - 1);
        assert_eq!(run.objects_to(BEGIN), Objection::TooSoon { until });
        run.wait_millis(1);
        assert_eq!(run.takes(BEGIN), Some(SEND_1));
    }
}

#[test]
fn start_that_may_have_happened_is_not_undone_by_one_that_did_not() {
    for second in [not_started(None), not_admitted(5)] {
        let mut run =
            Run::begun(Method::Pin, true).then(start(StartReply::Unknown)).then(second).after(5);
        assert_eq!(run.flow.state(), "started");
        assert_eq!(run.objects_to(BEGIN), Objection::Begun);
        assert_eq!(unasked_starts(run, &[BEGIN, BEGIN_IDEMPOTENT, wake()]), 0);
    }
}

#[test]
fn start_that_was_not_admitted_can_be_asked_for_again_at_any_time() {
    let mut run = Run::begun(Method::Pin, true).after(1).then(not_admitted(90));
    let until = EPOCH.after(seconds(90));
    assert_eq!(run.flow.hindrance(), Some((Hindrance::TooManyStarts, until)));
    assert!(!run.flow.is_starting());
    run.wait(1);
    assert_eq!(run.takes(BEGIN), Some(SEND_1));
    assert_eq!(run.flow.hindrance(), None);
}

#[test]
fn authority_that_sent_nothing_is_told_as_unavailable() {
    let run = Run::begun(Method::Pin, false).then(not_started(Some(9)));
    assert_eq!(run.flow.hindrance(), Some((Hindrance::Unavailable, EPOCH.after(seconds(9)))));
}

#[test]
fn idle_flow_is_kept_ten_minutes() {
    let run = Run::open(Method::Pin).after(599).then(wake());
    assert_eq!(run.flow.state(), "idle");
    assert_eq!(run.wake_at, Some(run.now.after(seconds(1))));
    let run = run.after(1).then(wake());
    assert_eq!(run.flow.state(), "expired");
}

#[test]
fn lifetime_is_the_methods_where_it_is_not_told() {
    let in_time = |run: Run| run.flow.expires_in(run.now).map(|left| left.as_secs());
    assert_eq!(in_time(Run::v1(Method::Pin)), Some(300));
    assert_eq!(in_time(Run::v1(Method::Passwordless)), Some(600));
    assert_eq!(in_time(Run::unconfirmed(Method::Pin)), Some(300));
    assert_eq!(in_time(Run::unconfirmed(Method::Passwordless)), Some(600));
    let told_pin = Run::started(Method::Passwordless, Accepted::default().method(Method::Pin));
    assert_eq!(in_time(told_pin), Some(300));
}

#[test]
fn lifetime_counts_from_the_answer_and_is_never_longer_than_ten_minutes() {
    for (told, kept) in [(0, 0), (1, 1), (299, 299), (600, 600), (601, 600), (u64::MAX, 600)] {
        let accepted = Accepted::default().expires_in(seconds(told));
        let run = Run::begun(Method::Pin, false).after(4);
        let run = run.then(start(StartReply::Accepted(accepted)));
        assert_eq!(run.flow.expires_in(run.now), Some(seconds(kept)));
        assert!(run.after(kept).flow_at_its_time().is_over());
    }
}

#[test]
fn interval_is_between_one_and_thirty_seconds() {
    for (told, kept) in [(None, 2), (Some(0), 1), (Some(1), 1), (Some(30), 30), (Some(31), 30)] {
        let accepted = Accepted { interval: told.map(seconds), ..Accepted::default() };
        let run = Run::started(Method::Passwordless, accepted);
        assert_eq!(run.flow.interval(), Some(seconds(kept)));
    }
}

#[test]
fn what_is_told_is_learnt_and_what_is_not_told_is_kept() {
    let number = MatchNumber::parse("47");
    let first = told(Method::Pin).interval(seconds(3));
    let run = Run::started(Method::Passwordless, Accepted { match_number: number, ..first });
    assert_eq!(run.flow.method(), Some(Method::Pin));
    assert_eq!(run.flow.match_number(), number);

    let nothing_new = start(StartReply::Accepted(Accepted::default()));
    let run = run.after(30).then(Input::Resend).then(nothing_new);
    assert_eq!(run.flow.method(), Some(Method::Pin));
    assert_eq!(run.flow.txn(), Some(&Txn::new("login")));
    assert_eq!(run.flow.match_number(), number);
    assert_eq!(run.flow.interval(), Some(seconds(3)));
    assert_eq!(run.flow.expires_in(run.now), Some(seconds(300)));
}

#[test]
fn match_number_is_learnt_without_a_login_and_goes_with_it() {
    let number = MatchNumber::parse("47");
    let accepted = Accepted { match_number: number, ..Accepted::default() };
    let run = Run::started(Method::Passwordless, accepted);
    assert_eq!(run.flow.match_number(), number);

    let other_login = start(StartReply::Accepted(told(Method::Passwordless)));
    let run = run.after(30).then(Input::Resend).then(other_login);
    assert_eq!(run.flow.match_number(), None);
}

#[test]
fn refusal_of_the_user_or_of_us_ends_the_flow_at_any_start() {
    for reply in [StartReply::Refused, StartReply::Misconfigured] {
        let first = Run::begun(Method::Pin, false);
        let another = Run::told(Method::Pin).after(30).then(Input::Resend);
        let given_up_on = Run::begun(Method::Pin, false).after(6);
        for mut run in [first, another, given_up_on] {
            run.takes(start(reply.clone()));
            assert_eq!(run.over(), Some(Over::Refused));
        }
    }
}

#[test]
fn only_what_was_told_outweighs_the_proof() {
    let proofs = [
        (Input::Check(CheckReply::Authenticated), Method::Passwordless),
        (Input::PinCheck(CheckReply::Authenticated), Method::Pin),
    ];
    for (proof, proven) in proofs {
        let expected = Run::v1(Method::Passwordless).then(Input::Pin).then(proof.clone());
        assert_eq!(expected.flow.method(), Some(proven));
        let told = Run::told(Method::Pin).then(Input::Pin).then(proof);
        assert_eq!(told.flow.method(), Some(Method::Pin));
    }
}

#[test]
fn method_is_told_only_while_and_after_the_user_is_asked() {
    assert_eq!(Run::open(Method::Pin).flow.method(), None);
    assert_eq!(Run::begun(Method::Pin, false).flow.method(), None);
    assert_eq!(Run::v1(Method::Pin).flow.method(), Some(Method::Pin));
    let outage = Run::v1(Method::Pin).with_pin(unavailable(None));
    assert_eq!(outage.flow.method(), Some(Method::Pin));
    assert_eq!(outage.then(Input::Cancel).flow.method(), None);
}
