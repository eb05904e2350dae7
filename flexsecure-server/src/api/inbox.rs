use axum::{Json, extract::State, http::StatusCode, response::Response};
use minijinja::{context, value::Serde};
use serde::Serialize;

use super::AppState;
use crate::Message;

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

pub(super) async fn page(State(state): State<AppState>) -> Response {
    let messages = entries(&state);
    state.server.inner.pages.html(
        StatusCode::OK,
        "inbox.html",
        context! { messages => Serde(messages) },
    )
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
