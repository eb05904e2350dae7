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
use tokio::time::{Instant, Sleep, sleep};

/// Answers 408 to a body that is not there within 10 seconds, and closes its connection. One that is long has another
/// second for each 64 KiB of it that have come.
///
/// The handler meets an error in the place of the rest; whatever it makes of that is replaced.
pub(crate) async fn limit_time(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let is_late = Arc::new(AtomicBool::new(false));
    let version = request.version();
    let request = request.map(|body| {
        let (began, limit, is_late) = (Instant::now(), sleep(LIMIT), Arc::clone(&is_late));
        Body::new(TimedBody { body, began, received: 0, limit, is_late })
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
        began: Instant,
        received: u64,
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
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            let length = data.map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
            *this.received = this.received.saturating_add(length);
            return Poll::Ready(frame);
        }
        ready!(this.limit.as_mut().poll(cx));
        let earned = Duration::from_secs(*this.received / BYTES_A_SECOND);
        let until = this.began.checked_add(LIMIT.saturating_add(earned));
        if let Some(until) = until.filter(|until| *until > Instant::now()) {
            this.limit.as_mut().reset(until);
            ready!(this.limit.poll(cx));
        }
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
/// Half a megabit: what is long comes from an administrator, over whatever line he has.
const BYTES_A_SECOND: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use axum::{
        Router, body::Bytes, extract::DefaultBodyLimit, middleware::from_fn, routing::post,
    };
    use tokio::time::{Interval, interval};
    use tower::Service as _;

    use super::*;

    /// So many pieces of this length, one a second.
    struct Slow {
        pieces: u32,
        length: usize,
        every: Interval,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = TooLate;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, TooLate>>> {
            ready!(self.every.poll_tick(cx));
            let Some(left) = self.pieces.checked_sub(1) else { return Poll::Ready(None) };
            self.pieces = left;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.length])))))
        }
    }

    async fn sent(pieces: u32, length: usize) -> (StatusCode, Duration) {
        let mut app = Router::new()
            .route("/", post(async |_: Bytes| ()))
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn(limit_time));
        let body = Slow { pieces, length, every: interval(Duration::from_secs(1)) };
        let request = Request::post("/").body(Body::new(body)).unwrap();
        let began = Instant::now();
        let status = app.call(request).await.unwrap().status();
        (status, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_much_has_time_for_it_and_who_dribbles_has_not() {
        // 16 MiB over half a megabit.
        assert_eq!(sent(256, 64 * 1024).await.0, StatusCode::OK);
        for (pieces, length, seconds) in [(256, 1, 10), (256, 1_024, 10), (256, 32 * 1024, 20)] {
            let (status, took) = sent(pieces, length).await;
            assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{length}");
            assert!(took <= Duration::from_secs(seconds), "{length}: {took:?}");
        }
    }
}
