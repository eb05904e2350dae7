use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flexsecure_core::{Pending, Refusal, Verdict};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::ResponseBody;
use crate::body::respond;
use crate::service::hand_on;

pin_project! {
    /// The future of a [`StepUpService`](crate::StepUpService).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, ReqBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Passed { #[pin] inner: S::Future },
        Refused { refusal: Option<Refusal> },
        Pending { waiting: Option<Box<Waiting<S, ReqBody>>> },
    }
}

/// A request that the gate has not decided about, and the service that is ready for it.
struct Waiting<S, ReqBody> {
    pending: Pending,
    service: S,
    request: Request<ReqBody>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) const fn passed(inner: S::Future) -> Self {
        Self { state: State::Passed { inner } }
    }

    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) } }
    }

    pub(crate) fn pending(pending: Pending, service: S, request: Request<ReqBody>) -> Self {
        let waiting = Box::new(Waiting { pending, service, request });
        Self { state: State::Pending { waiting: Some(waiting) } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Passed { inner } => {
                    return inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                // A future that is polled after it has ended stays pending, as a fused one does.
                StateProj::Refused { refusal } => {
                    return refusal
                        .take()
                        .map_or(Poll::Pending, |it| Poll::Ready(Ok(respond(&it))));
                }
                StateProj::Pending { waiting } => {
                    let Some(undecided) = waiting else { return Poll::Pending };
                    let verdict = ready!(Pin::new(&mut undecided.pending).poll(cx));
                    let Some(decided) = waiting.take() else { return Poll::Pending };
                    match verdict {
                        Verdict::Refuse(refusal) => State::Refused { refusal: Some(refusal) },
                        Verdict::Pass(pass) => {
                            let Waiting { mut service, mut request, .. } = *decided;
                            hand_on(pass, request.extensions_mut());
                            State::Passed { inner: service.call(request) }
                        }
                    }
                }
            };
            state.set(next);
        }
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
