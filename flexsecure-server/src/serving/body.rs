use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, Version, header::CONNECTION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// Answers 408 to a body that is not there within 10 seconds, and closes its connection.
///
/// The handler meets an error in the place of the rest; whatever it makes of that is replaced.
pub(crate) async fn limit_time(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let is_late = Arc::new(AtomicBool::new(false));
    let version = request.version();
    let request = request.map(|body| {
        Body::new(TimedBody { body, limit: sleep(LIMIT), is_late: Arc::clone(&is_late) })
    });
    let response = next.run(request).await;
    if !is_late.load(Ordering::Relaxed) {
        return response;
    }
    let mut response =
        (StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time\n").into_response();
    if version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pin_project! {
    struct TimedBody {
        #[pin]
        body: Body,
        #[pin]
        limit: Sleep,
        is_late: Arc<AtomicBool>,
    }
}

impl HttpBody for TimedBody {
    type Data = <Body as HttpBody>::Data;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(this.limit.poll(cx));
        this.is_late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(TooLate))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct TooLate;

const LIMIT: Duration = Duration::from_secs(10);
