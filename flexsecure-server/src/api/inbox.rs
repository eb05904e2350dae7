use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::Serialize;

use super::AppState;
use crate::{Channel, Message, Method, pages::Reader};

/// What its template is filled in with.
#[derive(Debug, Serialize)]
pub(crate) struct InboxPage {
    messages: Vec<Entry>,
}

#[derive(Debug, Serialize)]
pub(super) struct Entry {
    to: String,
    channel: &'static str,
    system: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    text: String,
}

pub(super) async fn json(State(state): State<AppState>) -> Json<Vec<Entry>> {
    Json(entries(&state))
}

pub(super) async fn page(State(state): State<AppState>, reader: Reader) -> Response {
    reader.page(StatusCode::OK, "inbox.html", &InboxPage { messages: entries(&state) })
}

impl InboxPage {
    /// Both methods, both channels, and an empty one.
    pub(crate) fn samples() -> [Self; 2] {
        let pin = Entry {
            to: "alice@example.com".to_owned(),
            channel: Channel::Email.as_str(),
            system: "bank".to_owned(),
            kind: Method::Pin.as_str(),
            pin: Some("12345678".to_owned()),
            link: None,
            text: "12345678".to_owned(),
        };
        let link = Entry {
            to: "+41790000001".to_owned(),
            channel: Channel::Sms.as_str(),
            system: "bank".to_owned(),
            kind: Method::Passwordless.as_str(),
            pin: None,
            link: Some("https://auth.example.com/a/t".to_owned()),
            text: "https://auth.example.com/a/t".to_owned(),
        };
        [Self { messages: Vec::new() }, Self { messages: vec![pin, link] }]
    }
}

fn entries(state: &AppState) -> Vec<Entry> {
    state.server.inner.inbox.messages().iter().map(entry).collect()
}

fn entry(message: &Message) -> Entry {
    Entry {
        to: message.to().to_owned(),
        channel: message.channel().as_str(),
        system: message.system().to_owned(),
        kind: message.method().as_str(),
        pin: message.pin().map(ToOwned::to_owned),
        link: message.link().map(ToOwned::to_owned),
        text: message.text().to_owned(),
    }
}
