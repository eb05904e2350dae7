use std::time::Duration;

use axum::{
    extract::{
        Form, Path, State,
        rejection::{FormRejection, PathRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::Response,
};

use super::{ApprovalPage, form::ApprovalForm, same_origin::is_same_origin};
use crate::{
    api::{AppState, in_time, to_the_end},
    challenge::{LinkToken, Outcome, ServiceError},
    pages::{Notice, Reader},
};

/// What the path of a link holds; what is no text can't be a token.
type Token = Result<Path<String>, PathRejection>;

/// Shows what is asked. A mail scanner that follows the link changes nothing.
pub(crate) async fn show(State(state): State<AppState>, reader: Reader, token: Token) -> Response {
    let Ok(Path(token)) = token else { return gone(&reader) };
    ask(&state, &reader, &LinkToken::submitted(token), false).await
}

pub(crate) async fn answer(
    State(state): State<AppState>,
    reader: Reader,
    token: Token,
    headers: HeaderMap,
    form: Result<Form<ApprovalForm>, FormRejection>,
) -> Response {
    let Ok(Path(token)) = token else { return gone(&reader) };
    let token = LinkToken::submitted(token);
    if !is_same_origin(&headers, &state.server.inner.challenges.public_url.origin()) {
        return reader.notice(StatusCode::FORBIDDEN, Notice::Foreign);
    }
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => return reader.notice(rejection.status(), Notice::Unreadable),
    };
    let Some(decision) = form.decision() else {
        return ask(&state, &reader, &token, true).await;
    };
    let server = state.server.clone();
    let decided = to_the_end(async move { server.inner.challenges.decide(&token, decision).await });
    match decided.await {
        Ok(Outcome::Approved) => reader.notice(StatusCode::OK, Notice::Approved),
        Ok(Outcome::Declined) => reader.notice(StatusCode::OK, Notice::Declined),
        Ok(Outcome::WrongNumber) => reader.notice(StatusCode::OK, Notice::WrongNumber),
        Ok(Outcome::Gone) => gone(&reader),
        Err(error) => failed(&reader, &error),
    }
}

async fn ask(state: &AppState, reader: &Reader, token: &LinkToken, has_problem: bool) -> Response {
    let challenges = &state.server.inner.challenges;
    match in_time(Duration::ZERO, challenges.approval_request(token)).await {
        Ok(Some(request)) => {
            let status =
                if has_problem { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            let page = ApprovalPage::new(request, challenges.clock.now(), has_problem);
            reader.page(status, "approve.html", &page)
        }
        Ok(None) => gone(reader),
        Err(error) => failed(reader, &error),
    }
}

/// Unknown, answered and expired links look alike.
fn gone(reader: &Reader) -> Response {
    reader.notice(StatusCode::NOT_FOUND, Notice::Gone)
}

fn failed(reader: &Reader, error: &ServiceError) -> Response {
    tracing::error!(error = %error, source = std::error::Error::source(error), "an approval failed");
    let mut response = reader.notice(StatusCode::SERVICE_UNAVAILABLE, Notice::Failed);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
