use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use flexsecure_core::{BodyReading, Unread};
use futures_core::Stream;

/// How reading ended.
pub(crate) enum End {
    Complete,
    Broken(PayloadError),
    /// There is more, and what came at last does not fit.
    Partial(Unread, Bytes),
}

/// Reads `payload` into `reading` until one of them ends.
pub(crate) fn poll_end(
    reading: &mut BodyReading,
    payload: &mut Payload,
    cx: &mut Context<'_>,
) -> Poll<End> {
    loop {
        // Chunks that never stop coming must not keep the time from being looked at.
        if let Poll::Ready(late) = reading.poll_late(cx) {
            return Poll::Ready(End::Partial(late, Bytes::new()));
        }
        match ready!(Pin::new(&mut *payload).poll_next(cx)) {
            None => return Poll::Ready(End::Complete),
            Some(Err(error)) => return Poll::Ready(End::Broken(error)),
            Some(Ok(chunk)) => {
                if let Err(unread) = reading.take(&chunk) {
                    return Poll::Ready(End::Partial(unread, chunk));
                }
            }
        }
    }
}
