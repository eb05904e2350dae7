//! Mail as a real server sees it.

use flexsecure_server::{
    Config, Delivery, DeliveryErrorKind, MailSettings, Message, Method, NewUser, Policies,
    PublicUrl, Server, Smtp,
};
use serde_json::{Value, json};

use crate::{
    harness::Authority,
    mail_server::{Certificates, MailServer},
};

/// An e-mail to alice with a PIN in it, as the authority writes it.
async fn message() -> Message {
    message_for("bank", "Transfer").await
}

async fn message_for(system: &str, operation: &str) -> Message {
    let authority = Authority::new().await;
    let body = json!({"system": system, "authid": "alice", "operation": operation});
    let answer = authority.post("/v1/start", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    authority.newest()
}

fn settings(server: &MailServer) -> MailSettings {
    MailSettings::new(server.url(), "FlexSecure <auth@example.com>")
}

fn secure(server: &MailServer, certificates: &Certificates) -> MailSettings {
    let mut settings = settings(server);
    settings.starttls = Some(true);
    settings.root_certificate_file = Some(certificates.root());
    settings
}

fn with(mut server: Value, more: &Value) -> Value {
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server
}

async fn kind(settings: MailSettings, message: &Message) -> DeliveryErrorKind {
    let smtp = Smtp::from_settings(settings).unwrap();
    smtp.deliver(message).await.unwrap_err().kind()
}

fn mails(told: &[Value]) -> usize {
    told.iter().filter(|what| what.get("data").is_some()).count()
}

const BUSY: DeliveryErrorKind = DeliveryErrorKind::Busy { retry_after: None };
const NEVER: i32 = 4096;

#[tokio::test]
async fn mail_goes_by_starttls_with_user_and_password_over_one_connection() {
    let certificates = Certificates::new();
    let what = certificates.server("127.0.0.1", NEVER);
    let account = json!({"user": "us er", "password": "pa:ss@word"});
    let mut server = MailServer::start(&with(what, &account)).await;
    let mut settings = secure(&server, &certificates);
    settings.url = format!("smtp://us%20er@127.0.0.1:{}", server.port).into();
    settings.password = Some("pa:ss@word".into());
    let smtp = Smtp::from_settings(settings).unwrap();
    smtp.check().await.unwrap();
    assert_eq!(server.told().await, json!({"tried": "us er"}));
    let message = message().await;
    let mut peers = Vec::new();
    for turn in 0..3 {
        let accepted = smtp.deliver(&message).await.unwrap();
        let reference = accepted.reference().unwrap();
        assert_eq!(reference, format!("{}@example.com", message.reference()));
        if turn == 0 {
            assert_eq!(server.told().await, json!({"tried": "us er"}));
        }
        let mail = server.told().await;
        assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &json!("us er")));
        assert_eq!(
            (&mail["sender"], &mail["to"]),
            (&json!("auth@example.com"), &json!(["alice@example.com"]))
        );
        assert!(mail["data"].as_str().unwrap().contains(&format!("Message-ID: <{reference}>\r\n")));
        peers.push(mail["peer"].clone());
    }
    assert!(peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");
}

#[tokio::test]
async fn tls_from_the_first_byte_works_too() {
    let certificates = Certificates::new();
    let what = with(certificates.server("127.0.0.1", NEVER), &json!({"implicit": true}));
    let mut server = MailServer::start(&what).await;
    let mut settings = settings(&server);
    settings.url = format!("smtps://127.0.0.1:{}", server.port).into();
    settings.root_certificate_file = Some(certificates.root());
    let smtp = Smtp::from_settings(settings).unwrap();
    smtp.deliver(&message().await).await.unwrap();
    assert!(server.told().await["data"].is_string());
}

/// T51
#[tokio::test]
async fn without_the_right_certificate_nothing_is_said() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let right = ours.server("127.0.0.1", NEVER);
    let old = with(right.clone(), &json!({"old": true}));
    let account = json!({"user": "user", "password": "password"});
    let message = message().await;
    for (name, what, because) in [
        ("unknown authority", theirs.server("127.0.0.1", NEVER), "BadSignature"),
        ("old TLS", old, "handshake"),
        ("another host", ours.server("mail.example.com", NEVER), "not valid for name"),
        ("expired", ours.server("127.0.0.1", 2020), "expired"),
        ("STARTTLS stripped", json!({}), "STARTTLS is not supported"),
    ] {
        let plain = what.get("certificate").is_none();
        let server = MailServer::start(&with(what, &account)).await;
        let mut settings = secure(&server, &ours);
        settings.url = format!("smtp://user:password@127.0.0.1:{}", server.port).into();
        let error = Smtp::from_settings(settings.clone()).unwrap().check().await.unwrap_err();
        let expected = if plain { DeliveryErrorKind::Refused } else { BUSY };
        assert_eq!(error.kind(), expected, "{name}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(because), "{name}: {source}");
        assert_eq!(kind(settings, &message).await, expected, "{name}");
        assert_eq!(server.stop().await, Vec::<Value>::new(), "{name}");
    }
    // The same with the right one is taken: it was the certificate.
    let server = MailServer::start(&with(ours.server("127.0.0.1", NEVER), &account)).await;
    let mut settings = secure(&server, &ours);
    settings.url = format!("smtp://user:password@127.0.0.1:{}", server.port).into();
    Smtp::from_settings(settings).unwrap().deliver(&message).await.unwrap();
    assert_eq!(mails(&server.stop().await), 1);
}

#[tokio::test]
async fn the_public_authorities_alone_are_trusted_if_nothing_else_is_said() {
    let certificates = Certificates::new();
    let server = MailServer::start(&certificates.server("127.0.0.1", NEVER)).await;
    let mut settings = secure(&server, &certificates);
    settings.root_certificate_file = None;
    assert_eq!(kind(settings, &message().await).await, BUSY);
    assert_eq!(server.stop().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_wrong_password_is_told_without_repeating_it() {
    let certificates = Certificates::new();
    let account = json!({"user": "user", "password": "right"});
    let what = with(certificates.server("127.0.0.1", NEVER), &account);
    let server = MailServer::start(&what).await;
    let mut settings = secure(&server, &certificates);
    settings.url = format!("smtp://user:wr0ng@127.0.0.1:{}", server.port).into();
    let error = Smtp::from_settings(settings).unwrap().check().await.unwrap_err();
    assert_eq!(error.kind(), DeliveryErrorKind::Refused);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the mail relay answered 535 to user and password");
    assert!(!format!("{error:?}").contains("wr0ng"));
    assert_eq!(mails(&server.stop().await), 0);
}

#[tokio::test]
async fn each_answer_of_a_relay_says_whether_the_mail_may_have_gone() {
    use DeliveryErrorKind::{Refused, Unknown, Unreachable};

    let message = message().await;
    for (stage, answer, expected, taken) in [
        ("mail", "451 4.3.0 later", BUSY, 0),
        ("mail", "421 4.3.2 going down", BUSY, 0),
        ("mail", "550 5.7.1 not you", Refused, 0),
        ("mail", "break", BUSY, 0),
        ("rcpt", "450 4.2.1 greylisted", BUSY, 0),
        ("rcpt", "550 5.1.1 <alice@example.com> unknown", Unreachable, 0),
        ("rcpt", "550 5.7.1 relaying denied", Refused, 0),
        ("rcpt", "break", BUSY, 0),
        ("rcpt", "hang", BUSY, 0),
        ("data", "451 4.3.0 later", Unknown, 1),
        ("data", "554 5.6.0 no", Unknown, 1),
        ("data", "break", Unknown, 1),
    ] {
        for pipelining in [false, true] {
            let what = json!({"pipelining": pipelining, "script": {stage: answer}});
            let server = MailServer::start(&what).await;
            let error = Smtp::from_settings(settings(&server)).unwrap().deliver(&message).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), expected, "{what}");
            let told = format!("{error:?}");
            assert!(!told.contains("alice") && !told.contains(message.pin().unwrap()), "{told}");
            assert_eq!(mails(&server.stop().await), taken, "{what}");
        }
    }
}

/// RFC 2920: a relay that says nothing of it may lose what comes before it has answered.
#[tokio::test]
async fn a_relay_that_takes_commands_together_gets_them_together_and_no_other_does() {
    let certificates = Certificates::new();
    let message = message().await;
    for pipelining in [false, true] {
        let what = json!({"pipelining": pipelining, "user": "user", "password": "right"});
        let mut server =
            MailServer::start(&with(certificates.server("127.0.0.1", NEVER), &what)).await;
        let mut settings = secure(&server, &certificates);
        settings.url = format!("smtp://user:right@127.0.0.1:{}", server.port).into();
        let smtp = Smtp::from_settings(settings).unwrap();
        for _ in 0..2 {
            smtp.deliver(&message).await.unwrap();
        }
        assert_eq!(server.told().await, json!({"tried": "user"}));
        for _ in 0..2 {
            assert_eq!(server.told().await["ahead"], json!(pipelining));
        }
    }
}

#[tokio::test]
async fn a_relay_that_takes_the_text_and_says_nothing_may_have_taken_it() {
    let server = MailServer::start(&json!({"script": {"data": "hang"}})).await;
    let smtp = Smtp::from_settings(settings(&server)).unwrap();
    assert_eq!(
        smtp.deliver(&message().await).await.unwrap_err().kind(),
        DeliveryErrorKind::Unknown
    );
    assert_eq!(mails(&server.stop().await), 1);
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_costs_no_mail() {
    let message = message().await;
    for end in ["break", "421 4.7.0 too many mails"] {
        let server = MailServer::start(&json!({"script": {"again": end}})).await;
        let smtp = Smtp::from_settings(settings(&server)).unwrap();
        for _ in 0..3 {
            smtp.deliver(&message).await.unwrap();
        }
        let told = server.stop().await;
        let mut peers: Vec<_> = told.iter().filter_map(|what| what["peer"].as_u64()).collect();
        peers.sort_unstable();
        peers.dedup();
        assert_eq!((mails(&told), peers.len()), (3, 3), "{end}: {told:?}");
        // Nobody is there any more: surely nothing was taken, although there was a connection.
        assert_eq!(smtp.deliver(&message).await.unwrap_err().kind(), BUSY);
    }
}

/// T34
#[tokio::test]
async fn whatever_a_user_is_called_it_is_one_mail_with_the_expected_headers() {
    let mut server = MailServer::start(&json!({})).await;
    let smtp = Smtp::from_settings(settings(&server)).unwrap();
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    let name = "Bank \"<b>Bcc: a@b.example</b>\" Zoë .";
    directory.add_system(name, Policies::both()).await.unwrap();
    directory
        .add_user(NewUser::new("Zoë <x@y.example>").email("o'brien+tag@example.com"))
        .await
        .unwrap();
    directory.assign("Zoë <x@y.example>", &[name], Method::Pin).await.unwrap();
    for operation in [
        "Subject: .\" <b> Zoë".to_owned(),
        ".".to_owned(),
        "é".repeat(256),
        "@evil.example #12345678".to_owned(),
    ] {
        let body = json!({"system": name, "authid": "Zoë <x@y.example>", "operation": operation});
        assert_eq!(authority.post("/v1/start", &body).await.status, 200);
        smtp.deliver(&authority.newest()).await.unwrap();
        let mail = server.told().await;
        assert_eq!(mail["to"], json!(["o'brien+tag@example.com"]));
        let data = mail["data"].as_str().unwrap();
        let (head, text) = data.split_once("\r\n\r\n").unwrap();
        let folded = head.replace("\r\n ", " ");
        let mut names: Vec<_> =
            folded.lines().map(|line| line.split_once(": ").unwrap().0).collect();
        names.sort_unstable();
        assert_eq!(names, HEADERS, "{head}");
        let is_of_a_user = |line: &str| {
            !line.starts_with("Message-ID: ") && (line.contains("Zo") || line.contains("evil"))
        };
        assert!(!folded.lines().any(is_of_a_user), "{head}");
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    }
    // Breaks of lines and marks of direction don't even get into an operation.
    for operation in ["a\r\nBcc: b@c.example", "a\r\n.\r\nQUIT", "\u{202e}a", "a\u{2028}b"] {
        let body = json!({"system": name, "authid": "Zoë <x@y.example>", "operation": operation});
        let answer = authority.post("/v1/start", &body).await;
        assert_ne!(answer.status, 200, "{operation:?}: {answer:?}");
    }
    for email in ["a@b.example\r\nBcc: c@d.example", "A <a@b.example>", "a@b.example\u{202e}"] {
        assert!(directory.add_user(NewUser::new("x").email(email)).await.is_err(), "{email:?}");
    }
    assert_eq!(mails(&server.stop().await), 0);
}

#[tokio::test]
async fn a_german_subject_is_encoded_and_a_dot_begins_no_end() {
    let folder = tempfile::tempdir().unwrap();
    // An operator's template with what would end a mail if it were not escaped.
    std::fs::write(
        folder.path().join("email-pin.txt"),
        "{{ secret }} {{ system }} {{ operation }}\n.\n.\n..x\n.\nQUIT\n",
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("texts")).unwrap();
    std::fs::write(
        folder.path().join("texts/en.json"),
        r#"{"email.subject": "Bestätigen\r\nBcc: x@y.example"}"#,
    )
    .unwrap();
    let mut server = MailServer::start(&json!({})).await;
    let smtp = Smtp::from_settings(settings(&server)).unwrap();
    let authority =
        Authority::with(|config| config.inbox(true).pages(folder.path()).delivery(smtp)).await;
    authority.start("alice").await;
    let mail = server.told().await;
    let data = mail["data"].as_str().unwrap();
    assert!(data.contains("\r\n.\r\n.\r\n..x\r\n.\r\nQUIT"), "{data}");
    assert!(
        !data.to_lowercase().contains("\r\nbcc") && data.contains("Subject: =?utf-8?"),
        "{data}"
    );
    authority.until_audited("sent").await;
    assert_eq!(mails(&server.stop().await), 0);
}

#[tokio::test]
async fn a_folder_whose_messages_lack_what_they_must_have_is_refused() {
    let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
    for (name, content, lacking) in [
        ("sms-pin.txt", "{{ system }} {{ operation }}", "{{ secret }}"),
        ("sms-pin.txt", "{{ secret }} {{ operation }}", "{{ system }}"),
        ("email-pin.txt", "{{ secret }} {{ system }}", "{{ operation }}"),
        ("email-link.txt", "{{ system }}", "{{ secret }}"),
        ("email-subject.txt", "  ", "a text"),
        ("email-subject.txt", "{{ system }}", "email-subject.txt"),
        ("texts/fr.json", r#"{"sms.pin": "{{ secret }}"}"#, "lacks it in the language fr"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("texts")).unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        let opened = Server::open(Config::ephemeral(url.clone()).pages(folder.path())).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(lacking), "{name} {content}: {error}");
    }
}

const HEADERS: [&str; 9] = [
    "Auto-Submitted",
    "Content-Language",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "From",
    "Message-ID",
    "Subject",
    "To",
];
