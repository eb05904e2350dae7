use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flexsecure_core::{BodyReading, Unread};
use http::HeaderMap;
use http_body::Body;

/// How reading ended.
pub(crate) enum End<E> {
    Complete,
    Broken(E),
    /// There is more, and what came at last does not fit.
    Partial(Unread, Bytes),
}

/// Reads `body` into `reading` until one of them ends.
pub(crate) fn poll_end<B: Body>(
    reading: &mut BodyReading,
    mut body: Pin<&mut B>,
    trailers: &mut Option<HeaderMap>,
    cx: &mut Context<'_>,
) -> Poll<End<B::Error>> {
    loop {
        // Frames that never stop coming must not keep the time from being looked at.
        if let Poll::Ready(late) = reading.poll_late(cx) {
            return Poll::Ready(End::Partial(late, Bytes::new()));
        }
        match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(End::Complete),
            Some(Err(error)) => return Poll::Ready(End::Broken(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    while data.has_remaining() {
                        let chunk = data.chunk();
                        let length = chunk.len();
                        if let Err(unread) = reading.take(chunk) {
                            let beyond = data.copy_to_bytes(data.remaining());
                            return Poll::Ready(End::Partial(unread, beyond));
                        }
                        data.advance(length);
                    }
                }
                Err(frame) => {
                    if let Ok(more) = frame.into_trailers() {
                        trailers.get_or_insert_default().extend(more);
                    }
                }
            },
        }
    }
}
