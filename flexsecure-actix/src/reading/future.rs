use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use bytes::Bytes;
use flexsecure_core::{BodyReading, Check, Unread, Verdict};
use pin_project_lite::pin_project;

use super::body::Replay;
use super::{Asker, End, poll_end};
use crate::ResponseFuture;
use crate::service::hand_on;

pin_project! {
    /// The future of a [`ReadingService`](crate::ReadingService).
    pub struct ReadingFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        stage: Stage<S>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S>
    where
        S: Service<ServiceRequest>,
    {
        Reading { read: Option<Box<Read<S>>> },
        Answering { #[pin] answer: ResponseFuture<S> },
    }
}

/// A request without its body, and the service to call if it passes.
struct Read<S> {
    asker: Asker,
    reading: BodyReading,
    service: Rc<S>,
    request: ServiceRequest,
    payload: Payload,
}

impl<S> ReadingFuture<S>
where
    S: Service<ServiceRequest>,
{
    pub(super) fn reading(
        asker: Asker,
        reading: BodyReading,
        service: Rc<S>,
        mut request: ServiceRequest,
    ) -> Self {
        let payload = request.take_payload();
        let read = Read { asker, reading, service, request, payload };
        Self { stage: Stage::Reading { read: Some(Box::new(read)) } }
    }

    pub(super) fn answering(check: Check, service: Rc<S>, request: ServiceRequest) -> Self {
        Self { stage: Stage::Answering { answer: answer(check, service, request) } }
    }
}

fn answer<S>(check: Check, service: Rc<S>, request: ServiceRequest) -> ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    match check {
        Check::Done(Verdict::Pass(pass)) => {
            let applied = pass.applied();
            hand_on(pass, &request);
            ResponseFuture::passed(service.call(request), applied)
        }
        Check::Done(Verdict::Refuse(refusal)) => ResponseFuture::refused(refusal, request),
        Check::Pending(pending) => ResponseFuture::pending(pending, service, request),
    }
}

impl<S> Read<S> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Self { reading, payload, .. } = self;
        poll_end(reading, payload, cx)
    }

    /// Decides about the request, whose body is put together again.
    fn ended(self, end: End) -> ResponseFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        let Self { asker, reading, service, mut request, payload } = self;
        let read = reading.done();
        let (check, beyond, error, rest) = match end {
            End::Complete => (asker.check(request.request(), Ok(&read)), Bytes::new(), None, None),
            End::Broken(error) => {
                let check = asker.check(request.request(), Err(Unread::Broken));
                (check, Bytes::new(), Some(error), None)
            }
            End::Partial(unread, beyond) => {
                (asker.check(request.request(), Err(unread)), beyond, None, Some(payload))
            }
        };
        request.set_payload(Replay { read, beyond, error, rest }.into_payload());
        answer(check, service, request)
    }
}

impl<S, B> Future for ReadingFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

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

impl<S> fmt::Debug for ReadingFuture<S>
where
    S: Service<ServiceRequest>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingFuture").finish_non_exhaustive()
    }
}
