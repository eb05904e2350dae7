use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flexsecure_core::refusal::Answer;
use flexsecure_core::{Applied, Refusal};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of the inner service's response, or of the gate's.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Answer { body: Option<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn answer(body: Bytes) -> Self {
        Self { kind: Kind::Answer { body: (!body.is_empty()).then_some(body) } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Answer { body } => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Answer { body } => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Answer { body } => {
                let length = body.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}

/// The refusal as a response, with its [`Problem`](flexsecure_core::refusal::Problem) in the
/// extensions for the layers outside.
pub(crate) fn respond<B>(refusal: &Refusal) -> Response<ResponseBody<B>> {
    let problem = refusal.problem();
    let mut response = render(refusal.answer()).map(ResponseBody::answer);
    response.extensions_mut().insert(problem);
    response
}

/// Adds what the gate has to say of the client's preferences.
pub(crate) fn note<B>(mut response: Response<B>, applied: Option<&Applied>) -> Response<B> {
    if let Some((name, value)) = applied.and_then(Applied::header)
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        response.headers_mut().append(HeaderName::from_static(name), value);
    }
    response
}

/// The gate answers with valid statuses and headers only; should it not, less is said, not more.
pub(crate) fn render(answer: &Answer) -> Response<Bytes> {
    let mut response = Response::new(answer.body().clone());
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}
