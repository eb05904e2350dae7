//! The verbs of the store, each one script or a few of which the last one counts.

mod flows;
mod sessions;
mod starts;

use std::sync::Arc;

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::News;
use flexsecure_core::{Elevations, SessionKey, Timestamp};
use redis::Value;
use tokio::time::Instant;

use crate::alarm;
use crate::copies::Copies;
use crate::fault::Fault;
use crate::kept;
use crate::link::{Limits, Link};
use crate::listeners::Listeners;
use crate::names::{self, Names};
use crate::scripts::{self, Call};
use crate::server::Server;
use crate::validity::Validity;
use crate::watch::Watched;
use crate::watchers::{self, Watchers};

pub(crate) struct Settings {
    pub(crate) names: Names,
    /// How many sessions may be in local copies, or none at all.
    pub(crate) copies: Option<usize>,
    pub(crate) limits: Limits,
}

pub(crate) struct Verbs {
    link: Link,
    limits: Limits,
    names: Names,
    watched: Arc<Watched>,
    _watchers: Watchers,
}

impl Verbs {
    pub(crate) fn new(server: Server, settings: Settings) -> Self {
        let Settings { names, copies, limits } = settings;
        let server = Arc::new(server);
        let validity = Arc::new(Validity::new([watchers::FIRST.to_owned()]));
        let copies = copies.map(|capacity| Copies::new(Arc::clone(&validity), capacity));
        let listeners = Listeners::default();
        let watched = Arc::new(Watched { names: names.clone(), copies, validity, listeners });
        let watchers = Watchers::post(Arc::clone(&server), Arc::clone(&watched));
        Self {
            link: Link::open(server, limits.one_try),
            limits,
            names,
            watched,
            _watchers: watchers,
        }
    }

    pub(crate) fn peek(&self, session: &SessionKey, auth_id: &str) -> Option<Arc<Elevations>> {
        self.watched.copies.as_ref()?.get(session, auth_id)
    }

    pub(crate) fn listen(&self, tell: Box<dyn Fn(News) + Send + Sync>) {
        self.watched.listeners.add(tell);
    }

    pub(crate) fn namespace(&self) -> &str {
        self.names.namespace()
    }

    pub(crate) async fn elevations(
        &self,
        session: &SessionKey,
        auth_id: &str,
    ) -> Result<Option<Arc<Elevations>>, Fault> {
        let (limit, user) = (self.limit(), names::user(auth_id));
        let call = Call::new(&scripts::ELEVATIONS, [self.names.elevations(&user)]);
        let copies = self.watched.copies.as_ref();
        let era = copies.and_then(|copies| copies.begin(&user, auth_id));
        let (answer, cutoff) = tokio::join!(self.call(&call, limit), self.cutoff(limit));
        let answer = match answer {
            Err(fault) if fault.is("WRONGTYPE") => {
                alarm::unreadable("elevations", "all", &fault);
                return Ok(None);
            }
            answer => answer?,
        };
        let held = kept::holdings(answer, auth_id, cutoff?)?;
        if let Some(copies) = copies {
            copies.end(&user, era, &held);
        }
        Ok(held.sessions.get(session).map(Arc::clone))
    }

    pub(crate) async fn consume(
        &self,
        session: &SessionKey,
        auth_id: &str,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let limit = self.limit();
        let cutoff = self.cutoff(limit).await?;
        let user = names::user(auth_id);
        let call = Call::new(&scripts::CONSUME, [self.names.elevations(&user)])
            .with(now.as_millis())
            .with(cutoff.as_millis())
            .with(format_args!("{}/{flow}", names::hexadecimal(session.as_bytes())))
            .with(token()?);
        let answer = self.word(&call, limit).await;
        self.forget(&user);
        match answer {
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
        let Some(copies) = &self.watched.copies else { return self.read_cutoff(limit).await };
        match copies.cutoff() {
            Ok(cutoff) => Ok(cutoff),
            Err(era) => {
                let cutoff = self.read_cutoff(limit).await?;
                copies.learn_cutoff(era, cutoff);
                Ok(cutoff)
            }
        }
    }

    async fn read_cutoff(&self, limit: Instant) -> Result<Timestamp, Fault> {
        let answer = self.call(&Call::new(&scripts::CUTOFF, [self.names.cutoff()]), limit).await?;
        match kept::text(answer)? {
            None => Ok(Timestamp::from_millis(0)),
            Some(text) => kept::millis(&text).map_err(|damage| {
                alarm::unreadable("revocation of everybody", "none", damage);
                Fault::Unexpected
            }),
        }
    }

    /// Whoever asks this node after a write finds what was written; the server tells of it later.
    fn forget(&self, user: &str) {
        if let Some(copies) = &self.watched.copies {
            copies.forget(user);
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

    fn limit(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.limits.verb).unwrap_or(now)
    }

    /// Carries out what takes several steps also if whoever asked for it has gone away.
    pub(crate) async fn to_the_end(
        steps: impl Future<Output = Result<(), Fault>> + Send + 'static,
    ) -> Result<(), Fault> {
        let task = tokio::spawn(steps);
        task.await.unwrap_or(Err(Fault::Disconnected(std::io::ErrorKind::Interrupted)))
    }
}

/// Names one call of a verb, so that a repetition is known to be one.
fn token() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Fault::NoRandomness)?;
    Ok(names::hexadecimal(&bytes))
}
