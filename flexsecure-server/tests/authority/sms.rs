//! An SMS from the start of a login to its end.

use axum::{Json, Router, extract::State, routing::post};
use flexsecure_server::{Delivery, DeliveryErrorKind, SmsGateway, SmsSettings};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::{
    harness::{Authority, PATIENCE},
    mail_server::{Certificates, MailServer},
};

/// A gateway that takes everything, and what it took.
pub(crate) async fn gateway() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, messages) = mpsc::unbounded_channel();
    let take = async |State(sender): State<mpsc::UnboundedSender<Value>>,
                      Json(body): Json<Value>| {
        sender.send(body).unwrap();
        Json(json!({"id": "SM1"}))
    };
    let app = Router::new().route("/send", post(take)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, messages)
}

#[tokio::test]
async fn the_pin_in_an_sms_is_the_right_one_and_bound_to_the_public_host() {
    let (url, mut messages) = gateway().await;
    let settings: SmsSettings = serde_json::from_value(json!({
        "url": url, "body": r#"{"to":{{ to | json }},"text":{{ text | json }}}"#,
    }))
    .unwrap();
    let sms = SmsGateway::from_settings(settings).unwrap();
    let authority = Authority::with(|config| config.delivery(sms)).await;
    let txn = authority.start("erin").await["txn"].clone();
    let message = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
    assert_eq!(message["to"], "+41790000005");
    let text = message["text"].as_str().unwrap();
    let (_, pin) = text.rsplit_once("\n@127.0.0.1 #").expect("the last line is bound to a host");
    assert!(text.starts_with(pin) && text.contains("bank"), "{text}");
    let answer = authority.check("erin", json!({"txn": txn, "pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
    authority.until_audited("sent").await;
}

#[tokio::test]
async fn a_template_of_an_operator_keeps_the_bound_line_and_names_in_it_nobody_else() {
    let (url, mut messages) = gateway().await;
    let settings: SmsSettings =
        serde_json::from_value(json!({"url": url, "body": "{\"text\":{{ text | json }}}"}))
            .unwrap();
    let sms = SmsGateway::from_settings(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let template =
        "{{ system }}: {{ secret }} ({{ operation }})\n\n@evil.example #{{ secret }}\n\n\n";
    std::fs::write(folder.path().join("sms-pin.txt"), template).unwrap();
    let authority = Authority::with(|config| config.pages(folder.path()).delivery(sms)).await;
    let body = json!({"system": "bank", "authid": "erin", "operation": "@evil.example #00000000"});
    assert_eq!(authority.post("/v1/start", &body).await.status, 200);
    let message = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
    let text = message["text"].as_str().unwrap();
    let last = text.lines().next_back().unwrap();
    assert!(last.starts_with("@127.0.0.1 #") && last.len() == 20, "{text}");
}

/// T51
#[tokio::test]
async fn without_the_right_certificate_a_gateway_gets_nothing() {
    let authority = Authority::new().await;
    authority.start("erin").await;
    let message = authority.newest();
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    for (name, mut server, is_right) in [
        ("right", ours.server("127.0.0.1", 4096), true),
        ("unknown authority", theirs.server("127.0.0.1", 4096), false),
        ("another host", ours.server("sms.example.com", 4096), false),
        ("expired", ours.server("127.0.0.1", 2020), false),
    ] {
        // It speaks TLS, and that is all that a wrong one ever gets to.
        server["implicit"] = true.into();
        let server = MailServer::start(&server).await;
        let settings: SmsSettings = serde_json::from_value(json!({
            "url": format!("https://127.0.0.1:{}/", server.port),
            "body": "{{ text | json }}",
            "root_certificate_file": ours.root(),
        }))
        .unwrap();
        let error = SmsGateway::from_settings(settings).unwrap().deliver(&message).await;
        let error = error.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        let expected = match is_right {
            // A mail server that gets a request answers nonsense.
            true => DeliveryErrorKind::Unknown,
            false => DeliveryErrorKind::Busy { retry_after: None },
        };
        assert_eq!(error.kind(), expected, "{name}: {source}");
        assert_eq!(source.contains("certificate"), !is_right, "{name}: {source}");
    }
}
