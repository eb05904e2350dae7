//! What the operator is told, and what nobody is.

use tracing::Level;

use super::fake::{Act, Fake, json};
use super::{KEY, check_with, full, hasty, start};
use crate::Pin;
use crate::authority::Txn;
use crate::captured::Log;

async fn logged(act: Act) -> Vec<(Level, String)> {
    let log = Log::default();
    let fake = Fake::always(act).await;
    let guard = tracing::subscriber::set_default(log.clone());
    start(&full(&fake.url())).await;
    let (txn, pin) = (Txn::new("txn-canary"), Pin::parse("87654321").unwrap());
    check_with(&hasty(&fake.url()), Some(&txn), Some(&pin), std::time::Duration::ZERO).await;
    drop(guard);
    for (_, text) in log.lines() {
        for secret in [KEY, "txn-canary", "87654321", "body-canary"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    log.of("flexsecure::authority")
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
