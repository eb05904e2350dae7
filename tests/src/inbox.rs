//! What the embedded authority has sent, read as its receivers would.

use std::net::SocketAddr;

use serde_json::Value;

use crate::client::{Answer, Client, Request};
use crate::subject::Subject;

/// A message to a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Message(Value);

impl Subject {
    /// All messages, the newest first.
    pub async fn messages(&self) -> Vec<Message> {
        messages_at(self.authority().address).await
    }

    /// How many messages there are.
    pub async fn message_count(&self) -> usize {
        self.messages().await.len()
    }

    /// The newest message: a refusal is not answered before its message is out.
    pub async fn newest_message(&self) -> Message {
        self.messages().await.into_iter().next().expect("a message")
    }

    /// The PIN that was sent last.
    pub async fn newest_pin(&self) -> String {
        self.newest_message().await.pin()
    }

    /// The link that was sent last.
    pub async fn newest_link(&self) -> Link {
        self.newest_message().await.link()
    }
}

impl Message {
    /// Its PIN.
    #[must_use]
    #[track_caller]
    pub fn pin(&self) -> String {
        let pin = self.0["pin"].as_str().unwrap_or_else(|| panic!("no PIN in {self:?}"));
        assert_eq!(pin.len(), 8, "{self:?}");
        pin.to_owned()
    }

    /// Its link.
    #[must_use]
    #[track_caller]
    pub fn link(&self) -> Link {
        let link = self.0["link"].as_str().unwrap_or_else(|| panic!("no link in {self:?}"));
        let rest = link.strip_prefix("http://").expect("an address");
        let (address, path) = rest.split_at(rest.find('/').expect("a path"));
        Link { address: address.parse().expect("a socket"), path: path.to_owned() }
    }

    /// Where it went.
    #[must_use]
    pub fn to(&self) -> &str {
        self.0["to"].as_str().expect("an address")
    }

    /// What it is for.
    #[must_use]
    pub fn system(&self) -> &str {
        self.0["system"].as_str().unwrap_or_default()
    }

    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0["text"].as_str().expect("a text")
    }
}

/// A link that was sent to a user.
#[derive(Clone, Debug)]
pub struct Link {
    address: SocketAddr,
    path: String,
}

impl Link {
    /// Where it leads, for somebody with a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The part that nobody but the receiver may learn.
    #[must_use]
    pub fn token(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Opens it with `method`, as a mail scanner or a user would.
    pub async fn open(&self, method: &str) -> Answer {
        Client::new(self.address).peek(Request::new(method, &self.path)).await
    }

    /// Presses "Approve" after typing `match_number`.
    pub async fn approve(&self, match_number: &str) -> Answer {
        self.answer(&[("match", match_number), ("action", "approve")]).await
    }

    /// Presses "This wasn't me".
    pub async fn decline(&self) -> Answer {
        self.answer(&[("match", ""), ("action", "decline")]).await
    }

    async fn answer(&self, fields: &[(&str, &str)]) -> Answer {
        Client::new(self.address).peek(Request::post(&self.path).form(fields)).await
    }
}

/// All messages of the authority at `address`, the newest first.
pub async fn messages_at(address: SocketAddr) -> Vec<Message> {
    let mut reader = Client::new(address);
    let list = reader.get("/inbox.json").await.with(200).json();
    list.as_array().expect("a list").iter().cloned().map(Message).collect()
}

/// A PIN that is not `pin`, and no other that was sent either, but for a chance in a million.
#[must_use]
pub fn wrong(pin: &str) -> String {
    let (first, rest) = pin.split_at(1);
    let other = if first == "9" { '1' } else { '9' };
    format!("{other}{rest}")
}

/// A match number that is not `number`.
#[must_use]
pub fn wrong_match(number: &str) -> &'static str {
    if number == "11" { "12" } else { "11" }
}
