//! Which answers are refusals, and that all others are handed back as they came.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, ResponseBuilderExt, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ClientError;
use super::flow::FlowObject;
use crate::refusal::Reason;

/// What came of sending a request.
pub(super) enum Answered {
    Otherwise(Response),
    Refused(RefusalBody),
}

/// The body of a refusal, of which no more is known than that it is one.
pub(super) struct RefusalBody(Bytes);

/// A refusal with all that is needed to act on it.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) system: String,
    pub(super) operation: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) flow: FlowObject,
}

/// Why a refusal is none to act on.
#[derive(Deserialize)]
struct Verdict {
    reason: Option<String>,
    flow: Option<IgnoredAny>,
}

/// The one field by which to tell problems apart (RFC 9457, section 3.1.1).
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

impl RefusalBody {
    pub(super) fn parse(&self) -> Result<Refusal, ClientError> {
        let verdict: Verdict =
            serde_json::from_slice(&self.0).map_err(|_| ClientError::Malformed)?;
        let is_final = |reason: &String| FINAL.iter().any(|known| known.as_str() == *reason);
        if verdict.flow.is_none() || verdict.reason.as_ref().is_some_and(is_final) {
            return Err(ClientError::Unprovable);
        }
        serde_json::from_slice(&self.0).map_err(|_| ClientError::Malformed)
    }
}

pub(super) async fn read(mut response: Response) -> Result<Answered, ClientError> {
    if response.status() != StatusCode::UNAUTHORIZED || !is_problem(response.headers()) {
        return Ok(Answered::Otherwise(response));
    }
    let mut body = BytesMut::new();
    let is_whole = read_body(&mut response, &mut body).await?;
    let body = body.freeze();
    if is_whole && problem(&body).as_deref() == Some("step-up-required") {
        return Ok(Answered::Refused(RefusalBody(body)));
    }
    Ok(Answered::Otherwise(unread(response, body)))
}

/// The last part of the type of a problem of ours.
pub(super) fn problem(body: &[u8]) -> Option<String> {
    let kind: Kind = serde_json::from_slice(body).ok()?;
    kind.r#type.strip_prefix("urn:flexsecure:problem:").map(str::to_owned)
}

/// Reads up to the limit; whether that is all there is.
///
/// It counts what arrives instead of believing what was announced.
pub(super) async fn read_body(
    response: &mut Response,
    body: &mut BytesMut,
) -> Result<bool, reqwest::Error> {
    while body.len() <= LONGEST_BODY {
        match response.chunk().await? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(true),
        }
    }
    Ok(false)
}

fn is_problem(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/problem+json")
}

/// `response` as it was before `read` was taken from its body.
fn unread(response: Response, read: Bytes) -> Response {
    let url = response.url().clone();
    let (mut parts, rest) = http::Response::from(response).into_parts();
    let mut named = http::Response::builder().url(url);
    if let Some(extensions) = named.extensions_mut() {
        parts.extensions.extend(std::mem::take(extensions));
    }
    let body = reqwest::Body::wrap(Rejoined { read: Some(read), rest });
    Response::from(http::Response::from_parts(parts, body))
}

/// A body of which the first part was read.
struct Rejoined {
    read: Option<Bytes>,
    rest: reqwest::Body,
}

impl Body for Rejoined {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        match self.read.take() {
            Some(read) => Poll::Ready(Some(Ok(Frame::data(read)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// To authenticate the user would change nothing. The word `refused` is told by the flow.
const FINAL: [Reason; 2] = [Reason::NoMethod, Reason::Loop];

const LONGEST_BODY: usize = 64 * 1024;
