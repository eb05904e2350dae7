use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Requirement;
use crate::authority::{Accepted, CheckReply, MatchNumber, StartReply, Txn};
use crate::flow::{Cx, Flow, Input};
use crate::policy::Network;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What a node of this release wrote, and every later one has to read.
const RECORD: &str = r#"{"form":1,"id":"0000000000000000000000000000002a","version":3,"session":"58a8f0c15b3c9b5ee5ad8d8c5ff1fd1e5e0a3c3a6c0f7c1c8a8e1f2d3c4b5a69","user":"alice","scope":{"system":"bank","operation":{"text":"Transfer 250.00 EUR to bob","digest":"0101010101010101010101010101010101010101010101010101010101010101"},"single_use":true},"return_to":"/accounts?page=2","address":"192.0.2.7","user_agent":"Mozilla/5.0","login":"00000000000000000000000000000029","flow":{"state":"polling","started_at":1700000000000,"deadline":1700000300000,"txn":"t-1","method":"passwordless","method_is_told":true,"match_number":"07","interval":2000,"check":{"in-flight":{"since":1700000002000,"limit":1700000031000}},"polls":2,"failures":0,"attempts_left":5,"pins_in_flight":0,"sends":1,"messages":1,"resend_from":1700000030000}}"#;

const ELEVATION: &str = r#"{"form":1,"flow":"0000000000000000000000000000002a","scope":{"system":"bank","single_use":false},"method":"pin","authenticated_at":1700000000000,"address":"2001:db8::7"}"#;

fn record(flow: Flow) -> FlowRecord {
    let needs = Requirement::system("bank")
        .single_use()
        .operation(Operation::new("Transfer \"250.00\" EUR to bob").field("to", "bob"));
    let session = SessionKey::of("the session of alice");
    let mut binding = Binding::new(session, "alice".into(), needs.scope().clone());
    binding.return_to = Some("/accounts?page=2".into());
    binding.origin = Origin { ip: "192.0.2.7".parse().ok(), user_agent: Some("Mozilla".into()) };
    binding.login = Some(FlowId::from_bits(41));
    FlowRecord { id: FlowId::from_bits(42), version: 3, binding: Arc::new(binding), flow }
}

fn accepted() -> Input {
    let told = Accepted::default()
        .txn(Txn::new("t-1"))
        .method(Method::Passwordless)
        .expires_in(Duration::from_secs(300))
        .interval(Duration::from_secs(2));
    let told = match MatchNumber::parse("07") {
        Some(number) => told.match_number(number),
        None => told,
    };
    Input::Start(StartReply::Accepted(told))
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        any::<bool>().prop_map(|idempotent| Input::Begin { idempotent }),
        Just(accepted()),
        Just(Input::Start(StartReply::Unknown)),
        Just(Input::Start(StartReply::NotStarted { retry_after: None })),
        Just(Input::Wake { hold: Duration::from_secs(25) }),
        Just(Input::Check(CheckReply::Pending)),
        Just(Input::Check(CheckReply::Authenticated)),
        Just(Input::Check(CheckReply::Unavailable { retry_after: None, sent: true })),
        Just(Input::Pin),
        Just(Input::Resend),
        Just(Input::Cancel),
    ]
}

proptest! {
    /// Whatever has happened to a flow, it is the same when it is read again.
    #[test]
    fn a_flow_is_read_as_it_was_written(inputs in prop::collection::vec((input(), 0_u64..40_000), 0..12)) {
        let (mut flow, mut now) = (Flow::open(NOW, Method::Pin), NOW);
        for (input, later) in inputs {
            now = now.after(Duration::from_millis(later));
            flow = match flow.step(input, Cx::at(now)) {
                Ok(step) => step.flow,
                Err(illegal) => illegal.flow,
            };
            let record = record(flow.clone());
            prop_assert_eq!(FlowRecord::from_text(&record.to_text()), Ok(record));
        }
    }

    /// Whatever stands in a store, reading it is no fault of ours.
    #[test]
    fn a_damaged_text_is_read_or_refused(at in 0..RECORD.len(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = RECORD.as_bytes().to_vec();
        if cut {
            bytes.truncate(at);
        } else if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(read) = FlowRecord::from_text(&text) {
            prop_assert_eq!(FlowRecord::from_text(&read.to_text()), Ok(read));
        }
    }
}

#[test]
fn the_least_of_a_binding_is_read_as_it_was_written() {
    let session = SessionKey::of("another");
    let scope = Requirement::system("vault").scope().clone();
    let binding = Arc::new(Binding::new(session, "bob".into(), scope));
    let flow = Flow::open(NOW, Method::Passwordless);
    let record = FlowRecord { id: FlowId::from_bits(1), version: 0, binding, flow };
    assert_eq!(FlowRecord::from_text(&record.to_text()), Ok(record));
}

#[test]
fn what_this_release_wrote_stays_readable_and_is_written_the_same() {
    let record = FlowRecord::from_text(RECORD).unwrap();
    assert_eq!((record.version, record.flow.polls()), (3, 2));
    assert_eq!(record.flow.match_number().map(|number| number.to_string()).as_deref(), Some("07"));
    assert_eq!(record.binding.scope.operation().map(Operation::digest), Some(&[1; 32]));
    assert_eq!(record.to_text(), RECORD);

    let elevation = Elevation::from_text(ELEVATION).unwrap();
    let network: Network = "2001:db8::/32".parse().unwrap();
    assert!(elevation.address().is_some_and(|address| network.contains(address)));
    assert_eq!((elevation.method(), elevation.is_spent()), (Method::Pin, false));
    assert_eq!(elevation.to_text(), ELEVATION);
}

#[test]
fn an_elevation_is_written_the_same_when_it_is_spent() {
    let mut elevation = Elevation::from_text(ELEVATION).unwrap();
    elevation.spend();
    assert_eq!(elevation.to_text(), ELEVATION);
}

/// A node of the next release adds fields; one of this release reads what it knows.
#[test]
fn fields_of_a_later_release_are_ignored() {
    let later = RECORD.replacen('{', r#"{"tenant":{"name":"north"},"#, 1);
    assert_eq!(FlowRecord::from_text(&later), FlowRecord::from_text(RECORD));
    let later = RECORD.replace(r#""polls":2"#, r#""polls":2,"nudges":[1]"#);
    assert_eq!(FlowRecord::from_text(&later), FlowRecord::from_text(RECORD));
}

#[test]
fn a_form_of_a_later_release_is_not_guessed_at() {
    let later = RECORD.replace(r#""form":1"#, r#""form":2"#);
    assert_eq!(FlowRecord::from_text(&later), Err(Unreadable::Newer { form: 2 }));
    let later = ELEVATION.replace(r#""form":1"#, r#""form":7"#);
    assert_eq!(Elevation::from_text(&later).unwrap_err(), Unreadable::Newer { form: 7 });
}

#[test]
fn what_is_no_record_is_refused_and_not_repeated() {
    let foreign = [
        "",
        "alice",
        "{}",
        r#"{"form":0}"#,
        r#"{"form":"1"}"#,
        r#"["form",1]"#,
        &RECORD.replace("polling", "approved"),
        &RECORD.replace(r#""07""#, r#""7""#),
        &RECORD.replace("000000000000002a", "2a"),
        &RECORD.replace("58a8f0", "58a8"),
        &RECORD.replace(r#""attempts_left":5"#, r#""attempts_left":-1"#),
        &RECORD.replace(r#","txn""#, r#","started_at":1700000009999,"txn""#),
    ];
    for text in foreign {
        let error = FlowRecord::from_text(text).unwrap_err();
        assert_eq!(error, Unreadable::Malformed, "{text}");
        assert!(!format!("{error} {error:?}").contains("alice"));
    }
    assert_eq!(Elevation::from_text(RECORD).unwrap_err(), Unreadable::Malformed);
    assert!(FlowRecord::from_text(ELEVATION).is_err());
}
