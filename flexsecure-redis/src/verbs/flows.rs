use std::fmt::Write;
use std::sync::Arc;

use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{
    FLOWS_PER_SESSION, FLOWS_PER_USER, FlowRecord, Opened, REFUSALS, REFUSALS_WINDOW, RETENTION,
    Swap,
};
use flexsecure_core::{Elevation, Timestamp};
use tokio::time::Instant;

use super::{Verbs, token};
use crate::alarm;
use crate::fault::Fault;
use crate::kept::{self, Damage};
use crate::names;
use crate::scripts::{self, Call};

impl Verbs {
    pub(crate) async fn open(&self, new: FlowRecord, now: Timestamp) -> Result<Opened, Fault> {
        let limit = self.limit();
        let user = names::user(&new.binding.auth_id);
        let (entered, cutoff) = tokio::join!(
            self.enter(&scripts::ENTER, &new.binding.session, &user, limit),
            self.cutoff(limit)
        );
        entered?;
        let (cutoff, token) = (cutoff?, token()?);
        let mut unreadable = String::new();
        for _ in 0..FLOWS_PER_SESSION {
            let call = self.opening(&new, &user, now, cutoff, &token).with(&unreadable);
            let mut answer = kept::texts(self.call(&call, limit).await?)?.into_iter();
            let (Some(word), Some(value)) = (answer.next(), answer.next()) else {
                return Err(Fault::Unexpected);
            };
            match word.as_str() {
                "new" => {
                    let mut new = new;
                    let login = value.parse().map_err(|_| Fault::Unexpected)?;
                    Arc::make_mut(&mut new.binding).login = Some(login);
                    return Ok(Opened::New(new));
                }
                "many" => {
                    let until = kept::millis(&value).map_err(|_| Fault::Unexpected)?;
                    return Ok(Opened::TooMany { until });
                }
                "joined" => match kept::flow(&value, &new.binding.auth_id, None, cutoff) {
                    Ok(Some(record)) => return Ok(Opened::Joined(record)),
                    Ok(None) => return Err(Fault::Unexpected),
                    Err(damage) => {
                        unreadable = answer.next().ok_or(Fault::Unexpected)?;
                        alarm::unreadable("flow", &unreadable, damage);
                    }
                },
                _ => return Err(Fault::Unexpected),
            }
        }
        Err(Fault::Unexpected)
    }

    fn opening(
        &self,
        new: &FlowRecord,
        user: &str,
        now: Timestamp,
        cutoff: Timestamp,
        token: &str,
    ) -> Call {
        Call::new(&scripts::OPEN, [self.names.flows(user)])
            .with(now.as_millis())
            .with(cutoff.as_millis())
            .with(new.id)
            .with(names::hexadecimal(new.binding.session.as_bytes()))
            .with(names::scope(&new.binding.scope))
            .with(end_of(&new.flow))
            .with(token)
            .with(face(&new.flow))
            .with(new.to_text())
            .with(self.names.news())
            .with(RETENTION.as_millis())
            .with(FLOWS_PER_SESSION)
            .with(FLOWS_PER_USER)
    }

    /// The flow `id` of a user, in whatever session.
    pub(crate) async fn flow(
        &self,
        auth_id: &str,
        id: &FlowId,
    ) -> Result<Option<FlowRecord>, Fault> {
        let limit = self.limit();
        let key = self.names.flows(&names::user(auth_id));
        let call = Call::new(&scripts::FIELD, [key]).with(format_args!("f/{id}"));
        let (answer, cutoff) = tokio::join!(self.call(&call, limit), self.cutoff(limit));
        let value = match answer.and_then(kept::text) {
            Ok(value) => value,
            Err(fault) if fault.is("WRONGTYPE") || fault == Fault::Unexpected => {
                alarm::unreadable("flows", id, &fault);
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        let Some(value) = value else { return Ok(None) };
        Ok(kept::flow(&value, auth_id, Some(id), cutoff?).unwrap_or_else(|damage| {
            alarm::unreadable("flow", id, damage);
            None
        }))
    }

    pub(crate) async fn swap(
        &self,
        next: &FlowRecord,
        grant: Option<&Elevation>,
        now: Timestamp,
    ) -> Result<Swap, Fault> {
        let limit = self.limit();
        let auth_id = &next.binding.auth_id;
        let user = names::user(auth_id);
        let cutoff = self.cutoff(limit).await?;
        if grant.is_some() {
            self.clear_for(next, &user, limit).await?;
        }
        let before = next.version.checked_sub(1).map_or_else(String::new, |it| it.to_string());
        let refused_at = next.flow.refused_at().map(|at| at.as_millis().to_string());
        let authenticated_at = grant.map(|it| it.authenticated_at().as_millis().to_string());
        let call = Call::new(&scripts::SWAP, self.names.of_user(&user))
            .with(now.as_millis())
            .with(cutoff.as_millis())
            .with(next.id)
            .with(names::hexadecimal(next.binding.session.as_bytes()))
            .with(before)
            .with(next.version)
            .with(token()?)
            .with(end_of(&next.flow))
            .with(u8::from(next.flow.is_over()))
            .with(face(&next.flow))
            .with(next.to_text())
            .with(refused_at.unwrap_or_default())
            .with(self.names.news())
            .with(RETENTION.as_millis())
            .with(grant.map(Elevation::to_text).unwrap_or_default())
            .with(authenticated_at.unwrap_or_default())
            .with(grant.map(|grant| names::scope(grant.scope())).unwrap_or_default())
            .with(REFUSALS_WINDOW.as_millis())
            .with(REFUSALS);
        let answer = self.word(&call, limit).await;
        if grant.is_some() {
            self.forget(&user);
        }
        match answer?.as_str() {
            "done" => Ok(Swap::Done),
            "conflict" => Ok(Swap::Conflict),
            "gone" => Ok(Swap::Gone),
            "unreadable" => {
                alarm::unreadable("flow", next.id, Damage::Header);
                Ok(Swap::Gone)
            }
            _ => Err(Fault::Unexpected),
        }
    }

    /// A session is one user's: what others hold in it goes before the next gets anything.
    async fn clear_for(&self, next: &FlowRecord, user: &str, limit: Instant) -> Result<(), Fault> {
        let session = &next.binding.session;
        for other in self.enter(&scripts::ENTER_ANYWAY, session, user, limit).await? {
            self.drop_of(&other, Some(session), None, "elevations", limit).await?;
        }
        Ok(())
    }
}

/// When the flow is over if nothing more happens, in milliseconds.
fn end_of(flow: &Flow) -> u64 {
    let never = Timestamp::from_millis(u64::MAX);
    let end = flow.clone().at(never).ended_at().unwrap_or(never);
    end.as_millis().min(LARGEST_EXACT)
}

/// What a client sees of the flow: who waits for news waits for this to change.
fn face(flow: &Flow) -> String {
    let state = match flow {
        Flow::Started(_) | Flow::Polling(_) => "live",
        Flow::Idle(_) | Flow::Authenticated(_) | Flow::Expired(_) => flow.state(),
    };
    let mut face = state.to_owned();
    let parts = [
        flow.method().map(|method| method.to_string()),
        flow.match_number().map(|number| number.to_string()),
        flow.attempts_left().map(|left| left.to_string()),
        flow.hindrance().map(|(by, until)| format!("{by:?}-{}", until.as_millis())),
    ];
    for part in parts {
        let _ = write!(face, " {}", part.as_deref().unwrap_or("-"));
    }
    if let Flow::Expired(end) = flow {
        let _ = write!(face, " {}", end.over().as_str());
    }
    face
}

/// The largest whole number that a script can tell from the next.
pub(super) const LARGEST_EXACT: u64 = 9_007_199_254_740_991;
