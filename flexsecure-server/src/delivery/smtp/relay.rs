use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    failure::{Failure, Stage},
    session::{Session, text},
};
use crate::delivery::DeliveryError;

/// A mail relay, and the sessions with it.
pub(super) struct Relay {
    host: String,
    port: u16,
    tls: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    /// For those at a time that a relay does not take for an attack.
    room: Semaphore,
    kept: Mutex<Vec<Kept>>,
}

pub(super) enum Security {
    None,
    StartTls(TlsParameters),
    Implicit(TlsParameters),
}

struct Kept {
    session: Session,
    since: Instant,
}

impl Relay {
    pub(super) fn new(
        host: String,
        port: u16,
        tls: Security,
        credentials: Option<Credentials>,
    ) -> Self {
        let (hello, room, kept) = (ClientId::default(), Semaphore::new(AT_ONCE), Mutex::default());
        Self { host, port, tls, credentials, hello, room, kept }
    }

    pub(super) async fn send(&self, envelope: &Envelope, mail: &str) -> Result<(), DeliveryError> {
        let Some(text) = text(mail) else {
            return Err(DeliveryError::refused(
                "the mail has a line that does not end as it should",
            ));
        };
        let ready = async {
            // It is never closed.
            let room = self.room.acquire().await.ok();
            self.ready(envelope, mail).await.map(|session| (session, room))
        };
        // Nothing is taken before the text is at its end: RFC 5321, section 4.1.1.4.
        let (mut session, _room) = match timeout(PATIENCE, ready).await {
            Ok(ready) => ready?,
            Err(_) => return Err(DeliveryError::busy("the mail relay did not get ready in time")),
        };
        match timeout(PATIENCE_WITH_TEXT, session.text(text)).await {
            Ok(Ok(())) => {
                self.keep(session);
                Ok(())
            }
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(DeliveryError::unknown("the mail relay did not answer to the text")),
        }
    }

    /// Connects and authenticates.
    pub(super) async fn check(&self) -> Result<(), DeliveryError> {
        let check = async { self.begin().await?.end().await };
        match timeout(PATIENCE, check).await {
            Ok(checked) => Ok(checked?),
            Err(_) => Err(DeliveryError::busy("the mail relay did not answer in time")),
        }
    }

    /// A session that waits for the text. One that was kept may have ended meanwhile: then a new one is begun.
    async fn ready(&self, envelope: &Envelope, mail: &str) -> Result<Session, Failure> {
        while let Some(mut session) = self.take() {
            match session.announce(envelope, mail).await {
                Ok(()) => return Ok(session),
                Err(failure) if failure.ends_the_connection() => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut session = self.begin().await?;
        session.announce(envelope, mail).await?;
        Ok(session)
    }

    async fn begin(&self) -> Result<Session, Failure> {
        let at_once = match &self.tls {
            Security::Implicit(parameters) => Some(parameters.clone()),
            Security::StartTls(_) | Security::None => None,
        };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, at_once, None)
                .await
                .map_err(Failure::at(Stage::Connection))?;
        if let Security::StartTls(parameters) = &self.tls {
            connection
                .starttls(parameters.clone(), &self.hello)
                .await
                .map_err(Failure::at(Stage::Connection))?;
        }
        let mut session = Session::begin(connection, &self.hello).await?;
        if let Some(credentials) = &self.credentials {
            session.authenticate(credentials).await?;
        }
        Ok(session)
    }

    fn take(&self) -> Option<Session> {
        let mut kept = self.kept();
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        kept.pop().map(|kept| kept.session)
    }

    fn keep(&self, session: Session) {
        self.kept().push(Kept { session, since: Instant::now() });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as nothing has been handed over.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_WITH_TEXT: Duration = Duration::from_secs(15);
/// Relays end idle connections after some minutes.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Relays take 20 from one client gladly, and not many more.
const AT_ONCE: usize = 20;
