use axum::{
    extract::{Form, Path, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::Response,
};
use jiff::Timestamp;
use minijinja::context;

use super::{form::ApprovalForm, same_origin::is_same_origin};
use crate::{
    UnixMillis,
    api::AppState,
    challenge::{LinkToken, Outcome, ServiceError},
    pages::Pages,
};

/// Shows what is asked. A mail scanner that follows the link changes nothing.
pub(crate) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    ask(&state, &LinkToken::submitted(token), StatusCode::OK, None).await
}

pub(crate) async fn answer(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: Result<Form<ApprovalForm>, FormRejection>,
) -> Response {
    let inner = &state.server.inner;
    let pages = &inner.pages;
    if !is_same_origin(&headers, &inner.challenges.public_url.origin()) {
        return pages.notice(
            StatusCode::FORBIDDEN,
            "Not from here",
            "This answer came from another page. Open the link in your message and answer there.",
        );
    }
    let Form(form) = match form {
        Ok(form) => form,
        Err(rejection) => {
            return pages.notice(
                rejection.status(),
                "Not understood",
                "This answer could not be read. Open the link in your message and answer there.",
            );
        }
    };
    let token = LinkToken::submitted(token);
    let Some(decision) = form.decision() else {
        let problem = "Enter the two digits shown on the page where you asked.";
        return ask(&state, &token, StatusCode::UNPROCESSABLE_ENTITY, Some(problem)).await;
    };
    let server = state.server.clone();
    let decided =
        crate::api::to_the_end(
            async move { server.inner.challenges.decide(&token, decision).await },
        );
    match decided.await {
        Ok(Outcome::Approved) => {
            pages.notice(StatusCode::OK, "Approved", "Go back to the page where you asked.")
        }
        Ok(Outcome::Declined) => pages.notice(
            StatusCode::OK,
            "Declined",
            "Nobody is let in. If this happens again, tell those who run the system.",
        ),
        Ok(Outcome::WrongNumber) => pages.notice(
            StatusCode::OK,
            "Wrong number",
            "The number was not the one shown where this was asked, so nobody is let in. If it was you, ask again.",
        ),
        Ok(Outcome::Gone) => gone(pages),
        Err(error) => failed(pages, &error),
    }
}

async fn ask(
    state: &AppState,
    token: &LinkToken,
    status: StatusCode,
    problem: Option<&str>,
) -> Response {
    let inner = &state.server.inner;
    match inner.challenges.approval_request(token).await {
        Ok(Some(request)) => inner.pages.html(
            status,
            "approve.html",
            context! {
                system => request.system,
                operation => request.operation,
                asked => minute(request.created_at),
                ip => request.ip,
                problem,
            },
        ),
        Ok(None) => gone(&inner.pages),
        Err(error) => failed(&inner.pages, &error),
    }
}

/// Unknown, answered and expired links look alike.
fn gone(pages: &Pages) -> Response {
    pages.notice(
        StatusCode::NOT_FOUND,
        "This link is over",
        "It was answered, has expired, or never was. If you still need it, ask again where you came from.",
    )
}

fn failed(pages: &Pages, error: &ServiceError) -> Response {
    tracing::error!(error = %error, source = std::error::Error::source(error), "an approval failed");
    let mut response = pages.notice(
        StatusCode::SERVICE_UNAVAILABLE,
        "Try again",
        "Something does not work here just now. Nothing has been changed.",
    );
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn minute(moment: UnixMillis) -> String {
    Timestamp::from_millisecond(moment.as_millis())
        .map(|moment| moment.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default()
}
