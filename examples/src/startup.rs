//! From the environment to a node that listens, and back down again: the same for both frameworks.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use flexsecure_core::authority::ConfigError;
use flexsecure_core::{BuildError, Gate, HttpAuthority};
use flexsecure_redis::RedisStore;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::authority::Embedded;
use crate::bank::Bank;
use crate::session::Sessions;
use crate::settings::{AuthoritySetting, Settings, SettingsError};

/// A node that is about to serve.
#[derive(Debug)]
pub struct Node {
    bank: Bank,
    embedded: Option<Embedded>,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
}

impl Node {
    /// Reads the environment, starts an authority if none is configured, and listens.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start() -> Result<(Self, TcpListener), StartError> {
        log_to_stderr();
        let settings = Settings::from_env()?;
        let embedded = match settings.authority {
            AuthoritySetting::Embedded(address) => Some(Embedded::start(address).await?),
            AuthoritySetting::Remote => None,
        };
        let authority = match &embedded {
            Some(embedded) => embedded.client()?,
            None => HttpAuthority::from_env()?,
        };
        let mut gate = Gate::builder(authority).default_method(settings.default_method);
        if let Some(url) = &settings.redis {
            gate = gate.store(RedisStore::connect(url)?);
        }
        if let Some(folder) = &settings.pages {
            gate = gate.pages(folder);
        }
        let gate = gate.build()?;
        let sessions = Sessions::new(settings.secret.as_deref());
        let bank = Bank::new(gate, sessions, embedded.as_ref().map(Embedded::inbox));

        let address = settings.address;
        let bind_error = |source| StartError::Bind { name: "BANK_ADDR", address, source };
        let listener = TcpListener::bind(address).map_err(bind_error)?;
        listener.set_nonblocking(true).map_err(StartError::Io)?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        let stopping = stop_by_signal(bank.gate().clone()).map_err(StartError::Io)?;
        Ok((Self { bank, embedded, address, stopping }, listener))
    }

    /// The bank to serve.
    #[must_use]
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// The gate of this node, for what is smaller than a bank.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.bank.gate()
    }

    /// Says on standard output where everything is, and what to click first.
    pub fn announce(&self) {
        let mut hint = "open URL/ and log in as alice, then get her statements".to_owned();
        if let Some(embedded) = &self.embedded {
            hint += &format!("; her PINs arrive at {}", embedded.inbox());
        }
        self.announce_with(&hint);
    }

    /// The same with another `hint`, in which `URL` and `INBOX` stand for what they are here.
    pub fn announce_with(&self, hint: &str) {
        let mut text = String::new();
        let mut inbox = "the inbox of its users".to_owned();
        if let Some(embedded) = &self.embedded {
            text += &format!("authority on {} key {}\n", embedded.url(), embedded.key());
            inbox = embedded.inbox();
        }
        let url = format!("http://{}", self.address);
        text += &format!("listening on {url}\n");
        text += &hint.replace("URL", &url).replace("INBOX", &inbox);
        text += "\n";
        // Whoever started it may have closed the other end: it serves nevertheless.
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Ends with SIGTERM or SIGINT, when requests that wait have been let go.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.clone();
        async move {
            // The task that waits for the signals holds the sender.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Ends when draining has taken too long.
    pub fn overdue(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopping = self.stopping();
        async move {
            stopping.await;
            tokio::time::sleep(DRAIN_LIMIT).await;
        }
    }

    /// Stops what was started beside the bank.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// Why a node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A variable of the environment makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The configured authority makes no sense.
    #[error("FLEXSECURE_URL and FLEXSECURE_API_KEY do not name an authority")]
    Authority(#[from] ConfigError),
    /// There can be no Redis or Valkey there.
    #[error("set REDIS_URL to where flows and elevations are kept, such as redis://127.0.0.1")]
    Store(#[from] flexsecure_redis::ConfigError),
    /// The gate's settings make no sense.
    #[error(transparent)]
    Gate(#[from] BuildError),
    /// An address can't be listened at; it is taken, usually.
    #[error("set {name} to a free address, or to one with port 0: {address} can't be listened at")]
    Bind {
        /// The variable that says it.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no place for its data, usually.
    #[error("the embedded authority can't be started")]
    Embedded(#[source] Box<dyn Error + Send + Sync>),
    /// The operating system refuses something else.
    #[error("the operating system refuses to serve this")]
    Io(#[source] io::Error),
}

impl StartError {
    pub(crate) fn authority(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Embedded(source.into())
    }
}

/// How a process of this name ends: on failure, with a sentence on standard error.
#[must_use]
pub fn exit_code(name: &str, ended: Result<(), StartError>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    let mut sentence = format!("{name}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        sentence += &format!(": {cause}");
        source = cause.source();
    }
    // There is nobody left to tell.
    let _ = writeln!(io::stderr(), "{sentence}");
    ExitCode::FAILURE
}

/// The signals are caught from here on, before anybody is told that there is a process to signal.
fn stop_by_signal(gate: Gate) -> io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopping) = watch::channel(false);
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::spawn(async move {
        asked().await;
        gate.close();
        stop.send_replace(true);
        tokio::select! {
            () = stop.closed() => {}
            // Whoever asks twice does not want to wait for what is under way.
            () = asked() => std::process::exit(EXIT_UNFINISHED),
        }
    });
    Ok(stopping)
}

fn log_to_stderr() {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    // A subscriber that is there already, in a test, is as good.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
}

/// What shells say of a process that a signal has ended.
const EXIT_UNFINISHED: i32 = 128 + 15;

/// How long requests have to end once the process is to, in all.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(30);
