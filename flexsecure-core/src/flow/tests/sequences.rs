//! The machine against the model, over sequences of inputs and pauses.

use std::time::Duration;

use proptest::prelude::*;

use super::builders::{EPOCH, Run};
use super::model::Model;
use crate::Method;
use crate::authority::{Accepted, CheckReply, SecurityErrorReason, StartReply, Txn};
use crate::flow::{Effect, Hindrance, Input, Objection};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        // Whoever finds a sequence writes it down as a test that tells what went wrong.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn machine_does_what_the_model_says(
        expected in method(),
        steps in prop::collection::vec((pause(), input()), 1..40),
    ) {
        let mut run = Run::open(expected);
        let mut model = Model::open(EPOCH, expected);
        let mut tally = Tally::default();
        for (pause, input) in steps {
            run.wait_millis(pause);
            let before = run.flow.clone();
            let found = run.step(input.clone());
            let wanted = model.step(&input, run.now);
            if let Err(illegal) = &found {
                prop_assert_eq!(&illegal.input, &input);
                prop_assert_eq!(&illegal.flow, &before.clone().at(run.now));
            }
            let verdict = found.map(|step| step.effect).map_err(|illegal| illegal.objection);
            prop_assert_eq!(verdict, wanted, "{:?}", &input);

            // The deadline may be now, which the machine looks at before the next input.
            let flow = run.flow_at_its_time();
            prop_assert_eq!(flow.state(), model.state(), "{:?}", &input);
            prop_assert_eq!(flow.method(), model.method());
            prop_assert_eq!(flow.attempts_left(), model.attempts_left());
            prop_assert_eq!(flow.polls() as usize, model.polls());
            prop_assert_eq!(flow.ended_at().map(|at| at.as_millis()), model.ended_at());
            prop_assert_eq!(Run { flow, ..run.clone() }.over(), model.over());

            if before.is_over() {
                prop_assert_eq!(&run.flow, &before);
            }
            if before.state() != "authenticated" && run.flow.state() == "authenticated" {
                let proofs = [
                    Input::Check(CheckReply::Authenticated),
                    Input::PinCheck(CheckReply::Authenticated),
                ];
                prop_assert!(proofs.contains(&input));
            }
            if verdict.is_ok() {
                prop_assert_eq!(run.wake_at.is_none(), run.flow.is_over());
                if matches!(input, Input::Wake { .. }) {
                    prop_assert!(run.wake_at.is_none_or(|at| at > run.now));
                }
            }
            tally.note(&input, verdict, run.now.as_millis())?;
        }
    }
}

/// What never happens more often than it may, counted from outside.
#[derive(Default)]
struct Tally {
    first_starts: usize,
    allowed_first_starts: usize,
    last_send: u32,
    pins: usize,
    pins_given_back: usize,
    check_until: Option<u64>,
}

impl Tally {
    fn note(
        &mut self,
        input: &Input,
        verdict: Result<Option<Effect>, Objection>,
        now: u64,
    ) -> Result<(), TestCaseError> {
        let Ok(effect) = verdict else {
            return Ok(());
        };
        match input {
            Input::Begin { idempotent } => {
                self.allowed_first_starts += 1 + usize::from(*idempotent);
            }
            Input::PinCheck(CheckReply::Unavailable { sent: false, .. }) => {
                self.pins_given_back += 1;
            }
            Input::Check(_) => self.check_until = None,
            Input::Claim
            | Input::Resend
            | Input::Start(_)
            | Input::NotAdmitted { .. }
            | Input::Wake { .. }
            | Input::Pin
            | Input::PinCheck(_)
            | Input::Cancel => {}
        }
        match effect {
            Some(Effect::Start { send: 1 }) => {
                self.first_starts += 1;
                self.last_send = 1;
            }
            Some(Effect::Start { send }) => {
                prop_assert_eq!(input, &Input::Resend);
                prop_assert_eq!(send, self.last_send + 1);
                self.last_send = send;
            }
            Some(Effect::CheckPin) => {
                prop_assert_eq!(input, &Input::Pin);
                self.pins += 1;
            }
            Some(Effect::Check { hold }) => {
                prop_assert!(self.check_until.is_none_or(|until| until <= now));
                let held = u64::try_from(hold.as_millis()).unwrap();
                self.check_until = Some(now + 4_000 + held);
            }
            None => {}
        }
        prop_assert!(self.first_starts <= self.allowed_first_starts);
        prop_assert!(self.pins <= 5 + self.pins_given_back);
        Ok(())
    }
}

/// Mostly short, or few flows would live to see a third input.
fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        4 => 0..3_000_u64,
        4 => 0..10_000_u64,
        2 => 25_000..70_000_u64,
        1 => 0..700_000_u64,
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => Just(Input::Claim),
        4 => any::<bool>().prop_map(|idempotent| Input::Begin { idempotent }),
        2 => Just(Input::Resend),
        4 => start_reply().prop_map(Input::Start),
        1 => (hindrance(), 0..700_u64).prop_map(|(by, until)| Input::NotAdmitted {
            by,
            until: EPOCH.after(Duration::from_secs(until)),
        }),
        6 => prop_oneof![Just(0), 0..30_000_u64].prop_map(|hold| Input::Wake {
            hold: Duration::from_millis(hold),
        }),
        4 => check_reply().prop_map(Input::Check),
        4 => Just(Input::Pin),
        4 => check_reply().prop_map(Input::PinCheck),
        // A rare end leaves time for what comes before.
        1 => prop::bool::weighted(0.2).prop_map(|cancels| {
            if cancels { Input::Cancel } else { Input::Pin }
        }),
    ]
}

fn hindrance() -> impl Strategy<Value = Hindrance> {
    prop_oneof![
        Just(Hindrance::Unavailable),
        Just(Hindrance::TooManyStarts),
        Just(Hindrance::InProgress),
    ]
}

fn start_reply() -> impl Strategy<Value = StartReply> {
    prop_oneof![
        12 => accepted().prop_map(StartReply::Accepted),
        1 => Just(StartReply::Refused),
        1 => Just(StartReply::Misconfigured),
        4 => retry_after().prop_map(|retry_after| StartReply::NotStarted { retry_after }),
        4 => Just(StartReply::Unknown),
    ]
}

fn accepted() -> impl Strategy<Value = Accepted> {
    let lifetime = prop_oneof![3 => Just(None), 1 => (0..900_u64).prop_map(Some)];
    let interval = prop::option::of(0..40_000_u64);
    (any::<bool>(), prop::option::of(method()), lifetime, interval).prop_map(
        |(names_login, method, lifetime, interval)| Accepted {
            txn: names_login.then(|| Txn::new("login")),
            method,
            match_number: None,
            expires_in: lifetime.map(Duration::from_secs),
            interval: interval.map(Duration::from_millis),
        },
    )
}

fn check_reply() -> impl Strategy<Value = CheckReply> {
    let reason = prop_oneof![
        6 => Just(None),
        1 => Just(Some(SecurityErrorReason::Declined)),
        1 => Just(Some(SecurityErrorReason::Attempts)),
        1 => Just(Some(SecurityErrorReason::Other)),
    ];
    let attempts_left = prop_oneof![4 => Just(None), 1 => (0..7_u8).prop_map(Some)];
    prop_oneof![
        2 => Just(CheckReply::Authenticated),
        8 => Just(CheckReply::Pending),
        1 => Just(CheckReply::Expired),
        5 => (attempts_left, reason).prop_map(|(attempts_left, reason)| {
            CheckReply::SecurityError { attempts_left, reason }
        }),
        8 => (retry_after(), any::<bool>()).prop_map(|(retry_after, sent)| {
            CheckReply::Unavailable { retry_after, sent }
        }),
    ]
}

fn retry_after() -> impl Strategy<Value = Option<Duration>> {
    let seconds = prop_oneof![Just(0), 0..90_u64].prop_map(Duration::from_secs);
    prop_oneof![2 => Just(None), 1 => seconds.prop_map(Some)]
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Pin), Just(Method::Passwordless)]
}
