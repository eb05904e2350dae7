use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flexsecure_core::{Applied, BodyReading, Pending, Refusal, Verdict};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::ResponseBody;
use crate::body::{note, respond};
use crate::reading::{End, poll_end};
use crate::service::hand_on;

pin_project! {
    /// The future of a [`StepUpService`](crate::StepUpService).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        way: Way<S, ReqBody>,
    }
}

pin_project! {
    #[project = WayProj]
    enum Way<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Direct { #[pin] inner: S::Future },
        /// Boxed, so that a request which is let through at once does not carry its room.
        Detour { detour: Pin<Box<Detour<S, ReqBody>>> },
    }
}

pin_project! {
    #[project = DetourProj]
    enum Detour<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Undecided { waiting: Option<Waiting<S, ReqBody>> },
        Carrying { carrying: Option<Carrying<ReqBody>> },
        Refused { refusal: Option<Refusal> },
        Passed { #[pin] inner: S::Future, applied: Option<Applied> },
    }
}

/// A request that the gate has not decided about, and the service that is ready for it.
struct Waiting<S, ReqBody> {
    pending: Pending,
    service: S,
    request: Request<ReqBody>,
}

/// A refusal whose page is to carry the form that was refused, which is being read.
struct Carrying<ReqBody> {
    refusal: Refusal,
    reading: BodyReading,
    body: Pin<Box<ReqBody>>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) fn passed(inner: S::Future, applied: Option<Applied>) -> Self {
        match applied {
            None => Self { way: Way::Direct { inner } },
            Some(applied) => Self::detour(Detour::Passed { inner, applied: Some(applied) }),
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::detour(Detour::Refused { refusal: Some(refusal) })
    }

    pub(crate) fn pending(pending: Pending, service: S, request: Request<ReqBody>) -> Self {
        Self::detour(Detour::Undecided { waiting: Some(Waiting { pending, service, request }) })
    }

    fn detour(detour: Detour<S, ReqBody>) -> Self {
        Self { way: Way::Detour { detour: Box::pin(detour) } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Direct { inner } => {
                inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner))
            }
            WayProj::Detour { detour } => detour.as_mut().poll(cx),
        }
    }
}

impl<S, ReqBody, ResBody> Future for Detour<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                DetourProj::Passed { inner, applied } => {
                    let response = ready!(inner.poll(cx))?.map(ResponseBody::inner);
                    return Poll::Ready(Ok(note(response, applied.as_ref())));
                }
                // A future that is polled after it has ended stays pending, as a fused one does.
                DetourProj::Refused { refusal } => {
                    return refusal
                        .take()
                        .map_or(Poll::Pending, |it| Poll::Ready(Ok(respond(&it))));
                }
                DetourProj::Carrying { carrying } => {
                    let Some(form) = carrying else { return Poll::Pending };
                    let Carrying { reading, body, .. } = form;
                    let end = ready!(poll_end(reading, body.as_mut(), &mut None, cx));
                    let Some(Carrying { refusal, reading, .. }) = carrying.take() else {
                        return Poll::Pending;
                    };
                    let refusal = match end {
                        End::Complete => refusal.carrying(reading.done()),
                        End::Broken(_) | End::Partial(..) => refusal,
                    };
                    Self::Refused { refusal: Some(refusal) }
                }
                DetourProj::Undecided { waiting } => {
                    let Some(undecided) = waiting else { return Poll::Pending };
                    let verdict = ready!(Pin::new(&mut undecided.pending).poll(cx));
                    let Some(decided) = waiting.take() else { return Poll::Pending };
                    match verdict {
                        Verdict::Refuse(refusal) => refused(refusal, decided.request.into_body()),
                        Verdict::Pass(pass) => {
                            let Waiting { mut service, mut request, .. } = decided;
                            let applied = pass.applied();
                            hand_on(pass, request.extensions_mut());
                            Self::Passed { inner: service.call(request), applied }
                        }
                    }
                }
            };
            self.set(next);
        }
    }
}

/// What comes of a request with `body` that is refused.
fn refused<S, ReqBody>(refusal: Refusal, body: ReqBody) -> Detour<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    match refusal.form_reading() {
        Some(reading) => {
            Detour::Carrying { carrying: Some(Carrying { refusal, reading, body: Box::pin(body) }) }
        }
        None => Detour::Refused { refusal: Some(refusal) },
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
