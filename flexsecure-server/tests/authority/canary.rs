use std::{
    io,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flexsecure_server::{SmsGateway, SmsSettings};
use serde_json::json;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    harness::{Authority, PATIENCE, send, wrong},
    sms::gateway,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// T26, T49
#[tokio::test]
async fn no_secret_is_anywhere_but_in_its_message() {
    let log = Log::default();
    // The only subscriber of this process: it also hears the threads of the database.
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();

    // E-mails are in the inbox only, SMS go out too.
    let (url, mut messages) = gateway().await;
    let provider_token = "c4n4ry-0f-a-pr0vider";
    let settings =
        json!({"url": url, "token": provider_token, "body": r#"{"text":{{ text | json }}}"#});
    let settings: SmsSettings = serde_json::from_value(settings).unwrap();
    let sms = SmsGateway::from_settings(settings).unwrap();
    let authority = Authority::with(|config| config.inbox(true).delivery(sms)).await;
    let mut seen = String::new();
    seen.push_str(&authority.start("alice").await.to_string());
    let pin = authority.newest().pin().unwrap().to_owned();
    seen.push_str(&authority.start("erin").await.to_string());
    let sent_pin = authority.newest().pin().unwrap().to_owned();
    let message = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
    assert!(message.to_string().contains(&sent_pin));
    authority.until_audited("sent").await;
    let body = json!({"system": "bank", "authid": "bob", "binding": BINDING});
    let started = authority.post("/v1/start", &body).await.json();
    seen.push_str(&started.to_string());
    let link = authority.newest().link().unwrap().to_owned();
    let token = link.rsplit('/').next().unwrap().to_owned();
    let number = started["match"].as_str().unwrap();

    let mut note = |answer: crate::harness::Answer| {
        seen.push_str(&format!("{} {:?} {}\n", answer.status, answer.headers, answer.body));
    };
    note(authority.check("alice", json!({"pin": wrong(&pin)})).await);
    note(authority.check("nobody", json!({"pin": pin})).await);
    note(authority.check("alice", json!({"pin": [pin]})).await);
    note(authority.check("alice", json!({"pin": {"is": pin}})).await);
    note(authority.check("bob", json!({"pin": pin})).await);
    let broken = format!(r#"{{"system":"bank","authid":"alice","pin":{pin}"#);
    let url = format!("{}/v1/check", authority.base);
    let request = authority.http.post(&url).header("apikey", &authority.key);
    note(send(request.header("content-type", "application/json").body(broken)).await);
    note(authority.check("alice", json!({"pin": pin})).await);
    note(send(authority.http.get(&link)).await);
    note(send(authority.http.delete(&link)).await);
    note(authority.answer_link(&link, &[("match", "x"), ("action", "approve")]).await);
    note(authority.answer_link(&link, &[("match", number), ("action", "approve")]).await);
    note(send(authority.http.get(&link)).await);
    note(authority.check("bob", json!({})).await);

    let debug = format!(
        "{:?} {:?} {:?}",
        authority.server,
        authority.server.inbox().messages(),
        authority.server.directory().keys().await.unwrap(),
    );
    let dump = authority.dump().await;
    assert!(dump.contains("authenticated"), "the dump is read from the right place");
    let told: Vec<_> = dump.lines().filter(|line| line.contains(BINDING)).collect();
    assert!(matches!(told[..], [line] if line.starts_with("challenges.binding: ")), "{told:?}");
    let files = authority.database.files().await;
    assert!(files.windows(5).any(|window| window == b"alice"), "the right files are read");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("TRACE") && log.contains("a PIN is answered"), "the log is heard");

    let secret_of_key = &authority.key["fsk_0123456789_".len()..];
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let raw_token = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let as_rows_write_bytes = [
        ("pin", hex(pin.as_bytes())),
        ("token", hex(token.as_bytes())),
        ("decoded token", hex(&raw_token)),
        ("api key", hex(secret_of_key.as_bytes())),
        ("whole api key", hex(authority.key.as_bytes())),
    ];
    for (name, secret) in as_rows_write_bytes {
        assert!(!dump.contains(&secret), "the {name} is in a blob");
    }
    let no_secret = [("replies", &seen), ("debug", &debug), ("log", &log)];
    assert_eq!(no_secret.iter().find(|(_, text)| text.contains(BINDING)), None, "the binding");
    if let Some(password) = authority.database.password() {
        let shown = no_secret.iter().find(|(_, text)| text.contains(&password));
        assert_eq!(shown, None, "the password of the database");
    }
    for (name, secret) in [
        ("pin", &*pin),
        ("pin that was sent", &*sent_pin),
        ("token", &*token),
        ("api key", secret_of_key),
        ("token of the provider", provider_token),
    ] {
        let places = [
            ("the replies", seen.as_bytes()),
            ("debug", debug.as_bytes()),
            ("the rows", dump.as_bytes()),
            ("the files", &files),
            ("the log", log.as_bytes()),
        ];
        for (place, bytes) in places {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the {name} is in {place}");
        }
    }
}

const BINDING: &str = "c4n4ry-0f-a-s3ssi0n";
