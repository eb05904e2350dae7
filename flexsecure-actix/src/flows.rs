use std::future::poll_fn;
use std::pin::pin;

use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse, Scope};
use bytes::BytesMut;
use flexsecure_core::{FlowBody, Gate};
use futures_core::Stream;

use crate::StepUp;
use crate::answer::render;
use crate::head::Sent;

/// One handler for all that is under the prefix, whatever the method: the gate knows better than a
/// router what to say of the rest.
pub(crate) fn scope(step_up: StepUp) -> Scope {
    let scope = web::scope(step_up.gate().prefix());
    scope
        .default_service(web::to(move |request, payload| answer(step_up.clone(), request, payload)))
}

async fn answer(step_up: StepUp, request: HttpRequest, payload: Payload) -> HttpResponse {
    let gate = step_up.gate();
    let identity = step_up.identity(&request);
    let sent = Sent(request.head());
    let asked = gate.flow_request(request.path(), &sent, identity.as_ref());
    let body = read(payload).await;
    render(&gate.answer(asked, body).await)
}

/// Holds no more than was sent: most requests here have no body, and some wait for long.
async fn read(payload: Payload) -> FlowBody {
    let mut payload = pin!(payload);
    let mut body = BytesMut::new();
    while let Some(chunk) = poll_fn(|cx| payload.as_mut().poll_next(cx)).await {
        let Ok(chunk) = chunk else { return FlowBody::Broken };
        if chunk.len() > Gate::MAX_BODY.saturating_sub(body.len()) {
            return FlowBody::TooLarge;
        }
        body.extend_from_slice(&chunk);
    }
    FlowBody::Complete(body.freeze())
}
