use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flexsecure_core::{BodyReading, Check, Unread, Verdict};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Asker, End, ReplayBody, poll_end};
use crate::service::hand_on;
use crate::{ResponseBody, ResponseFuture};

pin_project! {
    /// The future of a [`ReadingService`](crate::ReadingService).
    pub struct ReadingFuture<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
        B: Body,
    {
        #[pin]
        stage: Stage<S, B>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
        B: Body,
    {
        Reading { read: Option<Box<Read<S, B>>> },
        Answering { #[pin] answer: ResponseFuture<S, ReplayBody<B>> },
    }
}

/// A request, and the service that is ready for it.
struct Read<S, B> {
    asker: Asker,
    reading: BodyReading,
    service: S,
    request: Request<Pin<Box<B>>>,
    trailers: Option<HeaderMap>,
}

impl<S, B> ReadingFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    pub(super) fn reading(
        asker: Asker,
        reading: BodyReading,
        service: S,
        request: Request<B>,
    ) -> Self {
        let request = request.map(Box::pin);
        let read = Read { asker, reading, service, request, trailers: None };
        Self { stage: Stage::Reading { read: Some(Box::new(read)) } }
    }

    pub(super) fn answering(check: Check, service: S, request: Request<ReplayBody<B>>) -> Self {
        Self { stage: Stage::Answering { answer: answer(check, service, request) } }
    }
}

fn answer<S, B>(
    check: Check,
    mut service: S,
    mut request: Request<ReplayBody<B>>,
) -> ResponseFuture<S, ReplayBody<B>>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    match check {
        Check::Done(Verdict::Pass(pass)) => {
            let applied = pass.applied();
            hand_on(pass, request.extensions_mut());
            ResponseFuture::passed(service.call(request), applied)
        }
        Check::Done(Verdict::Refuse(refusal)) => ResponseFuture::refused(refusal),
        Check::Pending(pending) => ResponseFuture::pending(pending, service, request),
    }
}

impl<S, B: Body> Read<S, B> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End<B::Error>> {
        let Self { reading, request, trailers, .. } = self;
        poll_end(reading, request.body_mut().as_mut(), trailers, cx)
    }

    /// Decides about the request, whose body is put together again.
    fn ended(self, end: End<B::Error>) -> ResponseFuture<S, ReplayBody<B>>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let Self { asker, reading, service, request, trailers } = self;
        let (head, rest) = request.into_parts();
        let request = Request::from_parts(head, ());
        let read = reading.done();
        let (check, body) = match end {
            End::Complete => {
                (asker.check(&request, Ok(&read)), ReplayBody::complete(read, trailers))
            }
            End::Broken(error) => {
                (asker.check(&request, Err(Unread::Broken)), ReplayBody::broken(read, error))
            }
            End::Partial(unread, beyond) => {
                let body = ReplayBody::partial(read, beyond, trailers, rest);
                (asker.check(&request, Err(unread)), body)
            }
        };
        answer(check, service, request.map(|()| body))
    }
}

impl<S, B, ResBody> Future for ReadingFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResBody>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let answer = match self.as_mut().project().stage.project() {
                StageProj::Answering { answer } => return answer.poll(cx),
                StageProj::Reading { read } => {
                    // A future that is polled after it has ended stays pending, as a fused one does.
                    let Some(reading) = read.as_mut() else { return Poll::Pending };
                    let end = ready!(reading.poll_end(cx));
                    let Some(read) = read.take() else { return Poll::Pending };
                    read.ended(end)
                }
            };
            self.as_mut().project().stage.set(Stage::Answering { answer });
        }
    }
}

impl<S, B> fmt::Debug for ReadingFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingFuture").finish_non_exhaustive()
    }
}
