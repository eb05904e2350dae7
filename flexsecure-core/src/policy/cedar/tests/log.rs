//! What the operator is told of a file.

use std::fmt::{Debug, Write};
use std::fs;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;
use crate::policy::cedar::watch::{Seen, Watch, tell};

/// Keeps every event, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "flexsecure::policy"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().push((*event.metadata().level(), text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn logged(act: impl FnOnce()) -> Vec<(Level, String)> {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), act);
    let events = log.0.lock().unwrap();
    events.clone()
}

#[test]
fn a_change_and_each_fault_of_a_refused_one_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.cedar");
    let open = "permit(principal, action, resource);\n// end\n";
    fs::write(&file, open).unwrap();
    let rules = builder().read_file(&file).unwrap();
    let mut watch = Watch::default();
    let mut look = || -> Seen {
        let seen = watch.look(&rules.0);
        tell(&seen, &rules.0);
        seen
    };
    let version = rules.version();
    let refused = "@if(\"x\") permit(principal, action, resource);\n  permit(principal,\n \
                   action == Action::\"GET /c\", resource);\n// end\n";
    let events = logged(|| {
        fs::write(&file, refused).unwrap();
        for _ in 0..5 {
            look();
        }
    });
    let [(first, annotation), (second, action)] = events.try_into().unwrap();
    assert_eq!((first, second), (Level::ERROR, Level::ERROR));
    let shown = file.display();
    assert!(annotation.contains(&format!("{shown}:1:1: @if is unknown")), "{annotation}");
    assert!(action.contains(&format!("{shown}:3:12: unrecognized action")), "{action}");
    assert!(action.contains(&format!("version={version}")), "{action}");
    let events = logged(|| {
        fs::write(&file, format!("permit(principal, action, resource);{open}")).unwrap();
        for _ in 0..5 {
            look();
        }
    });
    let [(level, changed)] = events.try_into().unwrap();
    assert_eq!(level, Level::INFO);
    assert!(changed.contains("policies=2"), "{changed}");
    assert!(changed.contains(&format!("version={}", rules.version())), "{changed}");
    let events = logged(|| {
        fs::remove_file(&file).unwrap();
        for _ in 0..5 {
            look();
        }
    });
    let [(level, gone)] = events.try_into().unwrap();
    assert!(level == Level::ERROR && gone.contains("the old ones stay"), "{gone}");
}

#[test]
fn a_policy_that_never_applies_is_told_and_allowed() {
    let text =
        "permit(principal, action, resource);\nforbid(principal, action, resource) when { false };";
    let events = logged(|| assert!(is_open(&said(&rules(text), "GET /a"))));
    let [(level, odd)] =
        events.into_iter().filter(|it| it.0 < Level::DEBUG).collect::<Vec<_>>().try_into().unwrap();
    assert!(level == Level::WARN && odd.contains("rules:2:1: policy is impossible"), "{odd}");
}

#[test]
fn a_policy_that_fails_and_a_request_that_fits_none_are_told() {
    let fails = rules(
        "permit(principal, action, resource) when { context.minute * 9223372036854775807 > 0 };",
    );
    let told = |rules: &CedarRules, request: &str| {
        let mut events = logged(|| assert!(is_denied(&said(rules, request))));
        events.retain(|(level, _)| *level < Level::DEBUG);
        let [(level, text)] = events.try_into().unwrap();
        assert!(text.contains(&format!("version={}", rules.version())), "{text}");
        (level, text)
    };
    let (level, text) = told(&fails, "GET /a");
    assert!(level == Level::ERROR && text.contains("overflow"), "{text}");
    let open = rules("permit(principal, action, resource);");
    let (level, text) = told(&open, "GET /a?amount=4711x");
    assert!(level == Level::WARN && text.contains("amount"), "{text}");
    assert!(!text.contains("4711"), "what a client sends is not logged: {text}");
    assert!(!told(&open, "GET /a?amount=4711000000000000.5").1.contains("4711"));
    assert_eq!(told(&open, "GET /c").0, Level::WARN);
}
