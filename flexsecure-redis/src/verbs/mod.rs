//! The verbs of the store, each one script or a few of which the last one counts.

mod flows;
mod sessions;
mod starts;

use std::sync::Arc;

use flexsecure_core::flow::FlowId;
use flexsecure_core::{Elevations, SessionKey, Timestamp};
use redis::Value;
use tokio::time::Instant;

use crate::alarm;
use crate::fault::Fault;
use crate::kept;
use crate::link::{Link, VERB};
use crate::names::{self, Names};
use crate::scripts::{self, Call};
use crate::server::Server;

pub(crate) struct Verbs {
    link: Link,
    names: Names,
}

impl Verbs {
    pub(crate) fn new(server: Server, names: Names) -> Self {
        Self { link: Link::open(server), names }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.names.namespace()
    }

    pub(crate) async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, Fault> {
        let limit = limit();
        let key = self.names.elevations(&names::user(auth_id));
        let call = Call::new(&scripts::ELEVATIONS, [key]);
        let (answer, cutoff) = tokio::join!(self.call(&call, limit), self.cutoff(limit));
        let answer = match answer {
            Err(fault) if fault.is("WRONGTYPE") => {
                alarm::unreadable("elevations", "all", &fault);
                return Ok(None);
            }
            answer => answer?,
        };
        Ok(kept::holdings(answer, auth_id, cutoff?)?.sessions.remove(session))
    }

    pub(crate) async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let limit = limit();
        let cutoff = self.cutoff(limit).await?;
        let key = self.names.elevations(&names::user(auth_id));
        let call = Call::new(&scripts::CONSUME, [key])
            .with(now.as_millis())
            .with(cutoff.as_millis())
            .with(format_args!("{}/{flow}", names::hexadecimal(session.as_bytes())))
            .with(token()?);
        match self.word(&call, limit).await {
            Ok(answer) => match answer.as_str() {
                "yes" => Ok(true),
                "no" => Ok(false),
                "unreadable" => {
                    alarm::unreadable("elevation", flow, kept::Damage::Header);
                    Ok(false)
                }
                _ => Err(Fault::Unexpected),
            },
            Err(fault) if fault.is("WRONGTYPE") => {
                alarm::unreadable("elevations", flow, &fault);
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Before what time everybody is revoked.
    async fn cutoff(&self, limit: Instant) -> Result<Timestamp, Fault> {
        let answer = self.call(&Call::new(&scripts::CUTOFF, [self.names.cutoff()]), limit).await?;
        match kept::text(answer)? {
            None => Ok(Timestamp::from_millis(0)),
            Some(text) => kept::millis(&text).map_err(|damage| {
                alarm::unreadable("revocation of everybody", "none", damage);
                Fault::Unexpected
            }),
        }
    }

    async fn call(&self, call: &Call, limit: Instant) -> Result<Value, Fault> {
        self.link.call(call, limit).await
    }

    /// The same for a script that answers with one word.
    async fn word(&self, call: &Call, limit: Instant) -> Result<String, Fault> {
        kept::text(self.call(call, limit).await?)?.ok_or(Fault::Unexpected)
    }

    /// The same for one that has nothing to say.
    async fn carry_out(&self, call: &Call, limit: Instant) -> Result<(), Fault> {
        let answer = self.call(call, limit).await?;
        if answer == Value::Okay { Ok(()) } else { Err(Fault::Unexpected) }
    }

    /// Carries out what takes several steps also if whoever asked for it has gone away.
    pub(crate) async fn to_the_end(
        steps: impl Future<Output = Result<(), Fault>> + Send + 'static,
    ) -> Result<(), Fault> {
        let task = tokio::spawn(steps);
        task.await.unwrap_or(Err(Fault::Disconnected(std::io::ErrorKind::Interrupted)))
    }
}

fn limit() -> Instant {
    let now = Instant::now();
    now.checked_add(VERB).unwrap_or(now)
}

/// Names one call of a verb, so that a repetition is known to be one.
fn token() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Fault::NoRandomness)?;
    Ok(names::hexadecimal(&bytes))
}
