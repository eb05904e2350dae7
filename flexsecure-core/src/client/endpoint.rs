//! The calls to a flow, on the wire.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue};
use reqwest::{Client, Request, RequestBuilder, Response, Url};
use serde::Deserialize;

use super::ClientError;
use super::flow::{FlowObject, State};
use super::refused;
use crate::flow::FlowId;
use crate::pin::Pin;
use crate::retry_after;

/// Where a flow is called, and with what credentials.
pub(super) struct Endpoint {
    http: Client,
    flow: Url,
    credentials: HeaderMap,
}

/// What is asked of a flow.
pub(super) enum Call<'a> {
    /// With the time to be held, in whole seconds.
    Show(Duration),
    Start,
    Pin(&'a Pin),
}

/// What it says.
pub(super) enum Reply {
    Flow(FlowObject),
    PinRejected(FlowObject),
    /// Whatever was asked may or may not have happened.
    Later(Option<Duration>),
}

/// The part of a problem that says how the flow stands.
#[derive(Deserialize)]
struct FlowWithin {
    flow: FlowObject,
}

impl Endpoint {
    /// The endpoint of `flow`, which `request` was refused with.
    pub(super) fn new(
        http: Client,
        request: &Request,
        flow: &FlowObject,
    ) -> Result<Self, ClientError> {
        let mut credentials = HeaderMap::new();
        for name in [AUTHORIZATION, COOKIE] {
            for value in request.headers().get_all(&name) {
                credentials.append(&name, value.clone());
            }
        }
        Ok(Self { http, flow: locate(request.url(), flow)?, credentials })
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply, ClientError> {
        let (request, held) = match call {
            Call::Show(wait) => {
                let request = self.http.get(self.flow.clone());
                (request.header("prefer", format!("wait={}", wait.as_secs())), wait)
            }
            Call::Start => (self.http.post(self.below("start")), Duration::ZERO),
            Call::Pin(pin) => {
                let body = format!("{{\"pin\":\"{}\"}}", pin.expose());
                let json = HeaderValue::from_static("application/json");
                let request = self.http.post(self.below("pin"));
                (request.header(CONTENT_TYPE, json).body(body), Duration::ZERO)
            }
        };
        let limit = ANSWER_LIMIT.saturating_add(held);
        match self.with_credentials(request).timeout(limit).send().await {
            Ok(response) => understand(response).await,
            Err(_) => Ok(Reply::Later(None)),
        }
    }

    /// Nobody waits for what comes of it.
    pub(super) async fn cancel(&self) {
        let request = self.http.delete(self.flow.clone()).timeout(ANSWER_LIMIT);
        if let Err(error) = self.with_credentials(request).send().await {
            let error = error.without_url();
            tracing::debug!(target: LOG, %error, "the flow is left to expire");
        }
    }

    fn with_credentials(&self, request: RequestBuilder) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        request.headers(self.credentials.clone()).header(ACCEPT, json)
    }

    fn below(&self, name: &str) -> Url {
        let mut url = self.flow.clone();
        url.set_path(&format!("{}/{name}", self.flow.path()));
        url
    }
}

/// The address of `flow`, on the origin of the request and nowhere else.
///
/// It must also end as the address of a flow does: what is sent there, a `DELETE` for one, must not
/// hit anything else.
fn locate(request: &Url, flow: &FlowObject) -> Result<Url, ClientError> {
    let foreign = || ClientError::ForeignFlow;
    let id: FlowId = flow.id.parse().map_err(|_| foreign())?;
    // A URL parser takes `\` for `/` and leaves out tabs and line breaks.
    let is_plain = flow.url.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
    let is_path = flow.url.starts_with('/') && !flow.url.starts_with("//");
    if !is_plain || !is_path {
        return Err(foreign());
    }
    let url = request.join(&flow.url).map_err(|_| foreign())?;
    let is_flow = url.path().ends_with(&format!("/flows/{id}"));
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if url.origin() != request.origin() || !is_flow || !is_bare {
        return Err(foreign());
    }
    Ok(url)
}

async fn understand(mut response: Response) -> Result<Reply, ClientError> {
    let status = response.status().as_u16();
    let wait = retry_after::delay(response.headers());
    let mut body = BytesMut::new();
    match refused::read_body(&mut response, &mut body).await {
        Ok(true) => {}
        Ok(false) => return Err(ClientError::Malformed),
        Err(_) => return Ok(Reply::Later(wait)),
    }
    let problem = refused::problem(&body);
    let flow_within = || serde_json::from_slice(&body).ok().map(|FlowWithin { flow }| flow);
    match (status, problem.as_deref()) {
        (200, _) => {
            let flow = serde_json::from_slice(&body).map_err(|_| ClientError::Malformed)?;
            Ok(Reply::Flow(flow))
        }
        (403, Some("pin-rejected")) => {
            flow_within().map(Reply::PinRejected).ok_or(ClientError::Malformed)
        }
        (404, _) => Err(ClientError::FlowNotFound),
        (409, Some("flow-over")) => flow_within().map(Reply::Flow).ok_or(ClientError::Malformed),
        // A message is out already, and the flow says the rest.
        (429, Some("too-soon")) => Ok(flow_within()
            .filter(|flow| !matches!(flow.state(), Ok(State::Idle)))
            .map_or(Reply::Later(wait), Reply::Flow)),
        (409, Some("flow-in-progress")) | (429 | 500 | 502..=504, _) => Ok(Reply::Later(wait)),
        _ => Err(ClientError::UnexpectedStatus { status }),
    }
}

/// Beyond the time that a call is held.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

const LOG: &str = "flexsecure::client";
