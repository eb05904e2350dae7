#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;

use crate::{Channel, Method, StoreError, UnixMillis};

/// Messages that are to be sent: written with their challenge, so that neither is without the other.
#[async_trait]
pub(crate) trait OutboxStore: Send + Sync + 'static {
    /// Writes down what became of messages, and takes up to `room` that were due by `due_before`.
    ///
    /// What is taken belongs to the taker until its lease is over. If he has not said by then what became of it, it
    /// counts as unknown, and is never sent by itself again: a second message is worse than a lost one. A message whose
    /// challenge is over is not taken, and counts as failed.
    async fn exchange(
        &self,
        settled: Vec<Settled>,
        room: u32,
        due_before: UnixMillis,
        lease: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Due>, StoreError>;

    /// A provider says what became of a message that it had accepted. False if none has that reference.
    async fn receipt(
        &self,
        provider: &str,
        reference: &str,
        delivered: bool,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// How much waits, and for how long.
    async fn backlog(&self, now: UnixMillis) -> Result<Backlog, StoreError>;
}

/// A message to hand over. Its text and its secret are made from this.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: i64,
    pub(crate) challenge: i64,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    pub(crate) address: String,
    /// Empty: the server's.
    pub(crate) locale: String,
    /// How often it was taken, this time included.
    pub(crate) tries: u32,
    pub(crate) system: String,
    pub(crate) operation: String,
    pub(crate) method: Method,
    pub(crate) server_key: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) expires_at: UnixMillis,
}

impl Due {
    pub(crate) fn settled(&self, settlement: Settlement) -> Settled {
        Settled { id: self.id, tries: self.tries, settlement }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Carries a PIN or a link.
    Challenge,
    /// Tells of wrong PINs.
    Alert,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Alert => "alert",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Challenge, Self::Alert].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What became of a message that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) id: i64,
    /// The try that it is about. Word may come twice, if the first time nobody answered: it must not end what somebody
    /// has begun since.
    pub(crate) tries: u32,
    pub(crate) settlement: Settlement,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Settlement {
    /// A provider took it.
    Accepted { provider: String, reference: Option<String> },
    /// Surely not taken: it is due again then.
    Retry { at: UnixMillis },
    /// Surely not taken, and not tried again. `undeliverable`: nothing carries it.
    Failed { undeliverable: bool },
    /// It may have been taken.
    Unknown,
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Backlog {
    pub(crate) queued: u64,
    /// How long the oldest has waited; zero if there is none.
    pub(crate) oldest: Duration,
}
