use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use flexsecure_core::page::Language;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{
    Accepted, Addressee, Channel, Content, Delivery, DeliveryError, DeliveryErrorKind, Draft,
    Inbox, Message, Outcome, ProviderName, Providers, Smtp,
};
use crate::{Clock, SystemClock, UnixMillis, pages};

const PIN: &str = "73920518";
const LINK: &str = "https://auth.example.com/a/token";

fn pin() -> Content {
    Content::Pin(SecretString::from(PIN))
}

fn link() -> Content {
    Content::Link(SecretString::from(LINK))
}

fn draft(content: Content, channel: Channel) -> Draft<'static> {
    Draft {
        system: "Bank",
        operation: "Transfer 250.00 EUR to Zoë",
        minutes: 5,
        content,
        channel,
        language: Language::default(),
        host: "auth.example.com",
    }
}

fn written(draft: Draft<'_>) -> Message {
    let addressee = Addressee { to: "+41790000001".to_owned(), reference: "reference".to_owned() };
    draft.write(&pages::load(None).unwrap(), addressee).unwrap()
}

fn in_german(content: Content, channel: Channel) -> Message {
    let language = pages::load(None).unwrap().language("de");
    written(Draft { language, ..draft(content, channel) })
}

#[test]
fn a_message_reads_like_this() {
    let text = |content, channel| written(draft(content, channel)).text().to_owned();
    assert_eq!(
        text(pin(), Channel::Sms),
        "73920518 is your PIN for Bank, to confirm: Transfer 250.00 EUR to Zoë. Valid for 5 min. \
         Tell it to nobody.\n\n@auth.example.com #73920518"
    );
    assert_eq!(
        text(link(), Channel::Sms),
        "Bank: is it you? To confirm: Transfer 250.00 EUR to Zoë. Valid for 5 min: \
         https://auth.example.com/a/token"
    );
    assert_eq!(
        text(pin(), Channel::Email),
        "Your PIN for Bank is\n\n    73920518\n\nIt confirms: Transfer 250.00 EUR to Zoë\n\n\
         Enter it only on the page where you asked for it, within 5 minutes. Tell it to nobody.\n\n\
         If you did not ask for it, somebody else did: do nothing, and tell those who run Bank."
    );
    assert_eq!(
        text(link(), Channel::Email),
        "Bank wants to know whether it is really you. Open this link within 5 minutes:\n\n    \
         https://auth.example.com/a/token\n\nIt confirms: Transfer 250.00 EUR to Zoë\n\n\
         You will be asked for the two digits shown on the page where you asked for it.\n\n\
         If you did not ask for it, somebody else did: open the link and choose “This wasn’t me”."
    );
}

#[test]
fn a_message_is_in_the_language_of_its_user() {
    let german = in_german(pin(), Channel::Sms);
    assert_eq!(german.language(), "de");
    assert_eq!(
        german.text(),
        "73920518 ist Ihre PIN für Bank, zu bestätigen: Transfer 250.00 EUR to Zoë. 5 Min. gültig. \
         Nennen Sie sie niemandem.\n\n@auth.example.com #73920518"
    );
    let mail = in_german(link(), Channel::Email);
    assert_eq!(mail.subject(), "Bestätigen Sie, dass Sie es sind");
    assert!(mail.text().contains("innerhalb von 5 Minuten:\n\n    https://"), "{}", mail.text());
    assert!(mail.text().ends_with("wählen Sie „Das war ich nicht“."), "{}", mail.text());
    let last_minute = Draft { minutes: 1, ..draft(pin(), Channel::Email) };
    assert!(written(last_minute).text().contains("within a minute."));
}

#[test]
fn a_pin_and_a_link_are_never_together_and_nothing_of_anybody_is_in_the_subject() {
    for channel in [Channel::Email, Channel::Sms] {
        for message in [written(draft(pin(), channel)), in_german(pin(), channel)] {
            assert!(!message.text().contains("://"), "{}", message.text());
        }
        for message in [written(draft(link(), channel)), in_german(link(), channel)] {
            let text = message.text().replace(LINK, "");
            assert!(!text.contains("PIN") && !text.contains('@'), "{text}");
            assert!(!message.subject().contains("Bank") && !message.subject().contains("Transfer"));
        }
    }
}

#[test]
fn a_subject_is_one_line_whatever_an_operator_makes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("texts")).unwrap();
    let texts = r#"{"email.subject": " a\r\nBcc: b@c.example\u2028\u202ed\n"}"#;
    std::fs::write(folder.path().join("texts/en.json"), texts).unwrap();
    let pages = pages::load(Some(folder.path())).unwrap();
    let addressee = Addressee { to: String::new(), reference: String::new() };
    let message = draft(pin(), Channel::Email).write(&pages, addressee).unwrap();
    assert_eq!(message.subject(), "a Bcc: b@c.example d");
}

#[test]
fn text_of_others_stays_on_its_line_and_shows_what_it_is() {
    let operation = "a\r\n.\r\nQUIT\r\n\n@evil.example #11111111\u{2028}b\u{202e}c\u{200b}\0d";
    let message =
        written(Draft { operation, system: "Ba\u{202e}nk\r\nX: y", ..draft(pin(), Channel::Sms) });
    assert_eq!(
        message.text(),
        "73920518 is your PIN for Bank X: y, to confirm: a . QUIT @evil.example #11111111 bc d. \
         Valid for 5 min. Tell it to nobody.\n\n@auth.example.com #73920518"
    );
    assert_eq!(message.system(), "Bank X: y");
    // What templates are made of is no template.
    let operation = "{{ secret }}{% raw %}";
    let mail = written(Draft { operation, ..draft(pin(), Channel::Email) });
    assert_eq!(mail.text().matches(PIN).count(), 1);
    assert!(mail.text().contains("It confirms: {{ secret }}{% raw %}\n"));
}

#[test]
fn long_names_push_nothing_out_of_sight() {
    let long = "é".repeat(100_000);
    for channel in [Channel::Email, Channel::Sms] {
        let draft = Draft { system: &long, operation: &long, ..draft(pin(), channel) };
        let text = written(draft).text().to_owned();
        assert!(text.chars().count() < 700 && text.contains(PIN) && text.contains("é…"), "{text}");
    }
    let exact = "x".repeat(256);
    let draft = Draft { operation: &exact, ..draft(pin(), Channel::Sms) };
    assert!(written(draft).text().contains(&exact));
}

fn message(channel: Channel) -> Message {
    written(draft(pin(), channel))
}

/// A provider that answers as it is told, and notes what it was asked.
#[derive(Debug)]
struct Scripted {
    name: ProviderName,
    answers: Mutex<VecDeque<Result<Accepted, DeliveryErrorKind>>>,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait]
impl Delivery for Scripted {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn carries(&self, channel: Channel) -> bool {
        channel == Channel::Sms
    }

    async fn deliver(&self, _: &Message) -> Result<Accepted, DeliveryError> {
        let name = if self.name.as_str() == "a" { "a" } else { "b" };
        self.asked.lock().unwrap().push(name);
        let answer = self.answers.lock().unwrap().pop_front().expect("it is asked too often");
        answer.map_err(|kind| DeliveryError::new(kind, "told so"))
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Hand(Arc<Mutex<UnixMillis>>);

impl Clock for Hand {
    fn now(&self) -> UnixMillis {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Script = [Result<Accepted, DeliveryErrorKind>];

struct Stage {
    providers: Providers,
    asked: Arc<Mutex<Vec<&'static str>>>,
    clock: Hand,
}

impl Stage {
    fn new(a: &Script, b: &Script) -> Self {
        let clock = Hand(Arc::new(Mutex::new(UnixMillis::new(0))));
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let list = [("a", a), ("b", b)].map(|(name, answers)| {
            let provider: Arc<dyn Delivery> = Arc::new(Scripted {
                name: ProviderName::parse(name).unwrap(),
                answers: Mutex::new(answers.to_vec().into()),
                asked: Arc::clone(&asked),
            });
            provider
        });
        let providers = Providers::new(list, Arc::new(clock.clone()));
        Self { providers, asked, clock }
    }

    async fn attempt(&self, attempt: u32) -> Outcome {
        let message = message(Channel::Sms);
        self.providers.hand_over(&message, attempt, DEADLINE).await.outcome
    }

    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn wait(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.saturating_add(Duration::from_secs(seconds));
    }
}

const DEADLINE: UnixMillis = UnixMillis::new(600_000);
const REFUSED: Result<Accepted, DeliveryErrorKind> = Err(DeliveryErrorKind::Refused);
const BUSY: Result<Accepted, DeliveryErrorKind> =
    Err(DeliveryErrorKind::Busy { retry_after: None });

fn taken() -> Result<Accepted, DeliveryErrorKind> {
    Ok(Accepted::with_reference("SM1"))
}

fn accepted() -> Outcome {
    Outcome::Accepted { reference: Some("SM1".to_owned()) }
}

fn busy_for(seconds: u64) -> Result<Accepted, DeliveryErrorKind> {
    Err(DeliveryErrorKind::Busy { retry_after: Some(Duration::from_secs(seconds)) })
}

fn retry_at(seconds: u64) -> Outcome {
    Outcome::Retry { at: UnixMillis::new(0).saturating_add(Duration::from_secs(seconds)) }
}

#[tokio::test]
async fn the_next_provider_is_asked_only_where_nothing_was_taken() {
    for (first, asked, outcome) in [
        (taken(), &["a"][..], accepted()),
        (REFUSED, &["a", "b"], accepted()),
        (BUSY, &["a", "b"], accepted()),
        (Err(DeliveryErrorKind::Unknown), &["a"], Outcome::Unknown),
        (Err(DeliveryErrorKind::Unreachable), &["a"], Outcome::GivenUp),
    ] {
        let stage = Stage::new(std::slice::from_ref(&first), &[taken()]);
        let handed = stage.providers.hand_over(&message(Channel::Sms), 1, DEADLINE).await;
        assert_eq!((stage.asked().as_slice(), &handed.outcome), (asked, &outcome), "{first:?}");
        let tries: Vec<_> = handed.tries.iter().map(|tried| tried.provider.as_str()).collect();
        assert_eq!(tries, asked);
        assert_eq!(handed.tries[0].error, first.err());
    }
}

#[tokio::test]
async fn what_nobody_took_is_tried_later_as_providers_ask() {
    for (a, b, attempt, outcome) in [
        (REFUSED, REFUSED, 1, retry_at(1)),
        (BUSY, REFUSED, 3, retry_at(4)),
        (BUSY, BUSY, 5, retry_at(15)),
        (BUSY, BUSY, 6, Outcome::GivenUp),
        (busy_for(90), busy_for(60), 1, retry_at(60)),
        (busy_for(90), BUSY, 1, retry_at(1)),
        (busy_for(900), busy_for(600), 1, Outcome::GivenUp),
    ] {
        let stage = Stage::new(&[a], &[b]);
        assert_eq!(stage.attempt(attempt).await, outcome);
        assert_eq!(stage.asked(), ["a", "b"]);
    }
}

#[tokio::test]
async fn nothing_is_begun_once_the_challenge_is_over() {
    let stage = Stage::new(&[], &[]);
    stage.wait(600);
    assert_eq!(stage.attempt(1).await, Outcome::GivenUp);
    assert!(stage.asked().is_empty());
}

#[tokio::test]
async fn what_nobody_carries_is_told_apart() {
    let stage = Stage::new(&[], &[]);
    let handed = stage.providers.hand_over(&message(Channel::Email), 1, DEADLINE).await;
    assert_eq!(handed.outcome, Outcome::NoProvider);
    assert!(stage.asked().is_empty() && handed.tries.is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_asked_last_for_a_while() {
    let a = [REFUSED, BUSY, Err(DeliveryErrorKind::Unknown), taken(), taken()];
    let b = [taken(), taken(), taken(), BUSY];
    let stage = Stage::new(&a, &b);
    for expected in [accepted(), accepted(), Outcome::Unknown] {
        assert_eq!(stage.attempt(1).await, expected);
        assert_eq!(stage.asked()[0], "a");
    }
    assert_eq!(stage.attempt(1).await, accepted());
    assert_eq!(stage.asked(), ["b"]);
    // Last is not never.
    assert_eq!(stage.attempt(1).await, accepted());
    assert_eq!(stage.asked(), ["b", "a"]);
    assert_eq!(stage.attempt(1).await, accepted());
    assert_eq!(stage.asked(), ["a"]);
}

#[tokio::test]
async fn a_rest_ends() {
    let a = [BUSY, BUSY, BUSY, taken()];
    let stage = Stage::new(&a, &[taken(), taken(), taken()]);
    for _ in 0..3 {
        assert_eq!(stage.attempt(1).await, accepted());
    }
    stage.wait(30);
    stage.asked();
    assert_eq!(stage.attempt(1).await, accepted());
    assert_eq!(stage.asked(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_comes_to_no_end_may_have_taken_it() {
    #[derive(Debug)]
    struct Endless(ProviderName);

    #[async_trait]
    impl Delivery for Endless {
        fn name(&self) -> &ProviderName {
            &self.0
        }

        fn carries(&self, _: Channel) -> bool {
            true
        }

        async fn deliver(&self, _: &Message) -> Result<Accepted, DeliveryError> {
            std::future::pending().await
        }

        async fn check(&self) -> Result<(), DeliveryError> {
            Ok(())
        }
    }

    let endless: [Arc<dyn Delivery>; 2] =
        ["a", "b"].map(|name| Arc::new(Endless(ProviderName::parse(name).unwrap())) as _);
    let clock = Hand(Arc::new(Mutex::new(UnixMillis::new(0))));
    let providers = Providers::new(endless, Arc::new(clock));
    let handed = providers.hand_over(&message(Channel::Sms), 1, DEADLINE).await;
    assert_eq!((handed.outcome, handed.tries.len()), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn a_relay_that_never_gets_ready_is_passed_over_in_time() {
    // Connections are made, and nobody ever greets on them.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", mute.local_addr().unwrap());
    let smtp: Arc<dyn Delivery> = Arc::new(Smtp::new(&url, "auth@example.com").unwrap());
    let inbox = Inbox::default();
    let providers = Providers::new([smtp, Arc::new(inbox.clone())], Arc::new(SystemClock));
    let draft = draft(pin(), Channel::Email);
    let addressee = Addressee { to: "a@example.com".to_owned(), reference: "r".to_owned() };
    let message = draft.write(&pages::load(None).unwrap(), addressee).unwrap();
    let never = UnixMillis::new(i64::MAX);
    let handed = providers.hand_over(&message, 1, never).await;
    assert_eq!(handed.outcome, Outcome::Accepted { reference: Some("r".to_owned()) });
    assert_eq!(handed.tries[0].error, BUSY.err());
    assert_eq!(inbox.messages().len(), 1);
}
