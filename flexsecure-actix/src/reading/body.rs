use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_core::Stream;

/// The body of a request as it came: what the middleware has read of it, and what it has not.
pub(super) struct Replay {
    pub(super) read: Bytes,
    /// What came at last, and was too much to be kept with the rest.
    pub(super) beyond: Bytes,
    pub(super) error: Option<PayloadError>,
    pub(super) rest: Option<Payload>,
}

impl Replay {
    pub(super) fn into_payload(self) -> Payload {
        Payload::Stream { payload: Box::pin(self) }
    }
}

impl Stream for Replay {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { read, beyond, error, rest } = &mut *self;
        if let Some(part) = [read, beyond].into_iter().find(|part| !part.is_empty()) {
            return Poll::Ready(Some(Ok(std::mem::take(part))));
        }
        if let Some(error) = error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match rest {
            Some(rest) => Pin::new(rest).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}
