use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The body of a request as it came: what the layer has read of it, and what it has not.
pub struct ReplayBody<B: Body> {
    read: Bytes,
    /// What came at last, and was too much to be kept with the rest.
    beyond: Bytes,
    error: Option<B::Error>,
    trailers: Option<HeaderMap>,
    rest: Option<Pin<Box<B>>>,
}

impl<B: Body> ReplayBody<B> {
    /// A body of which nothing was read.
    pub(super) fn unread(body: B) -> Self {
        let rest = Some(Box::pin(body));
        Self { read: Bytes::new(), beyond: Bytes::new(), error: None, trailers: None, rest }
    }

    /// A body that was read to its end.
    pub(super) const fn complete(read: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { read, beyond: Bytes::new(), error: None, trailers, rest: None }
    }

    /// A body that broke off.
    pub(super) const fn broken(read: Bytes, error: B::Error) -> Self {
        Self { read, beyond: Bytes::new(), error: Some(error), trailers: None, rest: None }
    }

    /// A body of which there is more.
    pub(super) const fn partial(
        read: Bytes,
        beyond: Bytes,
        trailers: Option<HeaderMap>,
        rest: Pin<Box<B>>,
    ) -> Self {
        Self { read, beyond, error: None, trailers, rest: Some(rest) }
    }

    fn next_read(&mut self) -> Option<Bytes> {
        let next = [&mut self.read, &mut self.beyond].into_iter().find(|part| !part.is_empty());
        next.map(std::mem::take)
    }

    fn held(&self) -> u64 {
        let length = |part: &Bytes| u64::try_from(part.len()).unwrap_or(u64::MAX);
        length(&self.read).saturating_add(length(&self.beyond))
    }
}

impl<B: Body> Unpin for ReplayBody<B> {}

impl<B: Body> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(data) = self.next_read() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(rest) = &mut self.rest {
            if let Some(frame) = ready!(rest.as_mut().poll_frame(cx)) {
                let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
                return Poll::Ready(Some(frame.map(|frame| frame.map_data(whole))));
            }
            self.rest = None;
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let is_rest_over = self.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
        self.held() == 0 && self.error.is_none() && self.trailers.is_none() && is_rest_over
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.rest {
            Some(rest) => rest.size_hint(),
            None if self.error.is_some() => SizeHint::new(),
            None => SizeHint::with_exact(0),
        };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(self.held()));
        }
        hint.set_lower(hint.lower().saturating_add(self.held()));
        hint
    }
}

impl<B: Body> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("held", &self.held()).finish_non_exhaustive()
    }
}
