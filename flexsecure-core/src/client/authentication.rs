//! From a refusal to an authenticated flow, or to the reason why there is none.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::endpoint::{Call, Endpoint, Reply};
use super::flow::{FlowObject, State};
use super::refused::Refusal;
use super::{Challenge, ClientError, Prompt};
use crate::Method;
use crate::flow::Over;

/// One flow, brought to its end.
pub(super) struct Authentication<'a> {
    endpoint: Endpoint,
    prompt: &'a dyn Prompt,
    challenge: Challenge,
    flow: FlowObject,
    next: Next,
    deadline: Instant,
    next_look: Instant,
    failures: u32,
    pins_tried: u8,
}

/// What to do unless the flow is at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Whatever its state takes.
    Act,
    /// Wait for news: what its state takes was done.
    Wait,
    /// Find out how it stands: the last call may or may not have been heard.
    Look,
}

impl<'a> Authentication<'a> {
    pub(super) fn new(
        endpoint: Endpoint,
        prompt: &'a dyn Prompt,
        refusal: Refusal,
        deadline: Instant,
    ) -> Self {
        Self {
            endpoint,
            prompt,
            challenge: Challenge::new(&refusal),
            flow: refusal.flow,
            next: Next::Act,
            deadline,
            next_look: Instant::now(),
            failures: 0,
            pins_tried: 0,
        }
    }

    /// Ends when the user is authenticated.
    pub(super) async fn obtain(mut self) -> Result<(), ClientError> {
        loop {
            let state = self.flow.state()?;
            match state {
                State::Authenticated => return Ok(()),
                State::Over(over) => return Err(ClientError::Over(over)),
                State::Idle | State::Started => {}
            }
            let limit = self.limit();
            match timeout_at(limit, self.advance(state)).await {
                Ok(Ok(())) => {}
                Ok(Err(ClientError::Cancelled)) => {
                    self.endpoint.cancel().await;
                    return Err(ClientError::Cancelled);
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(ClientError::Over(Over::Timeout)),
            }
        }
    }

    /// The server has a moment beyond the flow's life to tell how it ended.
    fn limit(&self) -> Instant {
        let expires_at = self.challenge.expires_at();
        let over = expires_at.and_then(|expires_at| expires_at.checked_add(LAST_WORD));
        over.map_or(self.deadline, |over| over.min(self.deadline))
    }

    async fn advance(&mut self, state: State) -> Result<(), ClientError> {
        let takes_pin = self.challenge.method() == Some(Method::Pin);
        match (self.next, state) {
            (Next::Look, _) => self.look(Duration::ZERO).await,
            (Next::Act, State::Idle) => self.start().await,
            (Next::Act, State::Started) if takes_pin => self.try_pin().await,
            (Next::Act | Next::Wait, _) => {
                self.tell()?;
                self.look(LONGEST_WAIT).await
            }
        }
    }

    async fn start(&mut self) -> Result<(), ClientError> {
        self.tell()?;
        let reply = self.endpoint.call(Call::Start).await?;
        // A flow that stays idle is looked at before it is started again.
        self.take(reply, Next::Wait).await
    }

    async fn try_pin(&mut self) -> Result<(), ClientError> {
        if self.pins_tried == MOST_PINS {
            return Err(ClientError::Over(Over::Attempts));
        }
        self.pins_tried = self.pins_tried.saturating_add(1);
        let pin = self.prompt.pin(&self.challenge).await.ok_or(ClientError::Cancelled)?;
        let reply = self.endpoint.call(Call::Pin(&pin)).await?;
        drop(pin);
        self.take(reply, Next::Act).await
    }

    async fn look(&mut self, wait: Duration) -> Result<(), ClientError> {
        sleep_until(self.next_look).await;
        let now = Instant::now();
        self.next_look = now.checked_add(self.flow.interval()).unwrap_or(now);
        let reply = self.endpoint.call(Call::Show(wait)).await?;
        self.take(reply, Next::Act).await
    }

    fn tell(&self) -> Result<(), ClientError> {
        let told = self.prompt.waiting(&self.challenge);
        if told.is_break() { Err(ClientError::Cancelled) } else { Ok(()) }
    }

    async fn take(&mut self, reply: Reply, next: Next) -> Result<(), ClientError> {
        let flow = match reply {
            Reply::Flow(flow) => flow,
            Reply::PinRejected(flow) => {
                self.challenge.reject_pin();
                flow
            }
            Reply::Later(retry_after) => return self.pause(retry_after).await,
        };
        // A start that is heard is followed by what the flow then takes.
        let is_idle = flow.state()? == State::Idle;
        self.next = if next == Next::Wait && !is_idle { Next::Act } else { next };
        self.failures = 0;
        self.challenge.learn(&flow);
        self.flow = flow;
        Ok(())
    }

    /// Nothing is sent a second time before it is known how the flow stands.
    async fn pause(&mut self, retry_after: Option<Duration>) -> Result<(), ClientError> {
        self.next = Next::Look;
        let back_off = Duration::from_secs(1 << self.failures.min(MOST_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        let wait = retry_after.unwrap_or(back_off).max(SHORTEST_PAUSE);
        let then = Instant::now().checked_add(wait).filter(|then| *then < self.limit());
        let Some(then) = then else {
            return Err(ClientError::Unavailable { retry_after });
        };
        sleep_until(then).await;
        Ok(())
    }
}

/// How long a look at a flow is held: less than the half minute a server allows.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// How long after the end of a flow its server can still say that.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A server that never says how many attempts are left does not ask for ever.
const MOST_PINS: u8 = 10;

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// From one second to half a minute or so.
const MOST_DOUBLINGS: u32 = 5;
