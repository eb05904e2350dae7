use std::net::IpAddr;

use axum::{extract::State, http::HeaderMap};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{AppState, Asking, Reply, body::Body, to_the_end};
use crate::{
    challenge::{StartOutcome, StartRequest},
    directory::{validate_auth_id, validate_name, validate_operation},
    metrics::{self, Start},
};

/// Whom to ask for what.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StartBody {
    system: String,
    authid: String,
    operation: Option<String>,
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    binding: Option<String>,
}

pub(super) async fn start(
    State(state): State<AppState>,
    caller: Asking,
    headers: HeaderMap,
    Body(body): Body<StartBody>,
) -> Result<Reply, Reply> {
    let request = parse(&caller, &headers, body)?;
    // Nobody would be left to answer a check.
    if state.stopping.has_begun() {
        metrics::started(Start::Failed);
        return Err(Reply::Unavailable);
    }
    let started =
        to_the_end(async move { state.server.inner.challenges.start(request).await }).await;
    metrics::started(match &started {
        Ok(StartOutcome::Started(_)) => Start::Accepted,
        Ok(StartOutcome::Refused) => Start::Refused,
        Ok(StartOutcome::Limited { .. }) => Start::Limited,
        Err(_) => Start::Failed,
    });
    Ok(match started? {
        StartOutcome::Started(started) => Reply::Started(started),
        StartOutcome::Refused => Reply::StartRefused,
        StartOutcome::Limited { wait } => Reply::TooMany { wait },
    })
}

fn parse(caller: &Asking, headers: &HeaderMap, body: StartBody) -> Result<StartRequest, Reply> {
    let operation = body.operation.unwrap_or_default();
    if !validate_operation(&operation) {
        return Err(Reply::BadRequest(
            "operation: at most 256 characters, none of which controls or reorders text",
        ));
    }
    if !body.binding.as_deref().is_none_or(is_binding) {
        return Err(Reply::BadRequest("binding: 1 to 128 visible ASCII characters"));
    }
    let idempotency_key_hash = match headers.get("idempotency-key") {
        Some(key) if (1..=255).contains(&key.len()) => Some(Sha256::digest(key).into()),
        Some(_) => return Err(Reply::BadRequest("Idempotency-Key: 1 to 255 characters")),
        None => None,
    };
    // A name that nothing can have is refused like an unknown one, and not copied into the audit trail.
    let known =
        |name: String, valid: fn(&str) -> bool| if valid(&name) { name } else { String::new() };
    Ok(StartRequest {
        account: caller.0.account,
        api_key: caller.0.api_key,
        system: known(caller.may_ask_for(body.system), validate_name),
        auth_id: known(body.authid, validate_auth_id),
        operation,
        binding: body.binding.unwrap_or_default(),
        ip: body.ip,
        user_agent: body.user_agent.map(|agent| agent.chars().take(USER_AGENT_LENGTH).collect()),
        idempotency_key_hash,
    })
}

/// Never empty: that stands for none.
fn is_binding(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const USER_AGENT_LENGTH: usize = 512;
