use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flexsecure_core::page::TemplateError;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{
    Answer, Challenge, LinkToken, MatchNumber, Pin, Reason, Standing, State, SubmittedPin, Waiters,
};
use crate::{
    Clock, Method, PublicUrl, StoreError,
    delivery::{Content, Dispatcher, Letter},
    directory::{validate_auth_id, validate_name},
    secret::{RandomnessError, ServerKey, ServerKeys, random_bytes},
    stopping::Stopping,
    store::{ApprovalRequest, Event, FreshChallenge, Recipient, Start, Store},
};

/// Starts challenges, answers checks, takes approvals.
#[derive(Debug)]
pub(crate) struct Challenges {
    pub(crate) store: Store,
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) public_url: PublicUrl,
}

/// A start that has been parsed.
#[derive(Debug)]
pub(crate) struct StartRequest {
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
    pub(crate) api_key: i64,
    pub(crate) system: String,
    pub(crate) auth_id: String,
    pub(crate) txn: Option<String>,
    pub(crate) pin: Option<SecretString>,
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
    /// `None` is a refusal; why is not told.
    pub(crate) async fn start(
        &self,
        request: &StartRequest,
    ) -> Result<Option<Started>, ServiceError> {
        let now = self.clock.now();
        let server_key = self.keys.current();
        let nonce = random_bytes::<32>()?;
        let fresh = FreshChallenge {
            txn: URL_SAFE_NO_PAD.encode(random_bytes::<16>()?),
            server_key: server_key.id(),
            nonce,
            token_hash: LinkToken::derive(&server_key, &nonce).hash(),
            match_number: MatchNumber::random()?,
            pin_life: PIN_LIFE,
            link_life: LINK_LIFE,
            resend_after: RESEND_AFTER,
        };
        let (challenge, recipient) = match self.store.start(request, &fresh, now).await? {
            Start::Refused => return Ok(None),
            Start::Repeated(challenge) => (challenge, None),
            Start::Due(challenge, recipient) => (challenge, Some(recipient)),
        };
        if let Some(recipient) = recipient {
            self.send(request, &challenge, recipient)?;
        }
        Ok(Some(Started {
            remaining: challenge.remaining(now),
            txn: challenge.txn,
            method: challenge.method,
            match_number: challenge.match_number,
        }))
    }

    /// Without a PIN this writes nothing, except that it takes the one approval a check without `txn` may have.
    pub(crate) async fn check(&self, request: &CheckRequest) -> Result<Answer, ServiceError> {
        let Some(challenge) = self.find(request).await? else { return Ok(Answer::Refused) };
        match &request.pin {
            Some(pin) => self.submit(request, &challenge, pin).await,
            None => self.read(request, &challenge).await,
        }
    }

    /// Answers at the next change of the challenge, when `wait` is over or when the server stops.
    pub(crate) async fn check_after_change(
        &self,
        request: &CheckRequest,
        wait: Duration,
        mut stopping: Stopping,
    ) -> Result<Answer, ServiceError> {
        let Some(challenge) = self.find(request).await? else { return Ok(Answer::Refused) };
        let mut waiter = self.waiters.subscribe(challenge.id);
        let answer = self.check(request).await?;
        let Answer::Pending { remaining } = answer else { return Ok(answer) };
        tokio::select! {
            () = waiter.changed() => {}
            () = sleep(wait.min(remaining)) => {}
            () = stopping.begun() => {}
        }
        self.check(request).await
    }

    /// What the page of a live link shows.
    pub(crate) async fn approval_request(
        &self,
        token: &LinkToken,
    ) -> Result<Option<ApprovalRequest>, ServiceError> {
        let found = self.store.approval_request(&token.hash()).await?;
        Ok(found.filter(|request| {
            matches!(request.challenge.standing(self.clock.now()), Standing::Live { .. })
        }))
    }

    pub(crate) async fn decide(
        &self,
        token: &LinkToken,
        decision: Decision,
    ) -> Result<Outcome, ServiceError> {
        let Some(request) = self.approval_request(token).await? else { return Ok(Outcome::Gone) };
        let (state, event, outcome) = match decision {
            Decision::Decline => (State::Declined, Event::Declined, Outcome::Declined),
            Decision::Approve(number) if request.challenge.match_number == Some(number) => {
                (State::Authenticated, Event::Authenticated, Outcome::Approved)
            }
            Decision::Approve(_) => (State::Declined, Event::WrongMatch, Outcome::WrongNumber),
        };
        let challenge = request.challenge.id;
        if !self.store.end(challenge, state, event, self.clock.now()).await? {
            return Ok(Outcome::Gone);
        }
        self.waiters.wake(challenge);
        Ok(outcome)
    }

    /// Marks what has run out, and forgets what did so long ago.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.sweep(now.saturating_sub(FORGET_AFTER), now).await
    }

    async fn find(&self, request: &CheckRequest) -> Result<Option<Challenge>, StoreError> {
        if !validate_name(&request.system) || !validate_auth_id(&request.auth_id) {
            return Ok(None);
        }
        self.store.challenge(&request.system, &request.auth_id, request.txn.as_deref()).await
    }

    async fn read(
        &self,
        request: &CheckRequest,
        challenge: &Challenge,
    ) -> Result<Answer, ServiceError> {
        let now = self.clock.now();
        let standing = challenge.standing(now);
        if standing != Standing::Authenticated || request.txn.is_some() {
            return Ok(standing.into());
        }
        let claimed = !challenge.claimed && self.store.claim(challenge.id, now).await?;
        Ok(if claimed { Answer::Authenticated } else { Answer::Expired })
    }

    async fn submit(
        &self,
        request: &CheckRequest,
        challenge: &Challenge,
        pin: &SecretString,
    ) -> Result<Answer, ServiceError> {
        let rejected = |reason| {
            let attempts_left =
                (challenge.method == Method::Pin).then_some(challenge.attempts_left());
            Ok(Answer::Rejected { reason, attempts_left })
        };
        let now = self.clock.now();
        let standing = challenge.standing(now);
        if !matches!(standing, Standing::Live { .. } | Standing::Authenticated) {
            return Ok(standing.into());
        }
        if challenge.method != Method::Pin {
            return rejected(Reason::Method);
        }
        let Some(submitted) = SubmittedPin::parse(pin.expose_secret()) else {
            return rejected(Reason::Malformed);
        };
        if standing == Standing::Authenticated {
            return self.repeat(request, challenge, &submitted);
        }
        let Some(attempt) = self.store.attempt(challenge.id, request.api_key, now).await? else {
            return self.lost_the_race(request, challenge, &submitted).await;
        };
        let attempts_left = attempt.attempts_left();
        let answer = if self.is_right(challenge, &submitted)? {
            if attempt.succeed().await? { Answer::Authenticated } else { Answer::Expired }
        } else {
            attempt.fail().await?;
            let reason = if attempts_left == 0 { Reason::Attempts } else { Reason::Pin };
            Answer::Rejected { reason, attempts_left: Some(attempts_left) }
        };
        self.waiters.wake(challenge.id);
        Ok(answer)
    }

    /// A challenge that ended between the look and the attempt.
    async fn lost_the_race(
        &self,
        request: &CheckRequest,
        challenge: &Challenge,
        submitted: &SubmittedPin,
    ) -> Result<Answer, ServiceError> {
        let found =
            self.store.challenge(&request.system, &request.auth_id, Some(&challenge.txn)).await?;
        let Some(challenge) = found else { return Ok(Answer::Refused) };
        match challenge.standing(self.clock.now()) {
            Standing::Authenticated => self.repeat(request, &challenge, submitted),
            Standing::Live { .. } => Ok(Standing::Over(Reason::Attempts).into()),
            standing @ (Standing::Expired | Standing::Over(_)) => Ok(standing.into()),
        }
    }

    /// A lost reply loses no approval: the right PIN with the right `txn` is answered alike again. It ended the
    /// challenge, so there is nothing left to guess.
    fn repeat(
        &self,
        request: &CheckRequest,
        challenge: &Challenge,
        submitted: &SubmittedPin,
    ) -> Result<Answer, ServiceError> {
        if request.txn.is_none() {
            return Ok(Answer::Expired);
        }
        Ok(if self.is_right(challenge, submitted)? {
            Answer::Authenticated
        } else {
            Answer::Rejected { reason: Reason::Pin, attempts_left: None }
        })
    }

    fn is_right(
        &self,
        challenge: &Challenge,
        submitted: &SubmittedPin,
    ) -> Result<bool, ServiceError> {
        let key = self.server_key(challenge)?;
        Ok(Pin::derive(&key, &challenge.nonce).matches(submitted, &key, &challenge.nonce))
    }

    fn send(
        &self,
        request: &StartRequest,
        challenge: &Challenge,
        recipient: Recipient,
    ) -> Result<(), ServiceError> {
        let key = self.server_key(challenge)?;
        let content = match challenge.method {
            Method::Pin => {
                let pin = Pin::derive(&key, &challenge.nonce);
                Content::Pin(SecretString::from(pin.expose()))
            }
            Method::Passwordless => {
                let token = LinkToken::derive(&key, &challenge.nonce);
                Content::Link(self.public_url.link(token.expose()))
            }
        };
        self.dispatcher.send(Letter {
            challenge: challenge.id,
            recipient,
            system: &request.system,
            operation: &request.operation,
            content,
            minutes: challenge.remaining(self.clock.now()).as_secs().div_ceil(60),
        })?;
        Ok(())
    }

    fn server_key(&self, challenge: &Challenge) -> Result<Arc<ServerKey>, ServiceError> {
        self.keys
            .find(&challenge.server_key)
            .ok_or_else(|| ServiceError::KeyMissing { id: challenge.server_key.clone() })
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
    #[error("the request was not carried out to its end")]
    Interrupted(#[from] tokio::task::JoinError),
}

const PIN_LIFE: Duration = Duration::from_secs(300);
const LINK_LIFE: Duration = Duration::from_secs(600);
const RESEND_AFTER: Duration = Duration::from_secs(30);
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
