use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use super::{AppState, Reply};

/// A JSON body. What is wrong with one is told without repeating any of it: it may hold a PIN.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Reply;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Reply> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> Reply {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Reply::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Reply::NotJson,
        StatusCode::UNPROCESSABLE_ENTITY => {
            Reply::BadRequest("a field is missing, given twice, or of the wrong type")
        }
        _ => Reply::BadRequest("the body is not JSON"),
    }
}
