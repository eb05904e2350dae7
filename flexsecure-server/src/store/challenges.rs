use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountId, Event, Kind, StoredApiKey};
use crate::{
    Channel, StoreError, UnixMillis,
    challenge::{
        Answer, Challenge, Decision, Draft, Judgement, Limit, Outcome, PinAttempt, ServiceError,
        StartRequest,
    },
    directory::{validate_auth_id, validate_name},
};

/// Challenges: each verb is one transaction, and true however many processes share the database.
#[async_trait]
pub(crate) trait ChallengeStore: Send + Sync + 'static {
    /// Carries out what [`plan_start`](crate::challenge::plan_start) says, with its message queued and its entry in the
    /// trail in the same transaction.
    ///
    /// Two starts that are alike must see each other: of a pair that does not, both send.
    async fn start(
        &self,
        request: Arc<StartRequest>,
        draft: Draft,
        now: UnixMillis,
    ) -> Result<Start, StoreError>;

    /// With `txn`, that challenge; without, the newest of the user on the system. A pure read.
    ///
    /// A stale `pending` costs the client a moment; a stale `authenticated` must be impossible.
    async fn challenge(&self, lookup: &Lookup<'_>) -> Result<Option<CheckedChallenge>, StoreError>;

    /// What every poll asks, at once: [`live_api_key`](super::KeyStore::live_api_key), and with the account of that key
    /// [`challenge`](Self::challenge). The challenge is nobody's to see before the key is known to be right.
    async fn presented(
        &self,
        prefix: &str,
        asked: &Asked<'_>,
        now: UnixMillis,
    ) -> Result<Option<(StoredApiKey, Option<CheckedChallenge>)>, StoreError>;

    /// Takes the one approval that a check without `txn` may have. False if it was taken: true twice would let one
    /// approval open two doors.
    async fn claim(&self, challenge: i64, now: UnixMillis) -> Result<bool, StoreError>;

    /// Carries out what [`judge_pin`](crate::challenge::judge_pin) says. The attempt is counted in the transaction in
    /// which it is compared, and nothing is told before that is durable: a comparison that is not counted is a free
    /// guess.
    async fn submit(
        &self,
        submission: PinSubmission,
        now: UnixMillis,
    ) -> Result<Option<Submitted>, ServiceError>;

    /// What the page of a link shows, whatever has become of its challenge.
    async fn approval_request(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<ApprovalRequest>, StoreError>;

    /// Notes when a link was first opened. It changes nothing else.
    async fn opened(&self, challenge: i64, now: UnixMillis) -> Result<(), StoreError>;

    /// How far the challenge of this `txn` has come; `None` if the account has none.
    async fn timeline(&self, account: AccountId, txn: &str)
    -> Result<Option<Timeline>, StoreError>;

    /// Carries out what [`judge_decision`](crate::challenge::judge_decision) says of an answer to a link: the first one
    /// counts, and of a disabled user none does.
    async fn decide(
        &self,
        token_hash: [u8; 32],
        decision: Decision,
        now: UnixMillis,
    ) -> Result<(Option<i64>, Outcome), StoreError>;

    /// Marks what has run out, and forgets what ran out before `forget_before`: at most `most` of either, so that
    /// nobody waits long behind it. True if there is more.
    async fn sweep(
        &self,
        forget_before: UnixMillis,
        most: u32,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;
}

/// What became of a start.
#[derive(Debug)]
pub(crate) enum Start {
    /// No such user or system, not assigned, disabled, or the policy is off.
    Refused,
    /// Too much of something: nothing was sent.
    Limited { limit: Limit, until: UnixMillis },
    /// It is under way already: nothing was sent.
    Repeated(Challenge),
    /// A message is queued.
    Queued(Challenge),
}

/// Which challenge a check means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) account: AccountId,
    pub(crate) asked: Asked<'a>,
}

/// Which challenge of an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) system: &'a str,
    pub(crate) auth_id: &'a str,
    pub(crate) txn: Option<&'a str>,
}

impl Asked<'_> {
    /// What nothing can be called needs no look-up.
    pub(crate) fn is_plausible(&self) -> bool {
        validate_name(self.system) && validate_auth_id(self.auth_id)
    }
}

/// A challenge, and whether its system wants to be told which.
#[derive(Clone, Debug)]
pub(crate) struct CheckedChallenge {
    pub(crate) challenge: Challenge,
    pub(crate) requires_txn: bool,
}

/// A PIN that came for a challenge.
#[derive(Debug)]
pub(crate) struct PinSubmission {
    pub(crate) account: AccountId,
    pub(crate) api_key: i64,
    pub(crate) system: String,
    pub(crate) auth_id: String,
    pub(crate) txn: Option<String>,
    pub(crate) pin: PinAttempt,
}

impl PinSubmission {
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        let asked =
            Asked { system: &self.system, auth_id: &self.auth_id, txn: self.txn.as_deref() };
        Lookup { account: self.account, asked }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    pub(crate) challenge: i64,
    pub(crate) answer: Answer,
    /// Whether the challenge changed.
    pub(crate) is_changed: bool,
    /// Whether a message is queued.
    pub(crate) is_alerted: bool,
    /// Whether it was one failure too many.
    pub(crate) is_disabled: bool,
}

impl Submitted {
    pub(crate) fn new(challenge: i64, judgement: &Judgement) -> Self {
        Self {
            challenge,
            answer: judgement.answer,
            is_changed: judgement.writes.is_some(),
            is_alerted: judgement.writes.as_ref().is_some_and(|writes| writes.alert),
            is_disabled: judgement
                .writes
                .as_ref()
                .is_some_and(|writes| writes.events.contains(&Event::MethodDisabled)),
        }
    }
}

/// What the approval page shows.
#[derive(Debug)]
pub(crate) struct ApprovalRequest {
    pub(crate) challenge: Challenge,
    pub(crate) system: String,
    pub(crate) operation: String,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: UnixMillis,
    /// Whether the page was shown before.
    pub(crate) is_opened: bool,
}

/// How far a challenge has come.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub(crate) challenge: Challenge,
    pub(crate) system: String,
    pub(crate) auth_id: String,
    pub(crate) created_at: UnixMillis,
    /// When its page was first shown; perhaps to a robot.
    pub(crate) opened_at: Option<UnixMillis>,
    pub(crate) ended_at: Option<UnixMillis>,
    /// Oldest first.
    pub(crate) messages: Vec<SentMessage>,
}

/// A message as the outbox remembers it, without its text.
#[derive(Clone, Debug)]
pub(crate) struct SentMessage {
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    /// A word of the outbox: `queued`, `sending`, `accepted`, `delivered`, `failed` or `unknown`.
    pub(crate) state: String,
    /// How often it was handed to a provider.
    pub(crate) tries: u32,
    pub(crate) provider: Option<String>,
    pub(crate) queued_at: UnixMillis,
    pub(crate) accepted_at: Option<UnixMillis>,
    pub(crate) delivered_at: Option<UnixMillis>,
}
