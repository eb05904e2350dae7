//! Messages between the start and the provider's word on them (THREATS F70).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flexsecure_server::{
    Accepted, Channel, Delivery, DeliveryError, DeliveryErrorKind, Message, ProviderName,
    SigningSecret,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Answer, Authority, send};

/// Answers as it is told, and then takes everything.
#[derive(Clone, Debug)]
struct Scripted {
    name: ProviderName,
    answers: Arc<Mutex<VecDeque<DeliveryErrorKind>>>,
    references: Arc<Mutex<Vec<String>>>,
    carries: bool,
    secrets: Arc<Vec<SigningSecret>>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = DeliveryErrorKind>) -> Self {
        Self {
            name: ProviderName::parse("scripted").unwrap(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            references: Arc::default(),
            carries: true,
            secrets: Arc::new(vec![SigningSecret::parse(&secret(KEY)).unwrap()]),
        }
    }

    /// Another one, that sends receipts and nothing else.
    fn beside(name: &str, key: [u8; 32]) -> Self {
        Self {
            name: ProviderName::parse(name).unwrap(),
            carries: false,
            secrets: Arc::new(vec![SigningSecret::parse(&secret(key)).unwrap()]),
            ..Self::new([])
        }
    }

    fn asked(&self) -> Vec<String> {
        self.references.lock().unwrap().clone()
    }
}

#[async_trait]
impl Delivery for Scripted {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn carries(&self, _: Channel) -> bool {
        self.carries
    }

    fn receipt_secrets(&self) -> &[SigningSecret] {
        &self.secrets
    }

    async fn deliver(&self, message: &Message) -> Result<Accepted, DeliveryError> {
        self.references.lock().unwrap().push(message.reference().to_owned());
        match self.answers.lock().unwrap().pop_front() {
            Some(kind) => Err(DeliveryError::new(kind, "as it was told")),
            None => Ok(Accepted::with_reference("R-1")),
        }
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

const KEY: [u8; 32] = [7; 32];
const ROW: &str = "SELECT state, tries FROM outbox";

fn secret(key: [u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

async fn sending_by(provider: &Scripted) -> Authority {
    let provider = provider.clone();
    Authority::with(|config| config.delivery(provider)).await
}

/// A second passes whenever it was tried, and so it is tried again.
async fn until_tried(authority: &Authority, tries: u32, by: Duration) {
    authority.until_sql(ROW, &format!("queued {tries}")).await;
    authority.clock.advance(by);
}

const BUSY: DeliveryErrorKind = DeliveryErrorKind::Busy { retry_after: None };

/// F70
#[tokio::test]
async fn what_surely_was_not_taken_is_tried_again_and_taken_once() {
    let provider = Scripted::new([BUSY, DeliveryErrorKind::Refused, BUSY]);
    let authority = sending_by(&provider).await;
    authority.start("alice").await;
    for (tries, seconds) in [(1, 3), (2, 4), (3, 6)] {
        until_tried(&authority, tries, Duration::from_secs(seconds)).await;
    }
    authority.until_sql(ROW, "accepted 4").await;
    let asked = provider.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|reference| *reference == asked[0]), "one name for all: {asked:?}");
    assert_eq!((authority.audited("sent").await, authority.audited("send failed").await), (1, 0));
}

/// F70
#[tokio::test]
async fn what_may_have_been_taken_is_not_sent_again_but_by_the_user() {
    let provider = Scripted::new([DeliveryErrorKind::Unknown]);
    let authority = sending_by(&provider).await;
    authority.start("alice").await;
    authority.until_audited("send unknown").await;
    authority.clock.advance(Duration::from_secs(29));
    authority.start("alice").await;
    assert_eq!(provider.asked().len(), 1);
    authority.clock.advance(Duration::from_secs(1));
    authority.start("alice").await;
    authority.until_audited("sent").await;
    assert_eq!(provider.asked().len(), 2);
}

#[tokio::test]
async fn whom_nobody_reaches_is_not_tried_again() {
    let provider = Scripted::new([DeliveryErrorKind::Unreachable]);
    let authority = sending_by(&provider).await;
    authority.start("alice").await;
    authority.until_audited("send failed").await;
    authority.until_sql(ROW, "failed 1").await;
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_for_what_is_over() {
    let provider = Scripted::new([BUSY]);
    let authority = sending_by(&provider).await;
    authority.start("alice").await;
    authority.until_sql(ROW, "queued 1").await;
    authority.server.directory().disable("alice").await.unwrap();
    authority.clock.advance(Duration::from_secs(10));
    authority.until_sql(ROW, "failed 1").await;
    assert_eq!(provider.asked().len(), 1);
}

/// F70: whoever took it died: what he had done with it nobody knows.
#[tokio::test]
async fn a_lease_that_ends_leaves_it_unknown() {
    let provider = Scripted::new([]);
    let authority = sending_by(&provider).await;
    authority.start("alice").await;
    authority.until_sql(ROW, "accepted 1").await;
    let died = "UPDATE outbox SET state = 'sending', accepted_at = NULL,
                due_at = (SELECT queued_at FROM outbox) + 60000";
    authority.sql(died).await.unwrap();
    authority.clock.advance(Duration::from_secs(61));
    authority.until_audited("send unknown").await;
    authority.until_sql(ROW, "unknown 1").await;
    assert_eq!(provider.asked().len(), 1);
}

async fn receipt(authority: &Authority, key: [u8; 32], provider: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let seconds = "SELECT queued_at / 1000 FROM outbox";
    let timestamp = &authority.sql(seconds).await.unwrap()[0][0];
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("id-1.{timestamp}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let url = format!("{}/v1/receipts/{provider}", authority.base);
    let request = authority.http.post(url).header("webhook-id", "id-1");
    let request = request.header("webhook-timestamp", timestamp);
    send(request.header("webhook-signature", signature).body(body)).await
}

#[tokio::test]
async fn a_receipt_counts_if_the_provider_signed_it_and_may_come_twice() {
    let provider = Scripted::new([]);
    let authority = sending_by(&provider).await;
    let txn = authority.start("alice").await["txn"].as_str().unwrap().to_owned();
    authority.until_sql(ROW, "accepted 1").await;
    let told =
        |reference: &str| json!({"type": "message.delivered", "data": {"reference": reference}});
    for (status, key, name, reference) in [
        (401, [8; 32], "scripted", "R-1"),
        (401, KEY, "other", "R-1"),
        (404, KEY, "scripted", "R-2"),
    ] {
        let answer = receipt(&authority, key, name, &told(reference)).await;
        assert_eq!(answer.status, status, "{name} {reference}");
    }
    assert_eq!(receipt(&authority, KEY, "scripted", &json!({"type": "other"})).await.status, 400);
    authority.until_sql(ROW, "accepted 1").await;
    for _ in 0..2 {
        assert_eq!(receipt(&authority, KEY, "scripted", &told("R-1")).await.status, 204);
    }
    assert_eq!(authority.audited("delivered").await, 1);
    let timeline = authority.server.directory().challenge(&txn).await.unwrap();
    let [message] = &timeline.messages[..] else { panic!("{timeline:?}") };
    assert_eq!((&*message.state, message.provider.as_deref()), ("delivered", Some("scripted")));
    assert!(message.accepted_at.is_some() && message.delivered_at.is_some());

    authority.clock.advance(Duration::from_secs(301));
    assert_eq!(receipt(&authority, KEY, "scripted", &told("R-1")).await.status, 401, "it is old");
}

/// What another provider says of a message of the same name, and what comes after the first word on it.
#[tokio::test]
async fn a_receipt_is_of_the_provider_that_took_the_message_and_its_first_word_counts() {
    let provider = Scripted::new([]);
    let (taking, beside) = (provider.clone(), Scripted::beside("beside", [9; 32]));
    let authority = Authority::with(|config| config.delivery(taking).delivery(beside)).await;
    authority.start("alice").await;
    authority.until_sql(ROW, "accepted 1").await;
    let told = |kind: &str| json!({"type": kind, "data": {"reference": "R-1"}});
    let (delivered, failed) = (told("message.delivered"), told("message.failed"));
    for (status, key) in [(404, [9; 32]), (401, KEY)] {
        for body in [&delivered, &failed] {
            assert_eq!(receipt(&authority, key, "beside", body).await.status, status);
        }
    }
    authority.until_sql(ROW, "accepted 1").await;
    for body in [&failed, &delivered] {
        assert_eq!(receipt(&authority, KEY, "scripted", body).await.status, 204);
        let row = authority.sql("SELECT state, delivered_at FROM outbox").await.unwrap();
        assert_eq!(row.concat(), ["failed", "NULL"]);
    }
    let counts = (authority.audited("not delivered").await, authority.audited("delivered").await);
    assert_eq!(counts, (1, 0));
    assert_eq!(provider.asked().len(), 1, "nothing is sent again for that");
}

#[tokio::test]
async fn how_far_a_challenge_has_come_is_known_to_its_account_alone() {
    let authority = Authority::new().await;
    let started = authority.start("bob").await;
    let txn = started["txn"].as_str().unwrap();
    let link = authority.newest().link().unwrap().to_owned();
    let directory = authority.server.directory();
    let timeline = directory.challenge(txn).await.unwrap();
    assert_eq!((timeline.state, timeline.opened_at, timeline.ended_at), ("pending", None, None));
    assert_eq!(
        (&*timeline.system, &*timeline.auth_id, timeline.method),
        ("bank", "bob", "passwordless")
    );
    authority.clock.advance(Duration::from_secs(5));
    assert_eq!(send(authority.http.get(&link)).await.status, 200);
    let opened = directory.challenge(txn).await.unwrap().opened_at;
    assert!(opened > Some(timeline.started_at));
    authority.clock.advance(Duration::from_secs(5));
    assert_eq!(send(authority.http.get(&link)).await.status, 200);
    let number = started["match"].as_str().unwrap();
    authority.answer_link(&link, &[("match", number), ("action", "approve")]).await;
    let timeline = directory.challenge(txn).await.unwrap();
    assert_eq!((timeline.state, timeline.opened_at), ("authenticated", opened), "the first time");
    assert!(timeline.ended_at > opened);
    let other = directory.account("other").await.unwrap();
    assert!(other.challenge(txn).await.is_err());
}
