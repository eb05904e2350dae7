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
///
/// It is a resource, by whose pattern a table knows it; the default service is for the bare prefix.
pub(crate) fn scope(step_up: StepUp) -> Scope {
    let scope = web::scope(step_up.gate().prefix());
    let to_answer = move || {
        let step_up = step_up.clone();
        web::to(move |request, payload| answer(step_up.clone(), request, payload))
    };
    scope.service(web::resource(ENDPOINT).route(to_answer())).default_service(to_answer())
}

/// The pattern of the resource that answers under the prefix of `gate`.
pub(crate) fn route(gate: &Gate) -> String {
    format!("{}{ENDPOINT}", gate.prefix())
}

async fn answer(step_up: StepUp, request: HttpRequest, payload: Payload) -> HttpResponse {
    let gate = step_up.gate();
    let identity = step_up.identity(&request);
    let sent = Sent(&request);
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

/// No other resource is called so by chance.
const ENDPOINT: &str = "/{flexsecure_endpoint:.*}";
