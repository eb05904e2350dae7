//! The other side of a refusal: a client that does what it asks for and repeats the request.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use async_trait::async_trait;
//! use flexsecure_core::Pin;
//! use flexsecure_core::client::{Challenge, ClientError, Prompt, StepUpClient};
//!
//! /// Asks at the terminal.
//! struct Terminal;
//!
//! #[async_trait]
//! impl Prompt for Terminal {
//!     async fn pin(&self, challenge: &Challenge) -> Option<Pin> {
//!         eprintln!("PIN for {}:", challenge.operation().unwrap_or(challenge.system()));
//!         let typed = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
//!         Pin::parse(&typed.await.ok()??.ok()?).ok()
//!     }
//!
//!     fn waiting(&self, challenge: &Challenge) -> ControlFlow<()> {
//!         if let Some(number) = challenge.match_number() {
//!             eprintln!("Open the link that was sent to you and enter {number}.");
//!         }
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! # async fn transfer() -> Result<(), Box<dyn std::error::Error>> {
//! let client = StepUpClient::new(reqwest::Client::builder(), Terminal)?;
//! let transfer = client
//!     .http()
//!     .post("https://bank.example.com/transfers")
//!     .bearer_auth("the token of alice's session")
//!     .header("content-type", "application/json")
//!     .body(r#"{"to":"bob","amount":"250.00"}"#)
//!     .build()?;
//! match client.send(transfer).await {
//!     Ok(response) => println!("{}", response.status()),
//!     Err(ClientError::Cancelled) => println!("nothing was transferred"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! 1. A refusal is a `401` with `application/problem+json` of the type
//!    `urn:flexsecure:problem:step-up-required`. Any other answer is handed back as it came, and so
//!    is the answer to a `HEAD`, which has no body to tell by.
//! 2. The user is asked for a PIN ([`Prompt::pin`]), or is told that a link was sent
//!    ([`Prompt::waiting`]) while the client waits for its approval.
//! 3. Then the request is repeated, once. Another refusal is an error
//!    ([`ClientError::RefusedAgain`]): a server that never has enough must not keep asking the user
//!    (RFC 9470, section 6).
//! 4. A request whose body can be sent once only is not sent at all
//!    ([`ClientError::Unrepeatable`]): its refusal would send the user a message for nothing.
//!
//! # What goes where
//!
//! The flow belongs to the session of the request, so its `Authorization` and `Cookie` headers are
//! sent to the flow as well, and nowhere else: the server names the flow by a path, and whatever
//! leads to another origin is an error. Other credentials belong in the default headers of the
//! [`reqwest::ClientBuilder`]. No redirect is followed: a `3xx` in answer to the request is handed
//! back, one from the flow is an error. No more than 64 KiB of a refusal are read.
//!
//! What the server says is cleaned of control characters before the [`Prompt`] is given it.
//!
//! # What it does not do
//!
//! This is HTTP only: a gRPC client finds the same problem in the metadata of its status and calls
//! the flow's endpoints itself. Dropping the future of [`StepUpClient::send`] leaves the flow as it
//! is; giving up in the [`Prompt`] cancels it.

mod authentication;
mod challenge;
mod endpoint;
mod error;
mod flow;
mod refused;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, ClientBuilder, Request, Response, redirect, retry};
use tokio::time::Instant;

pub use self::challenge::Challenge;
pub use self::error::ClientError;

use self::authentication::Authentication;
use self::endpoint::Endpoint;
use self::refused::Answered;
use crate::pin::Pin;

/// Sends requests, and authenticates the user where one is refused for want of that.
///
/// It is cheap to clone.
#[derive(Clone)]
pub struct StepUpClient {
    http: Client,
    prompt: Arc<dyn Prompt>,
    patience: Duration,
}

/// What a client needs of its user.
#[async_trait]
pub trait Prompt: Send + Sync {
    /// The PIN that was sent to the user; none to give up, which cancels the flow.
    ///
    /// It is asked for again while it was not the right one and attempts are left. The future is
    /// dropped when the time for it is over.
    async fn pin(&self, challenge: &Challenge) -> Option<Pin>;

    /// Tells the user what is waited for. [`ControlFlow::Break`] gives up, which cancels the flow.
    ///
    /// It is called when waiting begins, at each news, and at least twice a minute. The clone of a
    /// challenge goes on counting its seconds.
    fn waiting(&self, challenge: &Challenge) -> ControlFlow<()>;
}

#[async_trait]
impl<P: Prompt + ?Sized> Prompt for Arc<P> {
    async fn pin(&self, challenge: &Challenge) -> Option<Pin> {
        (**self).pin(challenge).await
    }

    fn waiting(&self, challenge: &Challenge) -> ControlFlow<()> {
        (**self).waiting(challenge)
    }
}

impl StepUpClient {
    /// A client with the settings of `builder`, but that neither follows redirects nor sends
    /// anything twice by itself.
    ///
    /// # Errors
    ///
    /// [`ClientError::Http`] if these settings make no client.
    pub fn new(builder: ClientBuilder, prompt: impl Prompt + 'static) -> Result<Self, ClientError> {
        let builder = builder.redirect(redirect::Policy::none()).retry(retry::never());
        Ok(Self { http: builder.build()?, prompt: Arc::new(prompt), patience: LONGEST })
    }

    /// The most time from a refusal to the repeated request: never more than ten minutes, or than
    /// the flow lives.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(LONGEST);
        self
    }

    /// What to build requests with. One that it sends itself is not stepped up.
    #[must_use]
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Sends `request`. If it is refused until the user is authenticated, sees to that and sends it
    /// a second and last time. Its own time limit holds for each of the two.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; unless it is [`ClientError::Http`], the request has not been carried out.
    pub async fn send(&self, request: Request) -> Result<Response, ClientError> {
        let again = request.try_clone().ok_or(ClientError::Unrepeatable)?;
        let refusal = match refused::read(self.http.execute(request).await?).await? {
            Answered::Otherwise(response) => return Ok(response),
            Answered::Refused(refusal) => refusal,
        };
        let now = Instant::now();
        let deadline = now.checked_add(self.patience).unwrap_or(now);
        let refusal = refusal.parse()?;
        let endpoint = Endpoint::new(self.http.clone(), &again, &refusal.flow)?;
        Authentication::new(endpoint, self.prompt.as_ref(), refusal, deadline).obtain().await?;
        match refused::read(self.http.execute(again).await?).await? {
            Answered::Otherwise(response) => Ok(response),
            Answered::Refused(_) => Err(ClientError::RefusedAgain),
        }
    }
}

impl fmt::Debug for StepUpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUpClient").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// No flow lives longer.
const LONGEST: Duration = Duration::from_secs(600);
