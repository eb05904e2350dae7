use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use flexsecure_core::{Applied, BodyReading, Pending, Refusal, Verdict};
use pin_project_lite::pin_project;

use crate::answer::{note, respond};
use crate::reading::{End, poll_end};
use crate::service::hand_on;

pin_project! {
    /// The future of a [`StepUpService`](crate::StepUpService).
    pub struct ResponseFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        way: Way<S>,
    }
}

pin_project! {
    #[project = WayProj]
    enum Way<S>
    where
        S: Service<ServiceRequest>,
    {
        Direct { #[pin] inner: S::Future },
        /// Boxed, so that a request which is let through at once does not carry its room.
        Detour { detour: Pin<Box<Detour<S>>> },
    }
}

pin_project! {
    #[project = DetourProj]
    enum Detour<S>
    where
        S: Service<ServiceRequest>,
    {
        Undecided { waiting: Option<Waiting<S>> },
        Carrying { carrying: Option<Carrying> },
        Refused { refused: Option<(Refusal, ServiceRequest)> },
        Passed { #[pin] inner: S::Future, applied: Option<Applied> },
    }
}

/// A request that the gate has not decided about, and the service to call if it passes.
struct Waiting<S> {
    pending: Pending,
    service: Rc<S>,
    request: ServiceRequest,
}

/// A refusal whose page is to carry the form that was refused, which is being read.
struct Carrying {
    refusal: Refusal,
    reading: BodyReading,
    request: ServiceRequest,
    payload: Payload,
}

impl<S> ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    pub(crate) fn passed(inner: S::Future, applied: Option<Applied>) -> Self {
        match applied {
            None => Self { way: Way::Direct { inner } },
            Some(applied) => Self::detour(Detour::Passed { inner, applied: Some(applied) }),
        }
    }

    pub(crate) fn refused(refusal: Refusal, request: ServiceRequest) -> Self {
        Self::detour(Detour::Refused { refused: Some((refusal, request)) })
    }

    pub(crate) fn pending(pending: Pending, service: Rc<S>, request: ServiceRequest) -> Self {
        Self::detour(Detour::Undecided { waiting: Some(Waiting { pending, service, request }) })
    }

    fn detour(detour: Detour<S>) -> Self {
        Self { way: Way::Detour { detour: Box::pin(detour) } }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Direct { inner } => inner.poll(cx).map_ok(ServiceResponse::map_into_left_body),
            WayProj::Detour { detour } => detour.as_mut().poll(cx),
        }
    }
}

impl<S, B> Future for Detour<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                DetourProj::Passed { inner, applied } => {
                    let mut response = ready!(inner.poll(cx))?;
                    note(response.headers_mut(), applied.as_ref());
                    return Poll::Ready(Ok(response.map_into_left_body()));
                }
                // A future that is polled after it has ended stays pending, as a fused one does.
                DetourProj::Refused { refused } => {
                    let Some((refusal, request)) = refused.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(refuse(&refusal, request)));
                }
                DetourProj::Carrying { carrying } => {
                    let Some(form) = carrying else { return Poll::Pending };
                    let end = ready!(poll_end(&mut form.reading, &mut form.payload, cx));
                    let Some(Carrying { refusal, reading, request, .. }) = carrying.take() else {
                        return Poll::Pending;
                    };
                    let refusal = match end {
                        End::Complete => refusal.carrying(reading.done()),
                        End::Broken(_) | End::Partial(..) => refusal,
                    };
                    Self::Refused { refused: Some((refusal, request)) }
                }
                DetourProj::Undecided { waiting } => {
                    let Some(undecided) = waiting else { return Poll::Pending };
                    let verdict = ready!(Pin::new(&mut undecided.pending).poll(cx));
                    let Some(decided) = waiting.take() else { return Poll::Pending };
                    let Waiting { service, request, .. } = decided;
                    match verdict {
                        Verdict::Refuse(refusal) => refused(refusal, request),
                        Verdict::Pass(pass) => {
                            let applied = pass.applied();
                            hand_on(pass, &request);
                            Self::Passed { inner: service.call(request), applied }
                        }
                    }
                }
            };
            self.set(next);
        }
    }
}

/// What comes of a `request` that is refused.
fn refused<S>(refusal: Refusal, mut request: ServiceRequest) -> Detour<S>
where
    S: Service<ServiceRequest>,
{
    match refusal.form_reading() {
        Some(reading) => {
            let payload = request.take_payload();
            Detour::Carrying { carrying: Some(Carrying { refusal, reading, request, payload }) }
        }
        None => Detour::Refused { refused: Some((refusal, request)) },
    }
}

/// The body of `request` is let go unread: actix then closes the connection rather than take what
/// is in it for another request.
fn refuse<B>(refusal: &Refusal, request: ServiceRequest) -> ServiceResponse<EitherBody<B>> {
    let (request, _) = request.into_parts();
    ServiceResponse::new(request, respond(refusal)).map_into_right_body()
}

impl<S> fmt::Debug for ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
