use std::time::Duration;

use crate::flow::Over;

/// Why a request did not go through.
///
/// Neither addresses nor anything that was sent are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request's body is a stream, which can be sent once only. Nothing was sent.
    #[error("the body of the request cannot be sent a second time, so it was not sent at all")]
    Unrepeatable,
    /// The [`Prompt`](super::Prompt) gave up, and the flow is cancelled.
    #[error("the authentication was cancelled")]
    Cancelled,
    /// The flow ended without authenticating the user, or the time for it is over.
    #[error("the user was not authenticated: {}", explain(*.0))]
    Over(Over),
    /// No proof that the user could give does here, so they are not asked for one.
    #[error("there is no proof that this user could give")]
    Unprovable,
    /// The request was refused again after the user had been authenticated. It is not sent a third
    /// time, but the user may have been sent another message.
    #[error("the user was authenticated, and the request was refused nevertheless")]
    RefusedAgain,
    /// The authentication cannot be begun or carried on in the time there is: too many messages
    /// were asked for, another flow is in progress, or the service is out of order.
    #[error("no authentication is possible at the moment")]
    Unavailable {
        /// How long the server wants to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
    /// The flow does not exist for the session that the request names, usually because the
    /// credentials are in a header that is not sent with the flow.
    #[error("the server does not know the flow that it has opened, or not for these credentials")]
    FlowNotFound,
    /// The server names a flow that is not on the origin of the request, or is no flow at all.
    #[error("the server names a flow that is not its own")]
    ForeignFlow,
    /// The flow was answered with a status that says nothing about it; a `3xx` was not followed.
    #[error("the server answers the flow with the status {status}")]
    UnexpectedStatus {
        /// The status code.
        status: u16,
    },
    /// What the server says of the flow is not to be understood.
    #[error("the server does not describe the flow as it should")]
    Malformed,
    /// The request, or its repetition, got no answer; it may have been carried out.
    #[error("the server gave no answer")]
    Http(#[source] reqwest::Error),
}

impl From<reqwest::Error> for ClientError {
    /// Addresses can have secrets in them.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

const fn explain(over: Over) -> &'static str {
    match over {
        Over::Timeout => "the time ran out",
        Over::Attempts => "too many wrong PINs",
        Over::Refused => "the authority refuses this user",
        Over::Declined => "the request was declined",
        Over::Cancelled => "the flow was cancelled",
    }
}
