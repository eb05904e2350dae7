use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::authority::reply::{Answer, Body};
use crate::authority::{Capabilities, CheckRequest, StartRequest};
use crate::pin::Pin;

/// The calls of the v1 API, on the wire.
pub(super) struct Wire {
    client: Client,
    base: Url,
    key: SecretString,
    start: Url,
    check: Url,
    capabilities: Url,
}

/// A call and what it depends on.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    Capabilities,
    Start(StartRequest<'a>, Capabilities),
    /// With the time to be held, in whole seconds.
    Check(CheckRequest<'a>, Duration),
}

/// Why there is no answer; the cause is for the log.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The request did not leave, for certain.
    NotSent(String),
    /// The authority may have processed it.
    Lost(String),
}

#[derive(Serialize)]
struct StartBody<'a> {
    system: &'a str,
    authid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<&'a str>,
}

#[derive(Serialize)]
struct CheckBody<'a> {
    system: &'a str,
    authid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<PinValue<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<&'a str>,
}

/// The v1 API shows the PIN as a JSON number, which can't begin with a zero.
#[derive(Serialize)]
#[serde(untagged)]
enum PinValue<'a> {
    Number(u32),
    Text(&'a str),
}

impl Wire {
    /// Calls below `base`, which can have a path.
    pub(super) fn new(client: Client, base: Url, key: SecretString) -> Self {
        let start = endpoint(&base, "start");
        let check = endpoint(&base, "check");
        let capabilities = endpoint(&base, "capabilities");
        Self { client, base, key, start, check, capabilities }
    }

    pub(super) fn base(&self) -> &str {
        self.base.as_str()
    }

    /// Makes `call` and reads the answer, until `deadline`.
    ///
    /// Once the head has arrived there is an answer: its status can say all there is to know.
    pub(super) async fn send(&self, call: Call<'_>, deadline: Instant) -> Result<Answer, NoAnswer> {
        let request = self.request(call)?;
        let mut response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(NoAnswer::from(&error)),
            Err(_) => return Err(NoAnswer::Lost("it took too long".to_owned())),
        };
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = timeout_at(deadline, read(response)).await.unwrap_or(Body::CutShort);
        Ok(Answer { status, headers, body })
    }

    fn request(&self, call: Call<'_>) -> Result<RequestBuilder, NoAnswer> {
        let request = match call {
            Call::Capabilities => self.client.get(self.capabilities.clone()),
            Call::Start(start, capabilities) => {
                let request =
                    self.client.post(self.start.clone()).body(start_body(start, capabilities)?);
                if capabilities.idempotency {
                    request.header("idempotency-key", start.idempotency_key)
                } else {
                    request
                }
            }
            Call::Check(check, wait) => {
                let request = self.client.post(self.check.clone()).body(check_body(check)?);
                if wait.is_zero() {
                    request
                } else {
                    request.header("prefer", format!("wait={}", wait.as_secs()))
                }
            }
        };
        let key = HeaderValue::from_str(self.key.expose_secret());
        let mut key = key.map_err(|error| NoAnswer::NotSent(error.to_string()))?;
        key.set_sensitive(true);
        let json = HeaderValue::from_static("application/json");
        Ok(request.header(CONTENT_TYPE, json).header("apikey", key))
    }
}

impl From<&reqwest::Error> for NoAnswer {
    fn from(error: &reqwest::Error) -> Self {
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if error.is_connect() || error.is_builder() {
            Self::NotSent(cause.to_string())
        } else {
            Self::Lost(cause.to_string())
        }
    }
}

/// The whole seconds of `duration`, because `Prefer: wait` (RFC 7240, section 4.3) counts in them.
pub(super) const fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

fn endpoint(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    // Only a URL without a host has no path segments, and the configuration takes none such.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["v1", name]);
    }
    url
}

fn start_body(start: StartRequest<'_>, capabilities: Capabilities) -> Result<Bytes, NoAnswer> {
    let beyond_v1 = capabilities.txn.then_some(());
    json(&StartBody {
        system: start.system,
        authid: start.auth_id,
        operation: beyond_v1.and(start.operation).map(|operation| operation.text()),
        ip: beyond_v1.and(start.origin.ip),
        user_agent: beyond_v1.and(start.origin.user_agent.as_deref()),
        binding: beyond_v1.map(|()| start.binding),
    })
}

fn check_body(check: CheckRequest<'_>) -> Result<Bytes, NoAnswer> {
    json(&CheckBody {
        system: check.system,
        authid: check.auth_id,
        pin: check.pin.map(pin_value),
        txn: check.txn.map(|txn| txn.as_str()),
    })
}

fn pin_value(pin: &Pin) -> PinValue<'_> {
    let digits = pin.expose();
    match digits.parse() {
        Ok(number) if !digits.starts_with('0') => PinValue::Number(number),
        _ => PinValue::Text(digits),
    }
}

fn json(body: &impl Serialize) -> Result<Bytes, NoAnswer> {
    let bytes = serde_json::to_vec(body).map_err(|error| NoAnswer::NotSent(error.to_string()))?;
    Ok(bytes.into())
}

/// Counts what arrives instead of believing what was announced.
async fn read(mut response: Response) -> Body {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > LONGEST_BODY.saturating_sub(body.len()) => {
                return Body::TooLong;
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(body.freeze()),
            Err(_) => return Body::CutShort,
        }
    }
}

const LONGEST_BODY: usize = 64 * 1024;
