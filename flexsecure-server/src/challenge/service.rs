use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flexsecure_core::page::TemplateError;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{
    Answer, Limit, LinkToken, MatchNumber, PinAttempt, Reason, Standing, SubmittedPin, Waiters,
};
use crate::{
    Clock, Method, PublicUrl, StoreError,
    delivery::Courier,
    metrics::{self, End},
    secret::{RandomnessError, ServerKey, ServerKeys, random_bytes},
    stopping::Stopping,
    store::{
        AccountId, ApprovalRequest, Asked, CheckedChallenge, Lookup, PinSubmission, SharedStore,
        Start,
    },
};

/// Starts challenges, answers checks, takes approvals.
#[derive(Debug)]
pub(crate) struct Challenges {
    pub(crate) store: SharedStore,
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) courier: Arc<Courier>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) public_url: PublicUrl,
}

/// A start that has been parsed.
#[derive(Debug)]
pub(crate) struct StartRequest {
    pub(crate) account: AccountId,
    pub(crate) api_key: i64,
    pub(crate) system: String,
    pub(crate) auth_id: String,
    /// Empty where there is none.
    pub(crate) operation: String,
    /// Who asked, in the words of the caller. Empty where there is none.
    pub(crate) binding: String,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) idempotency_key_hash: Option<[u8; 32]>,
}

/// What a challenge is made of, drawn before it is known whether there will be one: a refusal costs the same.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) txn: String,
    pub(crate) server_key: String,
    pub(crate) nonce: [u8; 32],
    pub(crate) token_hash: [u8; 32],
    pub(crate) match_number: MatchNumber,
}

impl Draft {
    pub(crate) fn new(server_key: &ServerKey) -> Result<Self, RandomnessError> {
        let nonce = random_bytes::<32>()?;
        Ok(Self {
            txn: URL_SAFE_NO_PAD.encode(random_bytes::<16>()?),
            server_key: server_key.id().to_owned(),
            nonce,
            token_hash: LinkToken::derive(server_key, &nonce).hash(),
            match_number: MatchNumber::random()?,
        })
    }
}

/// What becomes of a start.
#[derive(Debug)]
pub(crate) enum StartOutcome {
    Started(Started),
    /// Why is not told.
    Refused,
    /// Another may be made after that.
    Limited {
        wait: Duration,
    },
}

/// What a start is told.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) txn: String,
    pub(crate) method: Method,
    pub(crate) match_number: Option<MatchNumber>,
    pub(crate) remaining: Duration,
}

/// A check that has been parsed.
#[derive(Debug)]
pub(crate) struct CheckRequest {
    pub(crate) account: AccountId,
    pub(crate) api_key: i64,
    pub(crate) system: String,
    pub(crate) auth_id: String,
    pub(crate) txn: Option<String>,
    pub(crate) pin: Option<SecretString>,
}

impl CheckRequest {
    fn asked(&self) -> Asked<'_> {
        Asked { system: &self.system, auth_id: &self.auth_id, txn: self.txn.as_deref() }
    }
}

/// What the approval page was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    Approve(MatchNumber),
    Decline,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Approved,
    Declined,
    WrongNumber,
    Gone,
}

impl Challenges {
    pub(crate) async fn start(&self, request: StartRequest) -> Result<StartOutcome, ServiceError> {
        let now = self.clock.now();
        let draft = Draft::new(&self.keys.current())?;
        let challenge = match self.store.start(Arc::new(request), draft, now).await? {
            // It will not be otherwise tomorrow, unless somebody allows it.
            Start::Refused | Start::Limited { limit: Limit::Country, .. } => {
                return Ok(StartOutcome::Refused);
            }
            Start::Limited { until, .. } => {
                return Ok(StartOutcome::Limited { wait: until.saturating_since(now) });
            }
            Start::Repeated(challenge) => challenge,
            Start::Queued(challenge) => {
                tracing::debug!(challenge = challenge.id, method = %challenge.method, "a message is queued");
                self.courier.queued().await;
                challenge
            }
        };
        Ok(StartOutcome::Started(Started {
            remaining: challenge.remaining(now),
            txn: challenge.txn,
            method: challenge.method,
            match_number: challenge.match_number,
        }))
    }

    /// Without a PIN this writes nothing, except that it takes the one approval a check without `txn` may have.
    pub(crate) async fn check(&self, request: &CheckRequest) -> Result<Answer, ServiceError> {
        match &request.pin {
            Some(pin) => self.submit(request, pin).await,
            None => self.answer(self.find(request).await?.as_ref(), request.txn.is_some()).await,
        }
    }

    /// Answers at the next change of the challenge, when `wait` is over or when the server stops.
    pub(crate) async fn check_after_change(
        &self,
        request: &CheckRequest,
        wait: Duration,
        mut stopping: Stopping,
    ) -> Result<Answer, ServiceError> {
        let Some(found) = self.find(request).await? else { return Ok(Answer::Refused) };
        let mut waiter = self.waiters.subscribe(found.challenge.id);
        let answer = self.check(request).await?;
        let Answer::Pending { remaining } = answer else { return Ok(answer) };
        tokio::select! {
            () = waiter.changed() => {}
            () = sleep(wait.min(remaining)) => {}
            () = stopping.begun() => {}
        }
        self.check(request).await
    }

    /// What the page of a live link shows. That it was opened is noted once, and decides nothing.
    pub(crate) async fn approval_request(
        &self,
        token: &LinkToken,
    ) -> Result<Option<ApprovalRequest>, ServiceError> {
        let now = self.clock.now();
        let found = self.store.approval_request(&token.hash()).await?;
        let live = found
            .filter(|request| matches!(request.challenge.standing(now), Standing::Live { .. }));
        if let Some(request) = live.as_ref().filter(|request| !request.is_opened) {
            self.store.opened(request.challenge.id, now).await?;
        }
        Ok(live)
    }

    pub(crate) async fn decide(
        &self,
        token: &LinkToken,
        decision: Decision,
    ) -> Result<Outcome, ServiceError> {
        let decided = self.store.decide(token.hash(), decision, self.clock.now()).await?;
        let (changed, outcome) = decided;
        if let Some(challenge) = changed {
            tracing::debug!(challenge, ?outcome, "a link is answered");
            match outcome {
                Outcome::Approved => metrics::ended(Method::Passwordless, End::Authenticated),
                Outcome::Declined => metrics::ended(Method::Passwordless, End::Declined),
                Outcome::WrongNumber => metrics::ended(Method::Passwordless, End::WrongNumber),
                Outcome::Gone => {}
            }
            self.changed(challenge);
        }
        Ok(outcome)
    }

    /// Marks what has run out, and forgets what did so long ago.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let forget_before = now.saturating_sub(FORGET_AFTER);
        while self.store.sweep(forget_before, SWEPT_AT_ONCE, now).await? {}
        Ok(())
    }

    async fn find(&self, request: &CheckRequest) -> Result<Option<CheckedChallenge>, StoreError> {
        let asked = request.asked();
        if !asked.is_plausible() {
            return Ok(None);
        }
        self.store.challenge(&Lookup { account: request.account, asked }).await
    }

    /// What a check without a PIN is told of the challenge that was found for it.
    pub(crate) async fn answer(
        &self,
        found: Option<&CheckedChallenge>,
        has_txn: bool,
    ) -> Result<Answer, ServiceError> {
        let Some(CheckedChallenge { challenge, requires_txn }) = found else {
            return Ok(Answer::Refused);
        };
        if *requires_txn && !has_txn {
            return Ok(Answer::Rejected { reason: Reason::Txn, attempts_left: None });
        }
        let now = self.clock.now();
        let standing = challenge.standing(now);
        if standing != Standing::Authenticated || has_txn {
            return Ok(standing.into());
        }
        let claimed = !challenge.claimed && self.store.claim(challenge.id, now).await?;
        Ok(if claimed { Answer::Authenticated } else { Answer::Expired })
    }

    async fn submit(
        &self,
        request: &CheckRequest,
        pin: &SecretString,
    ) -> Result<Answer, ServiceError> {
        if !request.asked().is_plausible() {
            return Ok(Answer::Refused);
        }
        let submission = PinSubmission {
            account: request.account,
            api_key: request.api_key,
            system: request.system.clone(),
            auth_id: request.auth_id.clone(),
            txn: request.txn.clone(),
            pin: PinAttempt {
                keys: Arc::clone(&self.keys),
                submitted: SubmittedPin::parse(pin.expose_secret()),
                has_txn: request.txn.is_some(),
            },
        };
        let Some(submitted) = self.store.submit(submission, self.clock.now()).await? else {
            return Ok(Answer::Refused);
        };
        tracing::debug!(?submitted, "a PIN is answered");
        if submitted.is_changed {
            self.changed(submitted.challenge);
            match submitted.answer {
                Answer::Authenticated => metrics::ended(Method::Pin, End::Authenticated),
                Answer::Rejected { reason: Reason::Attempts, .. } => {
                    metrics::ended(Method::Pin, End::Locked);
                }
                Answer::Rejected { .. }
                | Answer::Pending { .. }
                | Answer::Expired
                | Answer::Refused
                | Answer::TooSoon { .. } => {}
            }
        }
        if submitted.is_disabled {
            metrics::locked_out();
        }
        if submitted.is_alerted {
            self.courier.queued().await;
        }
        Ok(submitted.answer)
    }

    fn changed(&self, challenge: i64) {
        self.waiters.wake(challenge);
        self.store.announce(challenge);
    }
}

/// Why a request could not be answered. None of it is the caller's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Render(#[from] TemplateError),
    #[error("the server key {id} is missing from the key file")]
    KeyMissing { id: String },
    #[error("the database did not answer in time")]
    Late,
    #[error("the request was not carried out to its end")]
    Interrupted(#[from] tokio::task::JoinError),
}

const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
const SWEPT_AT_ONCE: u32 = 500;
