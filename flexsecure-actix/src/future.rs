use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use flexsecure_core::{Pending, Refusal, Verdict};
use pin_project_lite::pin_project;

use crate::answer::respond;
use crate::service::hand_on;

pin_project! {
    /// The future of a [`StepUpService`](crate::StepUpService).
    pub struct ResponseFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        state: State<S>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S>
    where
        S: Service<ServiceRequest>,
    {
        Passed { #[pin] inner: S::Future },
        Refused { refused: Option<(Refusal, ServiceRequest)> },
        Pending { waiting: Option<Box<Waiting<S>>> },
    }
}

/// A request that the gate has not decided about, and the service to call if it passes.
struct Waiting<S> {
    pending: Pending,
    service: Rc<S>,
    request: ServiceRequest,
}

impl<S> ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    pub(crate) const fn passed(inner: S::Future) -> Self {
        Self { state: State::Passed { inner } }
    }

    pub(crate) const fn refused(refusal: Refusal, request: ServiceRequest) -> Self {
        Self { state: State::Refused { refused: Some((refusal, request)) } }
    }

    pub(crate) fn pending(pending: Pending, service: Rc<S>, request: ServiceRequest) -> Self {
        let waiting = Box::new(Waiting { pending, service, request });
        Self { state: State::Pending { waiting: Some(waiting) } }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Passed { inner } => {
                    return inner.poll(cx).map_ok(ServiceResponse::map_into_left_body);
                }
                // A future that is polled after it has ended stays pending, as a fused one does.
                StateProj::Refused { refused } => {
                    let Some((refusal, request)) = refused.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(refuse(&refusal, request)));
                }
                StateProj::Pending { waiting } => {
                    let Some(undecided) = waiting else { return Poll::Pending };
                    let verdict = ready!(Pin::new(&mut undecided.pending).poll(cx));
                    let Some(decided) = waiting.take() else { return Poll::Pending };
                    let Waiting { service, request, .. } = *decided;
                    match verdict {
                        Verdict::Refuse(refusal) => {
                            State::Refused { refused: Some((refusal, request)) }
                        }
                        Verdict::Pass(pass) => {
                            hand_on(pass, &request);
                            State::Passed { inner: service.call(request) }
                        }
                    }
                }
            };
            state.set(next);
        }
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
