use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Directory,
    model::{moment, optional_moment},
};
use crate::{
    DirectoryError, UnixMillis,
    store::{SentMessage, Timeline},
};

/// How far a challenge has come. Nothing of it is a secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct ChallengeTimeline {
    /// Which challenge, as the v1 API names it.
    pub txn: String,
    /// The name of the system.
    pub system: String,
    /// The user.
    pub auth_id: String,
    /// How the user is asked: `pin` or `passwordless`.
    pub method: &'static str,
    /// `pending`, `authenticated`, `declined`, `locked`, `expired` or `withdrawn`.
    pub state: &'static str,
    /// PINs that were compared.
    pub attempts: u8,
    /// When it was started.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: UnixMillis,
    /// When it runs out.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: UnixMillis,
    /// When the page of its link was first shown; perhaps to a robot.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opened_at: Option<UnixMillis>,
    /// When it ended.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<UnixMillis>,
    /// What was sent for it, oldest first.
    pub messages: Vec<MessageTimeline>,
}

/// How far a message has come. Its text is not kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct MessageTimeline {
    /// `challenge`, or `alert` for word of wrong PINs.
    pub kind: &'static str,
    /// `email` or `sms`.
    pub channel: &'static str,
    /// `queued`, `sending`, `accepted`, `delivered`, `failed`, or `unknown` where it may have been taken.
    pub state: String,
    /// How often it was tried.
    pub tries: u32,
    /// Who took it.
    pub provider: Option<String>,
    /// When it was asked for.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: UnixMillis,
    /// When the provider took it.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<UnixMillis>,
    /// When the provider said that it arrived.
    #[serde(serialize_with = "optional_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<UnixMillis>,
}

impl Directory {
    /// How far the challenge of this `txn` has come, for as long as it is kept: a day after it ran out.
    ///
    /// # Errors
    /// The account has no such challenge.
    pub async fn challenge(&self, txn: &str) -> Result<ChallengeTimeline, DirectoryError> {
        let found = self.store.timeline(self.account, txn).await?;
        let unknown = || DirectoryError::UnknownChallenge { txn: txn.to_owned() };
        found.map(ChallengeTimeline::from).ok_or_else(unknown)
    }
}

impl From<Timeline> for ChallengeTimeline {
    fn from(timeline: Timeline) -> Self {
        let Timeline { challenge, system, auth_id, created_at, opened_at, ended_at, messages } =
            timeline;
        Self {
            txn: challenge.txn,
            system,
            auth_id,
            method: challenge.method.as_str(),
            state: challenge.state.as_str(),
            attempts: challenge.attempts,
            started_at: created_at,
            expires_at: challenge.expires_at,
            opened_at,
            ended_at,
            messages: messages.into_iter().map(MessageTimeline::from).collect(),
        }
    }
}

impl From<SentMessage> for MessageTimeline {
    fn from(message: SentMessage) -> Self {
        Self {
            kind: message.kind.as_str(),
            channel: message.channel.as_str(),
            state: message.state,
            tries: message.tries,
            provider: message.provider,
            queued_at: message.queued_at,
            accepted_at: message.accepted_at,
            delivered_at: message.delivered_at,
        }
    }
}
