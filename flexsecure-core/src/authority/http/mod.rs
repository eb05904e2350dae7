mod config;
mod knowledge;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::Instant;

pub use self::config::{Builder, ConfigError};

use self::config::Limits;
use self::knowledge::Knowledge;
use self::wire::{Call, NoAnswer, Wire};
use super::reply::{self, Answer};
use super::{Authority, Capabilities, CheckReply, CheckRequest, StartReply, StartRequest};

/// The client of an authority that speaks the v1 API, by way of reqwest and rustls.
///
/// ```no_run
/// use flexsecure_core::HttpAuthority;
///
/// let authority = HttpAuthority::from_env()?;
/// # Ok::<(), flexsecure_core::authority::ConfigError>(())
/// ```
///
/// 1. The address is `https`, unless it is a loopback one (`127.0.0.0/8`, `::1`, `localhost`).
/// 2. A redirect is never followed, so the key goes nowhere else. No proxy is taken from the
///    environment, cookies are not kept, and compression is neither asked for nor undone.
/// 3. A start takes five seconds at most, a check three beyond the time it is held, a connection
///    two of them. No more than 64 KiB of an answer are read.
/// 4. What goes beyond the v1 API is sent only to an authority that says it knows it. It is asked
///    (`GET /v1/capabilities`) when that is first needed, again after an hour, and again after an
///    outage. One that can't be asked counts as what it last said it was, at first as v1 only.
/// 5. Nothing is sent twice. A start whose outcome is unknown is reported as such.
///
/// Outages are logged as warnings, and what only the operator can mend as errors, under the target
/// `flexsecure::authority`; never with the key, a PIN, or what the authority answered.
pub struct HttpAuthority {
    wire: Wire,
    knowledge: Knowledge,
    limits: Limits,
}

impl HttpAuthority {
    /// The authority that the environment names.
    ///
    /// | variable | value |
    /// | --- | --- |
    /// | `FLEXSECURE_URL` | its address, without `/v1` |
    /// | `FLEXSECURE_API_KEY` | the key it issued |
    /// | `FLEXSECURE_CAPABILITIES` | `v1` or `full`, to fix what it is taken to know; else it is asked |
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says which of them to set, and to what.
    pub fn from_env() -> Result<Self, ConfigError> {
        Builder::from_variables(|name| std::env::var_os(name))?.build()
    }

    /// The authority at `url`, which lets us in with `key`.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new(url: &str, key: impl Into<SecretString>) -> Result<Self, ConfigError> {
        Self::builder(url, key).build()
    }

    /// Starts with the authority's address, without `/v1`, and the key it issued.
    #[must_use]
    pub fn builder(url: &str, key: impl Into<SecretString>) -> Builder {
        Builder::new(url, key.into())
    }

    async fn ask_capabilities(&self) -> Option<Capabilities> {
        let deadline = after(Instant::now(), self.limits.capabilities);
        let answer = self.wire.send(Call::Capabilities, deadline).await;
        let capabilities = answer.as_ref().ok().and_then(reply::capabilities);
        match capabilities {
            Some(capabilities) => {
                tracing::debug!(target: TARGET, ?capabilities, "asked what it knows")
            }
            None => report("capabilities", &answer),
        }
        capabilities
    }

    async fn start_by(&self, request: StartRequest<'_>, deadline: Instant) -> StartReply {
        let asked = tokio::time::timeout_at(deadline, self.capabilities()).await;
        let Ok(capabilities) = asked else {
            return StartReply::NotStarted { retry_after: None };
        };
        let answer = self.wire.send(Call::Start(request, capabilities), deadline).await;
        let reply = match &answer {
            Ok(answer) => reply::start(answer, capabilities),
            Err(NoAnswer::NotSent(_)) => StartReply::NotStarted { retry_after: None },
            Err(NoAnswer::Lost(_)) => StartReply::Unknown,
        };
        match reply {
            StartReply::Accepted(_) | StartReply::Refused => {}
            StartReply::Misconfigured => {
                let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
                tracing::error!(
                    target: TARGET,
                    status,
                    system = request.system,
                    "the authority refuses us, or does not name the login as it promised: check \
                     its address, the API key and the capabilities",
                );
            }
            StartReply::NotStarted { .. } | StartReply::Unknown => report("start", &answer),
        }
        reply
    }
}

#[async_trait]
impl Authority for HttpAuthority {
    async fn capabilities(&self) -> Capabilities {
        self.knowledge.get(self.ask_capabilities()).await
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        let deadline = after(Instant::now(), self.limits.start);
        let reply = self.start_by(request, deadline).await;
        if matches!(reply, StartReply::NotStarted { .. } | StartReply::Unknown) {
            self.knowledge.doubt();
        }
        reply
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        let began = Instant::now();
        let hold = wire::whole_seconds(request.hold);
        let wait = if hold.is_zero() {
            hold
        } else {
            wire::whole_seconds(self.capabilities().await.wait).min(hold)
        };
        let deadline = after(began, self.limits.check.saturating_add(wait));
        let answer = self.wire.send(Call::Check(request, wait), deadline).await;
        let reply = match &answer {
            Ok(answer) => reply::check(answer),
            Err(NoAnswer::NotSent(_)) => CheckReply::Unavailable { retry_after: None, sent: false },
            Err(NoAnswer::Lost(_)) => CheckReply::Unavailable { retry_after: None, sent: true },
        };
        if matches!(reply, CheckReply::Unavailable { .. }) {
            self.knowledge.doubt();
            report("check", &answer);
        }
        reply
    }
}

impl fmt::Debug for HttpAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAuthority").field("url", &self.wire.base()).finish_non_exhaustive()
    }
}

/// A limit too far to be told is none of ours.
fn after(began: Instant, limit: Duration) -> Instant {
    began.checked_add(limit).unwrap_or(began)
}

/// Tells the operator of a call that came to nothing: as an alarm if waiting does not mend it.
fn report(call: &'static str, answer: &Result<Answer, NoAnswer>) {
    match answer {
        Ok(answer) if answer.is_alarming() => tracing::error!(
            target: TARGET,
            call,
            status = answer.status.as_u16(),
            "the authority does not take our calls: check its address and the API key",
        ),
        Ok(answer) => tracing::warn!(
            target: TARGET,
            call,
            status = answer.status.as_u16(),
            "the authority gave no usable answer",
        ),
        Err(NoAnswer::NotSent(cause) | NoAnswer::Lost(cause)) => {
            tracing::warn!(target: TARGET, call, %cause, "the authority did not answer");
        }
    }
}

const TARGET: &str = "flexsecure::authority";
