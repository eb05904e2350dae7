use std::{sync::Arc, time::Duration};

use super::*;
use crate::{challenge::MatchNumber, store::AccountId};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const NONCE: &[u8] = b"nonce";

fn keys() -> Arc<ServerKeys> {
    Arc::new(ServerKeys::for_tests())
}

fn right() -> String {
    Pin::derive(&keys().current(), NONCE).expose().to_owned()
}

fn wrong() -> &'static str {
    if right() == "11111111" { "22222222" } else { "11111111" }
}

fn challenge() -> Challenge {
    Challenge {
        id: 7,
        account: AccountId(1),
        user: 1,
        txn: "t".to_owned(),
        method: Method::Pin,
        server_key: keys().current().id().to_owned(),
        nonce: NONCE.to_vec(),
        match_number: None,
        expires_at: NOW.saturating_add(Duration::from_secs(10)),
        sent_at: NOW,
        sends: 1,
        attempts: 0,
        state: State::Pending,
        claimed: false,
    }
}

fn failed(in_row: u32) -> Failures {
    Failures { in_row, streak: in_row, last_at: NOW }
}

fn found(challenge: &Challenge) -> CheckedChallenge {
    CheckedChallenge { challenge: challenge.clone(), requires_txn: false }
}

fn judged(challenge: &Challenge, failures: Failures, pin: &str) -> Judgement {
    let attempt = PinAttempt { keys: keys(), submitted: SubmittedPin::parse(pin), has_txn: true };
    judge_pin(&found(challenge), failures, &attempt, NOW).unwrap()
}

fn told(answer: Answer) -> Judgement {
    Judgement { answer, writes: None }
}

fn rejected(reason: Reason, attempts_left: Option<u8>) -> Answer {
    Answer::Rejected { reason, attempts_left }
}

#[test]
fn the_right_pin_ends_the_challenge_claims_it_and_clears_the_failures() {
    let judgement = judged(&challenge(), failed(9), &right());
    assert_eq!(judgement.answer, Answer::Authenticated);
    let writes = judgement.writes.unwrap();
    assert_eq!(
        (writes.attempts, writes.state, writes.claimed),
        (1, Some(State::Authenticated), true)
    );
    assert_eq!((writes.failures, writes.alert), (FailureChange::Clear, false));
    assert_eq!(writes.events, [Event::Authenticated]);
}

#[test]
fn each_wrong_pin_is_counted_for_the_challenge_and_for_the_user() {
    for attempts in 0..4 {
        let judgement =
            judged(&Challenge { attempts, ..challenge() }, Failures::default(), wrong());
        assert_eq!(judgement.answer, rejected(Reason::Pin, Some(4 - attempts)));
        let writes = judgement.writes.unwrap();
        assert_eq!((writes.attempts, writes.state), (attempts + 1, None));
        assert_eq!(
            writes.failures,
            FailureChange::Set(Failures { in_row: 1, streak: 1, last_at: NOW })
        );
        assert_eq!(writes.events, [Event::WrongPin]);
    }
    let judgement = judged(&Challenge { attempts: 4, ..challenge() }, Failures::default(), wrong());
    assert_eq!(judgement.answer, rejected(Reason::Attempts, Some(0)));
    let writes = judgement.writes.unwrap();
    assert_eq!((writes.attempts, writes.state), (5, Some(State::Locked)));
    assert_eq!(writes.events, [Event::WrongPin, Event::Locked]);
}

#[test]
fn what_is_over_is_not_compared() {
    for (state, answer) in [
        (State::Locked, rejected(Reason::Attempts, Some(0))),
        (State::Declined, rejected(Reason::Declined, None)),
        (State::Expired, Answer::Expired),
        (State::Withdrawn, Answer::Expired),
    ] {
        let over = Challenge { state, attempts: 5, ..challenge() };
        assert_eq!(judged(&over, Failures::default(), &right()), told(answer), "{state:?}");
    }
    let late = Challenge { expires_at: NOW, ..challenge() };
    assert_eq!(judged(&late, Failures::default(), &right()), told(Answer::Expired));
}

#[test]
fn what_can_not_be_right_spends_no_attempt() {
    let malformed = judged(&challenge(), Failures::default(), "1234567");
    assert_eq!(malformed, told(rejected(Reason::Malformed, Some(5))));
    let link = Challenge { method: Method::Passwordless, ..challenge() };
    assert_eq!(judged(&link, Failures::default(), &right()), told(rejected(Reason::Method, None)));
}

#[test]
fn after_a_hundred_failures_not_even_the_right_pin_is_compared() {
    let judgement = judged(&challenge(), failed(100), &right());
    assert_eq!(judgement, told(rejected(Reason::Disabled, Some(5))));
    let last = judged(&challenge(), failed(99), wrong()).writes.unwrap();
    assert_eq!(last.events, [Event::WrongPin, Event::MethodDisabled]);
}

#[test]
fn a_back_off_holds_for_all_but_the_first_pin_of_a_challenge() {
    let second = Challenge { attempts: 1, ..challenge() };
    let wait = Duration::from_secs(30);
    for pin in [right(), wrong().to_owned()] {
        let judgement = judged(&second, failed(10), &pin);
        assert_eq!(judgement, told(Answer::TooSoon { wait, attempts_left: 4 }));
    }
    assert_eq!(judged(&challenge(), failed(10), &right()).answer, Answer::Authenticated);
    let tenth = judged(&second, failed(9), wrong()).writes.unwrap();
    assert_eq!(tenth.events, [Event::WrongPin, Event::BackedOff]);
}

#[test]
fn the_fifth_failure_in_a_row_alerts_and_no_other() {
    for in_row in 0..12 {
        let writes = judged(&challenge(), failed(in_row), wrong()).writes.unwrap();
        assert_eq!(writes.alert, in_row == 4, "{in_row}");
    }
}

#[test]
fn a_lost_reply_is_told_again_to_who_names_the_challenge() {
    let done = Challenge { state: State::Authenticated, claimed: true, attempts: 1, ..challenge() };
    assert_eq!(judged(&done, failed(100), &right()), told(Answer::Authenticated));
    assert_eq!(judged(&done, Failures::default(), wrong()), told(rejected(Reason::Pin, None)));
    let submitted = SubmittedPin::parse(&right());
    let attempt = PinAttempt { keys: keys(), submitted, has_txn: false };
    let judgement = judge_pin(&found(&done), Failures::default(), &attempt, NOW).unwrap();
    assert_eq!(judgement, told(Answer::Expired));
}

#[test]
fn a_key_that_is_gone_is_an_outage() {
    let old = Challenge { server_key: "gone".to_owned(), ..challenge() };
    let submitted = SubmittedPin::parse(&right());
    let attempt = PinAttempt { keys: keys(), submitted, has_txn: true };
    let judged = judge_pin(&found(&old), Failures::default(), &attempt, NOW);
    assert!(matches!(judged, Err(ServiceError::KeyMissing { id }) if id == "gone"));
}

fn link() -> Challenge {
    Challenge {
        method: Method::Passwordless,
        match_number: Some(MatchNumber::stored(47)),
        ..challenge()
    }
}

#[test]
fn a_link_is_approved_by_its_number_and_ended_by_another() {
    let approve = |number| Decision::Approve(MatchNumber::stored(number));
    let (outcome, writes) = judge_decision(&link(), failed(3), approve(47), NOW);
    let writes = writes.unwrap();
    assert_eq!((outcome, writes.state), (Outcome::Approved, Some(State::Authenticated)));
    assert_eq!((writes.failures, writes.claimed), (FailureChange::Clear, false));
    assert_eq!(writes.events, [Event::Authenticated]);

    let (outcome, writes) = judge_decision(&link(), failed(9), approve(48), NOW);
    let writes = writes.unwrap();
    assert_eq!((outcome, writes.state), (Outcome::WrongNumber, Some(State::Declined)));
    assert_eq!(writes.failures, FailureChange::Set(failed(10)));
    assert_eq!(writes.events, [Event::WrongMatch, Event::BackedOff]);
}

/// T22
#[test]
fn after_a_hundred_failures_a_link_approves_nothing_and_can_still_be_declined() {
    for number in [47, 48] {
        let approve = Decision::Approve(MatchNumber::stored(number));
        assert_eq!(judge_decision(&link(), failed(100), approve, NOW), (Outcome::Gone, None));
    }
    let (outcome, writes) = judge_decision(&link(), failed(100), Decision::Decline, NOW);
    assert_eq!((outcome, writes.unwrap().state), (Outcome::Declined, Some(State::Declined)));
    let approve = Decision::Approve(MatchNumber::stored(47));
    assert_eq!(judge_decision(&link(), failed(99), approve, NOW).0, Outcome::Approved);
}

#[test]
fn declining_says_nothing_about_guesses_and_what_is_over_is_gone() {
    let (outcome, writes) = judge_decision(&link(), failed(3), Decision::Decline, NOW);
    let writes = writes.unwrap();
    assert_eq!((outcome, writes.state), (Outcome::Declined, Some(State::Declined)));
    assert_eq!((writes.failures, &*writes.events), (FailureChange::Keep, &[Event::Declined][..]));
    for over in [
        Challenge { expires_at: NOW, ..link() },
        Challenge { state: State::Authenticated, ..link() },
        Challenge { state: State::Declined, ..link() },
    ] {
        let decided = judge_decision(&over, Failures::default(), Decision::Decline, NOW);
        assert_eq!(decided, (Outcome::Gone, None));
    }
}

#[test]
fn a_system_that_demands_it_is_not_answered_without_txn() {
    let demanding = CheckedChallenge { challenge: challenge(), requires_txn: true };
    let submitted = SubmittedPin::parse(&right());
    let mut attempt = PinAttempt { keys: keys(), submitted, has_txn: false };
    let judge = |attempt: &PinAttempt| {
        judge_pin(&demanding, Failures::default(), attempt, NOW).unwrap().answer
    };
    assert_eq!(judge(&attempt), rejected(Reason::Txn, None));
    attempt.has_txn = true;
    assert_eq!(judge(&attempt), Answer::Authenticated);
}
