use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flexsecure_core::{FlowBody, Gate};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tower_service::Service;

use crate::StepUp;
use crate::body::render;
use crate::head::Head;

/// Answers the flow endpoints; made by [`StepUp::flows`].
#[derive(Clone, Debug)]
pub struct FlowService {
    step_up: StepUp,
}

impl FlowService {
    pub(crate) const fn new(step_up: StepUp) -> Self {
        Self { step_up }
    }
}

impl<B> Service<Request<B>> for FlowService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = FlowFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> FlowFuture {
        let gate = self.step_up.gate().clone();
        let identity = self.step_up.identity(&request);
        let head = Head::of(&request);
        let asked = gate.flow_request(head.uri.path(), &head, identity.as_ref());
        FlowFuture(Box::pin(async move {
            let body = read(request.into_body()).await;
            Ok(render(&gate.answer(asked, body).await).map(Full::new))
        }))
    }
}

async fn read<B>(body: B) -> FlowBody
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, Gate::MAX_BODY).collect().await {
        Ok(body) => FlowBody::Complete(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => FlowBody::TooLarge,
        Err(_) => FlowBody::Broken,
    }
}

/// The future of a [`FlowService`].
pub struct FlowFuture(Pin<Box<dyn Future<Output = Answered> + Send>>);

type Answered = Result<Response<Full<Bytes>>, Infallible>;

impl Future for FlowFuture {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for FlowFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowFuture(..)")
    }
}
