//! What the operator is told, and what nobody is.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::fake::{Act, Fake, json};
use super::{KEY, check_with, full, hasty, start};
use crate::Pin;
use crate::authority::Txn;

/// Keeps every event of every crate, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = event.metadata().target().to_owned();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().push((*event.metadata().level(), text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Log {
    fn ours(&self) -> Vec<(Level, String)> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter(|(_, text)| text.starts_with("flexsecure::authority "))
            .cloned()
            .collect()
    }
}

async fn logged(act: Act) -> Vec<(Level, String)> {
    let log = Log::default();
    let fake = Fake::always(act).await;
    let guard = tracing::subscriber::set_default(log.clone());
    start(&full(&fake.url())).await;
    let (txn, pin) = (Txn::new("txn-canary"), Pin::parse("87654321").unwrap());
    check_with(&hasty(&fake.url()), Some(&txn), Some(&pin), std::time::Duration::ZERO).await;
    drop(guard);
    for (_, text) in log.0.lock().unwrap().iter() {
        for secret in [KEY, "txn-canary", "87654321", "body-canary"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    log.ours()
}

#[tokio::test]
async fn an_outage_is_a_warning() {
    let acts =
        [json(500, "body-canary"), json(503, "body-canary"), Act::Reset(b"body-canary".to_vec())];
    for act in acts {
        let [start, check] = logged(act).await.try_into().unwrap();
        assert_eq!((start.0, check.0), (Level::WARN, Level::WARN));
        assert!(start.1.contains(r#"call="start""#) && check.1.contains(r#"call="check""#));
    }
}

#[tokio::test]
async fn what_only_the_operator_can_mend_is_an_error() {
    for status in [301, 400, 401, 403, 404] {
        let [start, check] = logged(json(status, "body-canary")).await.try_into().unwrap();
        assert_eq!((start.0, check.0), (Level::ERROR, Level::ERROR), "{status}");
        assert!(start.1.contains(&format!("status={status}")), "{}", start.1);
    }
}

#[tokio::test]
async fn a_success_without_the_promised_name_is_an_error() {
    let [start] = logged(json(200, r#"{"result":"success"}"#)).await.try_into().unwrap();
    assert_eq!(start.0, Level::ERROR);
}

#[tokio::test]
async fn documented_answers_are_not_worth_a_line() {
    assert!(logged(json(403, r#"{"result":"security error"}"#)).await.is_empty());
}
