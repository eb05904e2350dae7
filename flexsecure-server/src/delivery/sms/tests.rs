use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderName;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flexsecure_core::page::Language;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::form_urlencoded;

use super::{SmsConfigError, SmsGateway, SmsSettings};
use crate::{
    SystemClock, UnixMillis,
    delivery::{
        Addressee, Channel, Content, Delivery, DeliveryErrorKind, Draft, Message, Outcome,
        Providers, Receipt, ReceiptStatus, SigningSecret,
    },
    pages,
};

/// One request as a gateway sees it.
#[derive(Clone, Debug)]
struct Request {
    /// Method and target.
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What a gateway does with a request that it has read.
#[derive(Clone, Debug)]
enum Act {
    Answer(String),
    /// Writes this, and nothing more.
    Begin(&'static str),
    BreakOff,
    Hang,
    /// Breaks off as soon as there is a connection.
    Refuse,
}

fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Answer(format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
}

/// A gateway that does the same with each request.
struct Gateway {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Gateway {
    async fn new(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, act.clone(), Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn settings(&self, more: Value) -> SmsSettings {
        let Value::Object(more) = more else { panic!("no settings: {more}") };
        let mut settings = json!({"url": self.url, "body": r#"{"text":{{ text | json }}}"#});
        settings.as_object_mut().unwrap().extend(more);
        serde_json::from_value(settings).unwrap()
    }

    fn provider(&self, more: Value) -> SmsGateway {
        SmsGateway::from_settings(self.settings(more)).unwrap()
    }
}

async fn serve(stream: TcpStream, act: Act, seen: Arc<Mutex<Vec<Request>>>) -> Option<()> {
    if matches!(act, Act::Refuse) {
        return None;
    }
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers: Vec<_> = lines.iter().filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let line = lines.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request { line, headers, body: String::from_utf8(body).ok()? };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    match act {
        Act::Answer(answer) => stream.write_all(answer.as_bytes()).await.ok(),
        Act::Begin(answer) => {
            stream.write_all(answer.as_bytes()).await.ok()?;
            std::future::pending().await
        }
        Act::BreakOff | Act::Refuse => None,
        Act::Hang => std::future::pending().await,
    }
}

fn message() -> Message {
    let draft = Draft {
        system: "Bank",
        operation: "Pay \"5\" & more\\",
        minutes: 5,
        content: Content::Pin(SecretString::from("73920518")),
        channel: Channel::Sms,
        language: Language::default(),
        host: "auth.example.com",
    };
    let to = "+41790000001".to_owned();
    let addressee = Addressee { to, reference: "reference-1".to_owned() };
    draft.write(&pages::load(None).unwrap(), addressee).unwrap()
}

fn providers(list: impl IntoIterator<Item = SmsGateway>) -> Providers {
    let list = list.into_iter().map(|gateway| Arc::new(gateway) as Arc<dyn Delivery>);
    Providers::new(list, Arc::new(SystemClock))
}

/// The end of time.
const NEVER: UnixMillis = UnixMillis::new(i64::MAX);
const BUSY: DeliveryErrorKind = DeliveryErrorKind::Busy { retry_after: None };

#[tokio::test]
async fn a_gateway_gets_what_the_settings_say() {
    let gateway = Gateway::new(answer(202, "", r#"{"messages":[{"id":"SM7"}]}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let provider = gateway.provider(json!({
        "name": "gateway-1",
        "method": "PUT",
        "user": "us er",
        "password": "pass:word",
        "headers": {"x-fixed": "yes"},
        "header_files": {"x-api-key": file},
        "content_type": "application/x-www-form-urlencoded",
        "body": "to={{ to | form }}&text={{ text | form }}&ref={{ reference | form }}",
        "reference": "/messages/0/id",
    }));
    let message = message();
    let accepted = provider.deliver(&message).await.unwrap();
    assert_eq!(accepted.reference(), Some("SM7"));
    let requests = gateway.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.line, "PUT /send");
    let basic = format!("Basic {}", STANDARD.encode("us er:pass:word"));
    for (name, value) in [
        ("authorization", basic.as_str()),
        ("x-fixed", "yes"),
        ("x-api-key", "from-a-file"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
    let pairs: Vec<_> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let expected = [("to", "+41790000001"), ("text", message.text()), ("ref", message.reference())];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(message.text().ends_with("\n@auth.example.com #73920518"));
}

#[tokio::test]
async fn presets_speak_as_their_providers_do() {
    let gateway = Gateway::new(answer(201, "", r#"{"sid":"S","message_uuid":"V","id":"M"}"#)).await;
    let message = message();
    let text = message.text();
    let deliver = async |more: Value| {
        let provider = SmsGateway::from_settings(serde_json::from_value(more).unwrap()).unwrap();
        let accepted = provider.deliver(&message).await.unwrap();
        let request = gateway.requests().pop().unwrap();
        (provider.name().as_str().to_owned(), accepted.reference().unwrap().to_owned(), request)
    };

    let (name, reference, request) = deliver(json!({
        "preset": "twilio", "url": gateway.url, "account": "AC1", "password": "p", "from": "+1555",
    }))
    .await;
    assert_eq!((name.as_str(), reference.as_str()), ("twilio", "S"));
    let basic = format!("Basic {}", STANDARD.encode("AC1:p"));
    assert_eq!(request.header("authorization"), Some(basic.as_str()));
    let pairs: Vec<_> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let expected = [("To", "+41790000001"), ("From", "+1555"), ("Body", text)];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let (name, reference, request) = deliver(json!({
        "preset": "vonage", "url": gateway.url, "user": "u", "password": "p", "from": "Bank",
    }))
    .await;
    assert_eq!((name.as_str(), reference.as_str()), ("vonage", "V"));
    let expected = json!({
        "message_type": "text", "channel": "sms", "to": "41790000001", "from": "Bank",
        "text": text, "client_ref": "reference-1",
    });
    assert_eq!(request.json(), expected);

    let (name, reference, request) = deliver(json!({
        "preset": "messagebird", "url": gateway.url, "token": "t", "from": "Bank",
    }))
    .await;
    assert_eq!((name.as_str(), reference.as_str()), ("messagebird", "M"));
    assert_eq!(request.header("authorization"), Some("AccessKey t"));
    let expected = json!({
        "recipients": ["41790000001"], "originator": "Bank", "body": text, "datacoding": "auto",
        "reference": "reference-1",
    });
    assert_eq!(request.json(), expected);
}

#[test]
fn presets_go_to_their_providers() {
    for (settings, name) in [
        (json!({"preset": "twilio", "account": "AC1", "password": "p", "from": "+1"}), "twilio"),
        (json!({"preset": "vonage", "user": "u", "password": "p", "from": "+1"}), "vonage"),
        (json!({"preset": "messagebird", "token": "t", "from": "+1"}), "messagebird"),
    ] {
        let parsed: SmsSettings = serde_json::from_value(settings.clone()).unwrap();
        assert!(SmsGateway::from_settings(parsed).is_ok(), "{settings}");
        // Each needs its sender, and its account if that is part of the URL.
        for needed in ["from", "account"] {
            let mut less = settings.clone();
            if less.as_object_mut().unwrap().remove(needed).is_some() {
                let parsed: SmsSettings = serde_json::from_value(less).unwrap();
                assert!(SmsGateway::from_settings(parsed).is_err(), "{name} without {needed}");
            }
        }
    }
}

#[tokio::test]
async fn a_gateway_of_ones_own_gets_a_signed_request_and_answers_with_receipts() {
    let gateway = Gateway::new(answer(204, "", "")).await;
    let secret = format!("whsec_{}", STANDARD.encode([9; 32]));
    let settings = json!({"preset": "webhook", "url": gateway.url, "signing_secret": secret});
    let provider = SmsGateway::from_settings(serde_json::from_value(settings).unwrap()).unwrap();
    let message = message();
    let accepted = provider.deliver(&message).await.unwrap();
    assert_eq!(accepted.reference(), Some("reference-1"), "it has no name of its own for it");
    let request = gateway.requests().pop().unwrap();
    let expected = json!({"type": "message.send", "data": {
        "reference": "reference-1", "channel": "sms", "to": "+41790000001", "language": "en",
        "text": message.text(),
    }});
    assert_eq!(request.json(), expected);
    assert_eq!(request.header("webhook-id"), Some("reference-1"));
    // The same code that reads receipts finds the signature right, and the body to be none.
    let secrets = [SigningSecret::parse(&secret).unwrap()];
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (HeaderName::try_from(name).unwrap(), value.parse().unwrap()));
    let headers = headers.collect();
    let now = crate::Clock::now(&SystemClock);
    let verified = Receipt::verify(&secrets, &headers, request.body.as_bytes(), now);
    assert_eq!(verified, Err(crate::ReceiptError::Body));
    let body = r#"{"type":"message.delivered","data":{"reference":"reference-1"}}"#;
    let signed = super::super::webhook::sign(&secrets[0], "r", now, body.as_bytes());
    let headers = signed
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let receipt = Receipt::verify(&secrets, &headers.collect(), body.as_bytes(), now).unwrap();
    assert_eq!(Some(receipt.reference.as_str()), accepted.reference());
    assert_eq!(receipt.status, ReceiptStatus::Delivered);
}

#[tokio::test]
async fn each_answer_says_whether_the_message_may_have_gone() {
    use DeliveryErrorKind::{Refused, Unknown};

    let wait = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        DeliveryErrorKind::Busy { retry_after }
    };
    for (act, expected) in [
        (answer(400, "", "{}"), Refused),
        (answer(401, "", ""), Refused),
        (answer(429, "", ""), BUSY),
        (answer(429, "Retry-After: 7\r\n", ""), wait(7)),
        (answer(503, "Retry-After: 9\r\n", ""), wait(9)),
        (answer(503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", ""), wait(0)),
        (answer(500, "", ""), Unknown),
        (answer(502, "", ""), Unknown),
        (answer(409, "", ""), Unknown),
        (Act::BreakOff, Unknown),
        (Act::Begin("HTTP/1.1 2"), Unknown),
        (Act::Answer("nonsense\r\n\r\n".to_owned()), Unknown),
    ] {
        let gateway = Gateway::new(act.clone()).await;
        let error = gateway.provider(json!({})).deliver(&message()).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{act:?}");
        let told = format!("{error:?} {:?}", std::error::Error::source(&error));
        assert!(!told.contains("7392") && !told.contains("4179"), "{told}");
        assert_eq!(gateway.requests().len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_has_gone() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    for url in [url.as_str(), "https://sms.invalid/"] {
        let settings = json!({"url": url, "body": "{{ text | json }}"});
        let provider =
            SmsGateway::from_settings(serde_json::from_value(settings).unwrap()).unwrap();
        assert_eq!(provider.deliver(&message()).await.unwrap_err().kind(), BUSY, "{url}");
        assert_eq!(provider.check().await.unwrap_err().kind(), BUSY, "{url}");
    }
}

#[tokio::test]
async fn what_is_no_tls_gets_nothing() {
    let gateway = Gateway::new(answer(200, "", "")).await;
    let url = gateway.url.replace("http:", "https:");
    let provider = gateway.provider(json!({"url": url}));
    assert_eq!(provider.deliver(&message()).await.unwrap_err().kind(), BUSY);
    assert!(gateway.requests().is_empty());
}

#[tokio::test]
async fn a_gateway_that_gets_no_further_than_a_connection_is_passed_over() {
    // Connections are made, and nobody ever speaks TLS on them.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_url = format!("https://{}", mute.local_addr().unwrap());
    let alive = Gateway::new(answer(200, "", "")).await;
    let list = [alive.provider(json!({"url": mute_url})), alive.provider(json!({}))];
    let handed = providers(list).hand_over(&message(), 1, NEVER).await;
    assert!(matches!(handed.outcome, Outcome::Accepted { .. }), "{handed:?}");
    assert_eq!(handed.tries[0].error, Some(BUSY));
    assert_eq!(alive.requests().len(), 1);
}

#[tokio::test]
async fn a_yes_stays_one_whatever_follows_it() {
    for act in [
        Act::Begin("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        Act::Answer(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1_000_000))),
        answer(200, "", "no JSON"),
        answer(200, "", "[[[[["),
    ] {
        let gateway = Gateway::new(act).await;
        let provider = gateway.provider(json!({"reference": "/id"}));
        let accepted = provider.deliver(&message()).await.unwrap();
        assert_eq!(accepted.reference(), Some("reference-1"));
    }
}

/// T50
#[tokio::test]
async fn nothing_of_a_message_changes_where_it_goes() {
    let gateway = Gateway::new(answer(200, "", "")).await;
    let host = gateway.url.split('/').nth(2).unwrap().to_owned();
    let settings =
        json!({"body": "{{ to | form }}{{ text | form }}", "content_type": "text/plain"});
    let provider = gateway.provider(settings);
    for text in ["@evil.example/", "/../admin?x=1#f", "%2e%2e%2f", "//evil.example", "\r\nHost: x"]
    {
        let mut message = message();
        message.to = text.to_owned();
        message.system = text.to_owned();
        message.text = SecretString::from(text);
        provider.deliver(&message).await.unwrap();
        let request = gateway.requests().pop().unwrap();
        assert_eq!((request.line.as_str(), request.header("host")), ("POST /send", Some(&*host)));
    }
}

/// T50
#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Gateway::new(answer(200, "", "")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}\r\n", target.url);
        let gateway = Gateway::new(answer(status, &location, "")).await;
        let provider = gateway.provider(json!({}));
        let kind = provider.deliver(&message()).await.unwrap_err().kind();
        let expected = match status {
            302 | 303 => DeliveryErrorKind::Unknown,
            _ => DeliveryErrorKind::Refused,
        };
        assert_eq!(kind, expected, "{status}");
        assert_eq!(gateway.requests().len(), 1);
        let check = gateway.provider(json!({"check_url": gateway.url}));
        assert!(check.check().await.is_err());
    }
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn of_two_gateways_never_both_have_the_message() {
    let yes = || answer(200, "", r#"{"id":"SM1"}"#);
    // The slow ones are waited for together.
    let mut cases = JoinSet::new();
    for (act, first, second, taken) in [
        (yes(), 1, 0, true),
        (answer(503, "", ""), 1, 1, true),
        (answer(401, "", ""), 1, 1, true),
        (Act::Refuse, 0, 0, false),
        (answer(500, "", ""), 1, 0, false),
        (Act::BreakOff, 1, 0, false),
        (Act::Hang, 1, 0, false),
        (Act::Begin("HTTP/1.1 20"), 1, 0, false),
    ] {
        cases.spawn(async move {
            let (one, other) = (Gateway::new(act.clone()).await, Gateway::new(yes()).await);
            let list = [&one, &other].map(|gateway| gateway.provider(json!({"reference": "/id"})));
            let outcome = providers(list).hand_over(&message(), 1, NEVER).await.outcome;
            let counts = (one.requests().len(), other.requests().len());
            assert_eq!(counts, (first, second), "{act:?}");
            let expected = match taken {
                true => Outcome::Accepted { reference: Some("SM1".to_owned()) },
                false => Outcome::Unknown,
            };
            assert_eq!(outcome, expected, "{act:?}");
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn a_dead_gateway_is_passed_over() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let alive = Gateway::new(answer(200, "", "")).await;
    let list = [alive.provider(json!({"url": dead})), alive.provider(json!({}))];
    let handed = providers(list).hand_over(&message(), 1, NEVER).await;
    assert!(matches!(handed.outcome, Outcome::Accepted { .. }));
    assert_eq!((handed.tries.len(), alive.requests().len()), (2, 1));
}

#[tokio::test]
async fn a_check_sends_nothing_and_authenticates_where_it_can() {
    let gateway = Gateway::new(answer(404, "", "")).await;
    gateway.provider(json!({"token": "t"})).check().await.unwrap();
    let request = gateway.requests().pop().unwrap();
    assert_eq!((request.line.as_str(), request.header("authorization")), ("HEAD /", None));

    let authentic = |status| async move {
        let gateway = Gateway::new(answer(status, "", "")).await;
        let settings = json!({"token": "t", "check_url": gateway.url.replace("send", "check")});
        let checked = gateway.provider(settings).check().await;
        let request = gateway.requests().pop().unwrap();
        assert_eq!(request.line, "GET /check");
        assert_eq!(request.header("authorization"), Some("Bearer t"));
        assert_eq!(request.body, "");
        checked.map_err(|error| error.kind())
    };
    assert_eq!(authentic(200).await, Ok(()));
    assert_eq!(authentic(401).await, Err(DeliveryErrorKind::Refused));
    assert_eq!(authentic(503).await, Err(BUSY));
}

#[test]
fn settings_are_checked_before_anybody_waits_for_a_pin() {
    let fault = |more: Value| {
        let mut settings =
            json!({"url": "https://sms.example.com/send", "body": "{{ text | json }}"});
        let Value::Object(more) = more else { panic!("no settings: {more}") };
        settings.as_object_mut().unwrap().extend(more);
        let settings = serde_json::from_value(settings).unwrap();
        SmsGateway::from_settings(settings).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(fault(json!({})), Ok(()));
    for url in ["", "sms.example.com", "https://", "ftp://a.example", "https://u@a.example"] {
        assert!(fault(json!({"url": url})).unwrap_err().starts_with("url must be like"), "{url}");
    }
    for (more, expected) in [
        (json!({"url": null}), "an SMS gateway needs the setting url"),
        (json!({"url": "http://sms.example.com"}), "url must be https"),
        (json!({"url": "http://169.254.169.254/"}), "url must be https"),
        (json!({"url": "https://169.254.169.254/"}), "url must not be link-local"),
        (json!({"url": "https://0xa9fea9fe/"}), "url must not be link-local"),
        (json!({"url": "https://[fe80::1]/"}), "url must not be link-local"),
        (json!({"check_url": "https://[::ffff:169.254.1.1]"}), "check_url must not be link-local"),
        (json!({"url": "http://localhost.example.com/"}), "url must be https"),
        (json!({"url": "https://a.example/#f"}), "url must be like"),
        (json!({"check_url": "http://sms.example.com"}), "check_url must be https"),
        (json!({"url": "https://a.example/{account}"}), "needs the setting account"),
        (json!({"url": "https://a.example/{account}", "account": "../x"}), "account must be"),
        (json!({"body": null}), "needs the setting body"),
        (json!({"body": "{{ text }}"}), "every value needs the filter"),
        (json!({"body": "{{ pin | json }}"}), "the body can't be used"),
        (json!({"body": "{\"a\":{{ text | form }}}"}), "the body is no JSON"),
        (json!({"headers": {"a b": "x"}}), "the header a b is malformed"),
        (json!({"headers": {"x-a": "c4n4ry\n"}}), "the header x-a is malformed"),
        (json!({"token": "t", "user": "u", "password": "p"}), "can't both be set"),
        (json!({"password": "p"}), "needs user or account"),
        (json!({"user": "u"}), "needs user or account"),
        (json!({"token": "t", "token_file": "/x"}), "token and token_file can't both be set"),
        (json!({"token_file": "/nowhere"}), "/nowhere can't be read"),
        (json!({"signing_secret": "short"}), "a signing secret must be"),
        (json!({"preset": "webhook"}), "needs the setting signing_secret"),
        (json!({"reference": "id"}), "reference must be a JSON pointer"),
        (json!({"answer": {"at": "status"}}), "answer.at must be a JSON pointer"),
        (json!({"root_certificate_file": "/nowhere"}), "/nowhere can't be read"),
    ] {
        let fault = fault(more.clone()).unwrap_err();
        assert!(fault.contains(expected) && !fault.contains("c4n4ry"), "{more}: {fault}");
    }
}

#[test]
fn settings_have_no_unknown_fields_and_show_no_secret() {
    for (settings, expected) in [
        (json!({"timeout": 3}), "unknown field `timeout`"),
        (json!({"method": "GET"}), "unknown variant `GET`"),
        (json!({"preset": "sns"}), "unknown variant `sns`"),
        (json!({"name": "A b"}), "a provider must be called by"),
        (json!({"answer": {"where": "/x"}}), "unknown field `where`"),
    ] {
        let error = serde_json::from_value::<SmsSettings>(settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let secret = format!("whsec_{}", STANDARD.encode(b"c4n4ry-c4n4ry-c4n4ry-c4n4ry"));
    let settings = json!({
        "url": "https://sms.example.com", "body": "{{ text | json }}", "token": "c4n4ry",
        "headers": {"x-key": "c4n4ry"}, "signing_secret": secret,
    });
    let settings: SmsSettings = serde_json::from_value(settings).unwrap();
    let gateway = SmsGateway::from_settings(settings.clone()).unwrap();
    let debug = format!("{settings:?} {gateway:?}");
    assert!(!debug.contains("c4n4ry") && !debug.contains(&secret), "{debug}");
    assert!(debug.contains("sms.example.com"));
    let fault = SmsGateway::from_settings(SmsSettings::default()).unwrap_err();
    assert!(matches!(fault, SmsConfigError::Missing { name: "url" }));
}
