//! What is read from the server, and is trusted no further than it fits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::{Binding, FlowRecord, Unreadable};
use flexsecure_core::{Elevation, Elevations, Requirement, SessionKey, Timestamp};
use foldhash::fast::RandomState;
use redis::Value;
use serde::Deserialize;

use crate::alarm;
use crate::fault::Fault;
use crate::names;

/// Why a kept record is taken as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its header is not what was written")]
    Header,
    #[error(transparent)]
    Text(#[from] Unreadable),
    #[error("it is in the place of another")]
    Misplaced,
}

/// What is written before the text of a flow, as far as it is needed here.
#[derive(Deserialize)]
struct FlowHeader {
    form: String,
    session: String,
    opened: String,
    login: String,
}

#[derive(Deserialize)]
struct ElevationHeader {
    form: String,
    spent: String,
    authenticated: String,
    opened: String,
    granted: String,
    sequence: String,
}

/// The flow `id` of `auth_id`, unless it was opened before everybody was revoked.
pub(crate) fn flow(
    value: &str,
    auth_id: &str,
    id: Option<&FlowId>,
    cutoff: Timestamp,
) -> Result<Option<FlowRecord>, Damage> {
    let (header, text) = value.split_once('\n').ok_or(Damage::Header)?;
    let header: FlowHeader = serde_json::from_str(header).map_err(|_| Damage::Header)?;
    if header.form != FORM {
        return Err(Damage::Header);
    }
    let mut record = FlowRecord::from_text(text)?;
    if *record.binding.auth_id != *auth_id || id.is_some_and(|id| *id != record.id) {
        return Err(Damage::Misplaced);
    }
    let session = names::bytes(&header.session).ok_or(Damage::Header)?;
    // Whose it is, and whose login it goes on with, is not for those to say who write the text.
    let binding: &mut Binding = Arc::make_mut(&mut record.binding);
    binding.session = SessionKey::from_bytes(session);
    binding.login = Some(header.login.parse().map_err(|_| Damage::Header)?);
    Ok((millis(&header.opened)? >= cutoff).then_some(record))
}

/// What a user holds in all sessions.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) sessions: Sessions,
    /// For how long it can be kept: until the first is outlived.
    pub(crate) good_for: Duration,
    /// When the server read it, in microseconds of its clock.
    pub(crate) read_at: u64,
}

pub(crate) type Sessions = HashMap<SessionKey, Arc<Elevations>, RandomState>;

/// What is held according to an answer of the script for elevations.
pub(crate) fn holdings(answer: Value, auth_id: &str, cutoff: Timestamp) -> Result<Holdings, Fault> {
    let Value::Array(answer) = answer else { return Err(Fault::Unexpected) };
    let Ok([time, fields]) = <[Value; 2]>::try_from(answer) else { return Err(Fault::Unexpected) };
    let read_at: u64 = text(time)?.and_then(|it| it.parse().ok()).ok_or(Fault::Unexpected)?;
    let server_now = Timestamp::from_millis(read_at / 1000);
    let mut good_for = LONGEST;
    let mut found = Vec::new();
    for (field, value) in pairs(fields)? {
        match elevation(&field, &value, cutoff, server_now) {
            Ok(Some(kept)) => {
                good_for = good_for.min(kept.left);
                found.push(kept);
            }
            Ok(None) => {}
            Err(damage) => {
                let flow = field.rsplit('/').next().and_then(|flow| flow.parse::<FlowId>().ok());
                let flow = flow.map_or_else(|| "?".to_owned(), |flow| flow.to_string());
                alarm::unreadable("elevation", flow, damage);
            }
        }
    }
    found.sort_by_key(|kept| kept.sequence);
    let auth_id: Arc<str> = auth_id.into();
    let mut sessions: HashMap<SessionKey, Elevations, RandomState> = HashMap::default();
    for kept in found {
        let none = || Elevations::none(Arc::clone(&auth_id));
        sessions.entry(kept.session).or_insert_with(none).grant(kept.elevation);
    }
    let sessions = sessions.into_iter().map(|(session, held)| (session, Arc::new(held)));
    Ok(Holdings { sessions: sessions.collect(), good_for, read_at })
}

struct KeptElevation {
    session: SessionKey,
    elevation: Elevation,
    sequence: u64,
    left: Duration,
}

/// None if it was revoked with everybody, or is outlived by the clock of the server: one that was
/// set back on a node prolongs nothing.
fn elevation(
    field: &str,
    value: &str,
    cutoff: Timestamp,
    server_now: Timestamp,
) -> Result<Option<KeptElevation>, Damage> {
    let (session, flow) = field.split_once('/').ok_or(Damage::Misplaced)?;
    let session = SessionKey::from_bytes(names::bytes(session).ok_or(Damage::Misplaced)?);
    let (header, text) = value.split_once('\n').ok_or(Damage::Header)?;
    let header: ElevationHeader = serde_json::from_str(header).map_err(|_| Damage::Header)?;
    if header.form != FORM {
        return Err(Damage::Header);
    }
    let mut elevation = Elevation::from_text(text)?;
    if elevation.flow().to_string() != flow
        || elevation.authenticated_at() != millis(&header.authenticated)?
    {
        return Err(Damage::Misplaced);
    }
    if header.spent != UNSPENT {
        elevation.spend();
    }
    let age = server_now.since(millis(&header.granted)?);
    let is_revoked = elevation.authenticated_at().min(millis(&header.opened)?) < cutoff;
    if is_revoked || age >= LONGEST {
        return Ok(None);
    }
    let sequence = header.sequence.parse().map_err(|_| Damage::Header)?;
    Ok(Some(KeptElevation { session, elevation, sequence, left: LONGEST.saturating_sub(age) }))
}

/// A text, or nothing. What is no text is none of ours, and is told of where it is read as one.
pub(crate) fn text(value: Value) -> Result<Option<String>, Fault> {
    if let Value::BulkString(bytes) = value {
        return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
    }
    if let Value::SimpleString(text) = value {
        return Ok(Some(text));
    }
    if value == Value::Nil { Ok(None) } else { Err(Fault::Unexpected) }
}

/// Texts, as many as there are.
pub(crate) fn texts(value: Value) -> Result<Vec<String>, Fault> {
    let (Value::Array(values) | Value::Set(values)) = value else { return Err(Fault::Unexpected) };
    values.into_iter().map(|value| text(value)?.ok_or(Fault::Unexpected)).collect()
}

fn pairs(value: Value) -> Result<Vec<(String, String)>, Fault> {
    let mut values = texts(value)?.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(field), Some(value)) = (values.next(), values.next()) {
        pairs.push((field, value));
    }
    Ok(pairs)
}

pub(crate) fn millis(text: &str) -> Result<Timestamp, Damage> {
    text.parse().map(Timestamp::from_millis).map_err(|_| Damage::Header)
}

const FORM: &str = "1";

const UNSPENT: &str = "0";

const LONGEST: Duration = Requirement::LONGEST_MAX_AGE;
