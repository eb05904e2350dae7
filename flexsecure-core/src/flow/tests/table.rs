//! `table.md`, proven cell by cell.

use std::time::Duration;

use super::builders::{
    EPOCH, Run, UNSENT, WRONG, not_admitted, not_started, refusal, seconds, told, unavailable, wake,
};
use crate::Method;
use crate::authority::Accepted as Told;
use crate::authority::CheckReply::{
    self, Authenticated, Expired, Pending, SecurityError, Unavailable,
};
use crate::authority::SecurityErrorReason::{Attempts, Declined, Other};
use crate::authority::StartReply::{Accepted, Misconfigured, NotStarted, Refused, Unknown};
use crate::flow::{Effect, Flow, Idle, Input, Objection, Over, Start};

/// Gives each kind of input a name. As the patterns are also the arms of one match, a kind that is
/// left out does not compile.
macro_rules! kinds {
    ($kinds:ident, $kind:ident: $type:ty; $($name:literal = $pattern:pat => $example:expr;)*) => {
        fn $kinds() -> Vec<(&'static str, $type)> {
            vec![$(($name, $example)),*]
        }

        fn $kind(value: &$type) -> &'static str {
            match value { $($pattern => $name),* }
        }
    };
}

kinds! { inputs, input_kind: Input;
    "claim" = Input::Claim => Input::Claim;
    "begin" = Input::Begin { idempotent: false } => Input::Begin { idempotent: false };
    "begin, idempotent" = Input::Begin { idempotent: true } => Input::Begin { idempotent: true };
    "resend" = Input::Resend => Input::Resend;
    "start: accepted, v1" = Input::Start(Accepted(Told { txn: None, .. }))
        => Input::Start(Accepted(Told::default()));
    "start: accepted, told" = Input::Start(Accepted(Told { txn: Some(_), .. }))
        => Input::Start(Accepted(told(Method::Passwordless)));
    "start: refused" = Input::Start(Refused) => Input::Start(Refused);
    "start: misconfigured" = Input::Start(Misconfigured) => Input::Start(Misconfigured);
    "start: not started" = Input::Start(NotStarted { .. }) => not_started(None);
    "start: unknown" = Input::Start(Unknown) => Input::Start(Unknown);
    "not admitted" = Input::NotAdmitted { .. } => not_admitted(30);
    "wake" = Input::Wake { hold: Duration::ZERO } => wake();
    "wake, held" = Input::Wake { .. } => Input::Wake { hold: seconds(20) };
    "check: authenticated" = Input::Check(Authenticated) => Input::Check(Authenticated);
    "check: pending" = Input::Check(Pending) => Input::Check(Pending);
    "check: expired" = Input::Check(Expired) => Input::Check(Expired);
    "check: security error" = Input::Check(SecurityError { reason: None, .. })
        => Input::Check(WRONG);
    "check: declined" = Input::Check(SecurityError { reason: Some(Declined), .. })
        => Input::Check(refusal(Declined));
    "check: attempts" = Input::Check(SecurityError { reason: Some(Attempts), .. })
        => Input::Check(refusal(Attempts));
    "check: other" = Input::Check(SecurityError { reason: Some(Other), .. })
        => Input::Check(refusal(Other));
    "check: unavailable, sent" = Input::Check(Unavailable { sent: true, .. })
        => Input::Check(unavailable(None));
    "check: unavailable, unsent" = Input::Check(Unavailable { sent: false, .. })
        => Input::Check(UNSENT);
    "pin" = Input::Pin => Input::Pin;
    "pin: authenticated" = Input::PinCheck(Authenticated) => Input::PinCheck(Authenticated);
    "pin: pending" = Input::PinCheck(Pending) => Input::PinCheck(Pending);
    "pin: expired" = Input::PinCheck(Expired) => Input::PinCheck(Expired);
    "pin: security error" = Input::PinCheck(SecurityError { attempts_left: None, reason: None })
        => Input::PinCheck(WRONG);
    "pin: none left" = Input::PinCheck(SecurityError { attempts_left: Some(0), reason: None })
        => Input::PinCheck(left(0));
    "pin: some left" = Input::PinCheck(SecurityError { attempts_left: Some(_), reason: None })
        => Input::PinCheck(left(2));
    "pin: declined" = Input::PinCheck(SecurityError { reason: Some(Declined), .. })
        => Input::PinCheck(refusal(Declined));
    "pin: attempts" = Input::PinCheck(SecurityError { reason: Some(Attempts), .. })
        => Input::PinCheck(refusal(Attempts));
    "pin: other" = Input::PinCheck(SecurityError { reason: Some(Other), .. })
        => Input::PinCheck(refusal(Other));
    "pin: unavailable, sent" = Input::PinCheck(Unavailable { sent: true, .. })
        => Input::PinCheck(unavailable(None));
    "pin: unavailable, unsent" = Input::PinCheck(Unavailable { sent: false, .. })
        => Input::PinCheck(UNSENT);
    "cancel" = Input::Cancel => Input::Cancel;
}

kinds! { ends, end_kind: Over;
    "timeout" = Over::Timeout => Over::Timeout;
    "attempts" = Over::Attempts => Over::Attempts;
    "refused" = Over::Refused => Over::Refused;
    "declined" = Over::Declined => Over::Declined;
    "cancelled" = Over::Cancelled => Over::Cancelled;
}

kinds! { effects, effect_kind: Effect;
    "start" = Effect::Start { .. } => Effect::Start { send: 1 };
    "check" = Effect::Check { hold: Duration::ZERO } => Effect::Check { hold: Duration::ZERO };
    "held check" = Effect::Check { .. } => Effect::Check { hold: seconds(20) };
    "check pin" = Effect::CheckPin => Effect::CheckPin;
}

kinds! { objections, objection_kind: Objection;
    "over" = Objection::Over => Objection::Over;
    "begun" = Objection::Begun => Objection::Begun;
    "not started" = Objection::NotStarted => Objection::NotStarted;
    "too soon" = Objection::TooSoon { .. } => Objection::TooSoon { until: EPOCH };
    "no pin" = Objection::NoPin => Objection::NoPin;
    "no attempt" = Objection::NoAttempt => Objection::NoAttempt;
    "unasked" = Objection::Unasked => Objection::Unasked;
}

const fn state_kind(flow: &Flow) -> &'static str {
    match flow {
        Flow::Idle(Idle { start: Start::Fresh, .. }) => "fresh",
        Flow::Idle(Idle { start: Start::Hindered { .. }, .. }) => "hindered",
        Flow::Idle(Idle { start: Start::Claimed { .. }, .. }) => "claimed",
        Flow::Idle(Idle { start: Start::Begun { repeated: true, .. }, .. }) => "repeated",
        Flow::Idle(Idle { start: Start::Begun { idempotent: true, .. }, .. }) => "idempotent",
        Flow::Idle(Idle { start: Start::Begun { .. }, .. }) => "begun",
        Flow::Started(_) => "started",
        Flow::Polling(_) => "polling",
        Flow::Authenticated(end) => match end.method() {
            Method::Pin => "by pin",
            Method::Passwordless => "by link",
        },
        Flow::Expired(end) => end.over().as_str(),
    }
}

fn idle_states() -> Vec<(&'static str, Run)> {
    let fresh = Run::open(Method::Passwordless);
    let begun = Run::begun(Method::Passwordless, false);
    let hindered = begun.clone().then(not_started(Some(30)));
    let not_admitted = begun.clone().then(not_admitted(30));
    let claimed = fresh.clone().then(Input::Claim);
    let idempotent = Run::begun(Method::Passwordless, true);
    let repeated = idempotent.clone().then(Input::Start(Unknown));
    vec![
        ("fresh", fresh.after(1)),
        ("hindered", hindered.clone().after(29)),
        ("hindered before", hindered.after(30)),
        ("not admitted", not_admitted.after(29)),
        ("claimed", claimed.clone().after(5)),
        ("claimed, overdue", claimed.after(6)),
        ("begun", begun.clone().after(5)),
        ("idempotent", idempotent.clone().after(5)),
        ("repeated", repeated.clone().after(5)),
        ("begun, overdue", begun.after(6)),
        ("idempotent, overdue", idempotent.after(6)),
        ("repeated, overdue", repeated.after(6)),
    ]
}

/// Started, or if `pending` then polling.
fn live_states(pending: bool) -> Vec<(&'static str, Run)> {
    let phase = |run: Run| {
        let run = if pending { run.then(Input::Check(Pending)) } else { run };
        run.after(10)
    };
    let pin = phase(Run::told(Method::Pin));
    let link = phase(Run::told(Method::Passwordless));
    vec![
        ("pin", pin.clone()),
        ("link", link.clone()),
        ("v1 pin", phase(Run::v1(Method::Pin))),
        ("v1 link", phase(Run::v1(Method::Passwordless))),
        ("unconfirmed", phase(Run::unconfirmed(Method::Passwordless))),
        ("unconfirmed pin", phase(Run::unconfirmed(Method::Pin))),
        ("pin in flight", pin.clone().then(Input::Pin)),
        ("last pin in flight", pin.clone().with_wrong_pins(4).then(Input::Pin)),
        ("no attempt left", pin.with_wrong_pins(4).with_pin(unavailable(None))),
        ("check in flight", link.clone().then(wake()).after(1)),
        ("cool-down over", link.after(20)),
    ]
}

fn ended_states() -> Vec<(&'static str, Run)> {
    let pin = Run::told(Method::Pin);
    let link = Run::told(Method::Passwordless);
    let polling = link.clone().then(Input::Check(Pending));
    vec![
        ("by pin", pin.clone().with_pin(Authenticated)),
        ("by link", link.clone().then(Input::Check(Authenticated))),
        ("timeout", link.clone().then(Input::Check(Expired))),
        ("attempts", pin.with_wrong_pins(5)),
        ("refused", Run::begun(Method::Pin, false).then(Input::Start(Refused))),
        ("declined", link.clone().then(Input::Check(refusal(Declined)))),
        ("cancelled", link.clone().then(Input::Cancel)),
        ("idle too long", Run::open(Method::Pin).after(600)),
        ("begun too long", Run::begun(Method::Pin, true).after(300)),
        ("started too long", link.after(600)),
        ("polling too long", polling.after(600)),
    ]
}

#[test]
fn idle() {
    prove("Idle", &idle_states());
}

#[test]
fn started() {
    prove("Started or polling", &live_states(false));
}

#[test]
fn polling() {
    prove("Started or polling", &live_states(true));
}

#[test]
fn ended() {
    prove("Ended", &ended_states());
}

#[test]
fn each_state_is_the_one_its_table_is_about() {
    assert!(idle_states().iter().all(|(_, run)| run.flow.state() == "idle"));
    assert!(live_states(false).iter().all(|(_, run)| run.flow.state() == "started"));
    assert!(live_states(true).iter().all(|(_, run)| run.flow.state() == "polling"));
    assert!(ended_states().iter().all(|(_, run)| run.flow.clone().at(run.now).is_over()));
    for (name, over) in ends() {
        assert_eq!(over.as_str(), name);
        assert!(ended_states().iter().any(|(_, run)| state_kind(&run.flow) == name), "{name}");
    }
}

#[test]
fn each_kind_is_named_once() {
    assert!(inputs().iter().all(|(name, input)| input_kind(input) == *name));
    assert!(ends().iter().all(|(name, over)| end_kind(over) == *name));
    assert!(effects().iter().all(|(name, effect)| effect_kind(effect) == *name));
    assert!(objections().iter().all(|(name, objection)| objection_kind(objection) == *name));
}

#[test]
fn each_effect_and_objection_is_in_the_table() {
    for (name, _) in effects() {
        assert!(TABLE.contains(&format!("+ {name} ")), "{name}");
    }
    for (name, _) in objections() {
        assert!(TABLE.contains(&format!("! {name} ")), "{name}");
    }
}

/// Every state against every input: the table under `heading` has exactly these columns and rows.
fn prove(heading: &str, states: &[(&str, Run)]) {
    let table = section(heading);
    let (columns, rows) = table.split_first().unwrap();
    let states_named: Vec<_> = states.iter().map(|(name, _)| *name).collect();
    let inputs_named: Vec<_> = inputs().iter().map(|(name, _)| *name).collect();
    let rows_named: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(columns[1..], states_named);
    assert_eq!(rows_named, inputs_named);

    let mut wrong = Vec::new();
    for ((input_name, input), row) in inputs().iter().zip(rows) {
        assert_eq!(row.len(), columns.len(), "cells of {input_name}");
        for ((state_name, run), expected) in states.iter().zip(&row[1..]) {
            let found = outcome(run, input);
            if found != expected.replace("same", run.flow.state()) {
                wrong.push(format!("{state_name} x {input_name}: {expected} expected, {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a cell says: `next state`, `next state + effect` or `! objection`.
fn outcome(run: &Run, input: &Input) -> String {
    match run.clone().step(input.clone()) {
        Ok(step) => {
            let state = state_kind(&step.flow);
            let effect = step.effect.map(|effect| format!(" + {}", effect_kind(&effect)));
            format!("{state}{}", effect.unwrap_or_default())
        }
        Err(illegal) => {
            assert_eq!(illegal.flow, run.flow_at_its_time(), "nothing changes but the time");
            assert_eq!(illegal.input, *input);
            format!("! {}", objection_kind(&illegal.objection))
        }
    }
}

fn section(heading: &str) -> Vec<Vec<&'static str>> {
    let is_heading = |line: &&str| line.strip_prefix("## ") != Some(heading);
    TABLE
        .lines()
        .skip_while(is_heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

const fn left(attempts_left: u8) -> CheckReply {
    SecurityError { attempts_left: Some(attempts_left), reason: None }
}

const TABLE: &str = include_str!("table.md");
