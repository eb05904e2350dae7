use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::{AppState, BODY_LIMIT, problem::Problem};

/// A JSON body of which every field is known.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        if media_type(request.headers()).as_deref() != Some("application/json") {
            return Err(Problem::media_type("application/json"));
        }
        let bytes = bytes(request, state, BODY_LIMIT).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| refuse(&error))?;
        json.end().map_err(|_| Problem::malformed("send one JSON value and nothing after it"))?;
        Ok(Self(parsed))
    }
}

/// A body up to the limit that the router sets, which is only told here.
pub(super) async fn bytes(
    request: Request,
    state: &AppState,
    limit: usize,
) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let limit = limit / 1024;
            Problem::too_large(format!("send at most {limit} KiB"))
        } else {
            Problem::malformed("send the whole body")
        }
    })
}

/// Without its parameters, in small letters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (essence, _) = value.split_once(';').unwrap_or((value, ""));
    Some(essence.trim().to_ascii_lowercase())
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if inner.is_data() {
        let said: String = inner.to_string().chars().take(LONGEST_DETAIL).collect();
        return Problem::invalid_at(pointer(error.path()), said);
    }
    let (line, column) = (inner.line(), inner.column());
    Problem::malformed(format!("send JSON: line {line}, column {column} is none"))
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}

/// In characters: it quotes what came.
const LONGEST_DETAIL: usize = 300;
