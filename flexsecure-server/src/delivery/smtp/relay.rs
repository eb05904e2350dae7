use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Noop, Quit, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::{Instant, timeout};

use super::failure::{Failure, Stage};
use crate::delivery::DeliveryError;

/// A mail relay and the connections to it that are kept.
///
/// The transport of the mail library does not tell how far a message has come when it fails. This goes through the
/// steps one by one, so that it is known whether the text has gone out.
pub(super) struct Relay {
    host: String,
    port: u16,
    tls: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    kept: Mutex<Vec<Kept>>,
}

pub(super) enum Security {
    None,
    StartTls(TlsParameters),
    Implicit(TlsParameters),
}

struct Kept {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Relay {
    pub(super) fn new(
        host: String,
        port: u16,
        tls: Security,
        credentials: Option<Credentials>,
    ) -> Self {
        let (hello, kept) = (ClientId::default(), Mutex::default());
        Self { host, port, tls, credentials, hello, kept }
    }

    pub(super) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), DeliveryError> {
        // Nothing is taken before the text is at its end: RFC 5321, section 4.1.1.4.
        let mut connection = match timeout(PATIENCE, self.ready(envelope, mail)).await {
            Ok(ready) => ready?,
            Err(_) => return Err(DeliveryError::busy("the mail relay did not get ready in time")),
        };
        match timeout(PATIENCE_WITH_TEXT, connection.message(mail)).await {
            Ok(Ok(_)) => {
                self.keep(connection);
                Ok(())
            }
            Ok(Err(error)) => Err(Failure::of(Stage::Text, &error).into()),
            Err(_) => Err(DeliveryError::unknown("the mail relay did not answer to the text")),
        }
    }

    /// Connects and authenticates.
    pub(super) async fn check(&self) -> Result<(), DeliveryError> {
        let check = async {
            let mut connection = self.connect().await?;
            connection.command(Noop).await.map_err(Failure::at(Stage::Connection))?;
            // It is over in any case.
            let _answer = connection.command(Quit).await;
            Ok::<_, Failure>(())
        };
        match timeout(PATIENCE, check).await {
            Ok(checked) => Ok(checked?),
            Err(_) => Err(DeliveryError::busy("the mail relay did not answer in time")),
        }
    }

    /// A connection that waits for the text.
    async fn ready(
        &self,
        envelope: &Envelope,
        mail: &[u8],
    ) -> Result<AsyncSmtpConnection, Failure> {
        let mut connection = self.begin(envelope, mail).await?;
        for to in envelope.to() {
            let recipient = Rcpt::new(to.clone(), Vec::new());
            connection.command(recipient).await.map_err(Failure::at(Stage::Recipient))?;
        }
        let answer = connection.command(Data).await.map_err(Failure::at(Stage::Data))?;
        if answer.has_code(354) { Ok(connection) } else { Err(Failure::odd(Stage::Data)) }
    }

    /// A connection that knows the sender. One that was kept may have ended meanwhile: then a new one is made.
    async fn begin(
        &self,
        envelope: &Envelope,
        mail: &[u8],
    ) -> Result<AsyncSmtpConnection, Failure> {
        while let Some(mut connection) = self.take() {
            let options = options(&connection, envelope, mail)?;
            let sender = Mail::new(envelope.from().cloned(), options);
            match connection.command(sender).await.map_err(Failure::at(Stage::Sender)) {
                Ok(_) => return Ok(connection),
                Err(failure) if failure.ends_the_connection() => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut connection = self.connect().await?;
        let options = options(&connection, envelope, mail)?;
        let sender = Mail::new(envelope.from().cloned(), options);
        connection.command(sender).await.map_err(Failure::at(Stage::Sender))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
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
        if let Some(credentials) = &self.credentials {
            connection
                .auth(DEFAULT_MECHANISMS, credentials)
                .await
                .map_err(Failure::at(Stage::Password))?;
        }
        Ok(connection)
    }

    fn take(&self) -> Option<AsyncSmtpConnection> {
        let mut kept = self.kept();
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        kept.pop().map(|kept| kept.connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept();
        if kept.len() < KEPT_AT_MOST {
            kept.push(Kept { connection, since: Instant::now() });
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a relay has to be able to for this mail (RFC 6152, RFC 6531).
fn options(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<Vec<MailParameter>, Failure> {
    let mut options = Vec::new();
    let can = |extension| connection.server_info().supports_feature(extension);
    let is_foreign = |address: &Address| !AsRef::<str>::as_ref(address).is_ascii();
    if envelope.from().into_iter().chain(envelope.to()).any(is_foreign) {
        if !can(Extension::SmtpUtfEight) {
            return Err(Failure::incapable());
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() {
        if !can(Extension::EightBitMime) {
            return Err(Failure::incapable());
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(options)
}

/// As long as nothing has been handed over.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_WITH_TEXT: Duration = Duration::from_secs(15);
/// Relays end idle connections after some minutes.
const KEPT_FOR: Duration = Duration::from_secs(60);
const KEPT_AT_MOST: usize = 8;
