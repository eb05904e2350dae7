use std::{fmt, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use utoipa::ToSchema;

use super::{AppState, Asking, Reply, body::Body, caller::Presented, in_time, prefer, to_the_end};
use crate::{challenge::CheckRequest, store::Asked};

/// Which challenge.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CheckBody {
    system: String,
    authid: String,
    txn: Option<String>,
    #[schema(value_type = Option<PinShape>)]
    pin: Option<PinField>,
}

pub(super) async fn check(
    State(state): State<AppState>,
    presented: Presented,
    headers: HeaderMap,
    body: Result<Body<CheckBody>, Reply>,
) -> Result<Response, Reply> {
    let directory = &state.server.inner.directory;
    let challenges = &state.server.inner.challenges;
    let wait = prefer::wait(&headers);
    if let (Ok(Body(body)), None) = (&body, wait)
        && body.pin.is_none()
    {
        // Most calls by far are this one.
        let looked_up = directory.authorize_check(presented.key(), body.asked());
        let (caller, found) = presented.admit(&state, looked_up).await?;
        Asking::of(caller)?;
        let answer = challenges.answer(found.as_ref(), body.txn.is_some());
        return Ok(Reply::Checked(in_time(Duration::ZERO, answer).await?).into_response());
    }
    let caller = presented.admit(&state, directory.authorize(presented.key())).await?;
    let caller = Asking::of(caller)?;
    let Body(body) = body?;
    let request = CheckRequest {
        account: caller.0.account,
        api_key: caller.0.api_key,
        system: caller.may_ask_for(body.system),
        auth_id: body.authid,
        txn: body.txn,
        pin: body.pin.map(|pin| pin.0),
    };
    let Some(wait) = wait.filter(|_| request.pin.is_none()) else {
        let server = state.server.clone();
        let answer =
            to_the_end(async move { server.inner.challenges.check(&request).await }).await?;
        return Ok(Reply::Checked(answer).into_response());
    };
    let answer = challenges.check_after_change(&request, wait, state.stopping.clone());
    let answer = in_time(wait, answer).await?;
    let mut response = Reply::Checked(answer).into_response();
    if let Ok(applied) = HeaderValue::try_from(format!("wait={}", wait.as_secs())) {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

impl CheckBody {
    fn asked(&self) -> Asked<'_> {
        Asked { system: &self.system, auth_id: &self.authid, txn: self.txn.as_deref() }
    }
}

/// A PIN as v1 shows it, a JSON number, or as people type it, a string. What it is worth is decided later.
#[derive(Debug)]
struct PinField(SecretString);

impl<'de> Deserialize<'de> for PinField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PinVisitor)
    }
}

/// How it is described.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what is read otherwise")]
enum PinShape {
    Number(u64),
    Text(String),
}

struct PinVisitor;

impl Visitor<'_> for PinVisitor {
    type Value = PinField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PIN")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PinField, E> {
        Ok(PinField(SecretString::from(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PinField, E> {
        Ok(PinField(SecretString::from(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PinField, E> {
        Ok(PinField(SecretString::from(number.to_string())))
    }

    /// 1.2345678e7 is a number, but nobody typed it.
    fn visit_f64<E: Error>(self, _: f64) -> Result<PinField, E> {
        Ok(PinField(SecretString::from("")))
    }
}
