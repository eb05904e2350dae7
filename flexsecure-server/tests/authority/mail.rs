use std::time::Duration;

use flexsecure_server::{Channel, Delivery, Smtp};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::harness::{Authority, PATIENCE};

/// One mail as a relay sees it.
#[derive(Debug)]
struct Mail {
    from: String,
    to: Vec<String>,
    data: String,
}

/// A relay that takes everything and offers no TLS.
struct Relay {
    port: u16,
    mails: mpsc::UnboundedReceiver<Mail>,
}

impl Relay {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, mails) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, sender.clone()));
            }
        });
        Self { port, mails }
    }

    async fn mail(&mut self) -> Mail {
        timeout(PATIENCE, self.mails.recv()).await.expect("no mail came").unwrap()
    }
}

async fn converse(stream: TcpStream, mails: mpsc::UnboundedSender<Mail>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 relay\r\n").await.ok()?;
    let mut mail = Mail { from: String::new(), to: vec![], data: String::new() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let answer = match line.get(..4)?.to_ascii_uppercase().as_str() {
            "MAIL" => {
                mail.from = line.trim().to_owned();
                "250 ok\r\n"
            }
            "RCPT" => {
                mail.to.push(line.trim().to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                while !mail.data.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail.data).await.ok()?;
                }
                let done = Mail { from: String::new(), to: vec![], data: String::new() };
                mails.send(std::mem::replace(&mut mail, done)).ok()?;
                "250 ok\r\n"
            }
            "QUIT" => return None,
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn sending_to(host: &str, port: u16) -> Authority {
    let smtp =
        Smtp::new(&format!("smtp://{host}:{port}"), "FlexSecure <auth@example.com>").unwrap();
    Authority::with(|config| config.delivery(smtp)).await
}

/// Nothing was taken, so it is tried again, but not when the PIN is worth nothing any more.
async fn given_up(authority: &Authority) {
    authority.until_sql("SELECT state, tries FROM outbox", "queued 1").await;
    assert_eq!(authority.audited("send failed").await, 0);
    authority.clock.advance(Duration::from_secs(300));
    authority.until_audited("send failed").await;
}

#[tokio::test]
async fn a_mail_has_the_expected_headers_and_no_text_of_anybody_in_them() {
    let mut relay = Relay::new().await;
    let authority = sending_to("127.0.0.1", relay.port).await;
    let body = json!({"system": "bank", "authid": "alice", "operation": "Subject: .\" <b> Zoë"});
    assert_eq!(authority.post("/v1/start", &body).await.status, 200);
    let mail = relay.mail().await;
    assert_eq!(mail.from, "MAIL FROM:<auth@example.com>");
    assert_eq!(mail.to, ["RCPT TO:<alice@example.com>"]);
    let (head, text) = mail.data.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<_> =
        head.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    names.sort_unstable();
    let expected = [
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
    assert_eq!(names, expected, "{head}");
    assert!(
        head.contains("To: alice@example.com") && head.contains("Subject: Confirm that it is you")
    );
    // The one line that is made up at random may have anything in it.
    let is_of_the_user = |line: &str| line.contains("Zo") && !line.starts_with("Message-ID: ");
    assert!(!head.lines().any(is_of_the_user) && text.contains("bank"), "{}", mail.data);
    authority.until_audited("sent").await;
    assert_eq!(authority.sent(), 0, "without --inbox there is no copy");
    assert_eq!(authority.get("/inbox").await.status, 404);
    assert_eq!(authority.get("/inbox.json").await.status, 404);
}

#[tokio::test]
async fn the_pin_in_a_mail_is_the_right_one() {
    let mut relay = Relay::new().await;
    let authority = sending_to("localhost", relay.port).await;
    let txn = authority.start("alice").await["txn"].clone();
    let mail = relay.mail().await;
    let pin = mail
        .data
        .split(|c: char| !c.is_ascii_digit())
        .find(|digits| digits.len() == 8)
        .unwrap_or_else(|| panic!("no PIN in {mail:?}"));
    let answer = authority.check("alice", json!({"txn": txn, "pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
}

#[tokio::test]
async fn nothing_is_sent_in_clear_beyond_loopback() {
    let mut relay = Relay::new().await;
    // Reaches this machine, but is not a loopback address: STARTTLS is demanded, and the relay has none.
    let authority = sending_to("0.0.0.0", relay.port).await;
    authority.start("alice").await;
    given_up(&authority).await;
    assert!(relay.mails.try_recv().is_err());
}

#[tokio::test]
async fn a_dead_relay_is_no_fault_of_the_start() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let authority = sending_to("127.0.0.1", port).await;
    assert_eq!(authority.start("alice").await["result"], "success");
    given_up(&authority).await;
}

#[tokio::test]
async fn an_sms_that_nothing_carries_is_in_the_trail() {
    let relay = Relay::new().await;
    let smtp = Smtp::new(&format!("smtp://127.0.0.1:{}", relay.port), "auth@example.com").unwrap();
    assert!(smtp.carries(Channel::Email) && !smtp.carries(Channel::Sms));
    let authority = Authority::with(|config| config.delivery(smtp)).await;
    assert_eq!(authority.start("erin").await["result"], "success");
    authority.until_audited("undeliverable").await;
}

#[tokio::test]
async fn stopping_sees_mails_off() {
    let mut relay = Relay::new().await;
    let mut authority = sending_to("127.0.0.1", relay.port).await;
    authority.start("alice").await;
    authority.stop().await;
    assert!(relay.mails.try_recv().is_ok());
    assert_eq!(authority.audited("sent").await, 1);
}
