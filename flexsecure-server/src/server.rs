use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use flexsecure_core::page::Pages;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    Config, Directory, Inbox, OpenError, ReloadError, ServeError, StoreError,
    api::{self, Readiness},
    challenge::{Challenges, Waiters},
    config::{Database, Place},
    delivery::{Courier, Providers, Work},
    pages,
    secret::ServerKeys,
    serving::{TlsIdentity, TrustedProxies, WrongKeys, accept},
    stopping::Stopping,
    store::{Postgres, SharedStore, Sqlite, address},
};

/// The authority: opened once, then administered, served, or both. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) challenges: Challenges,
    pub(crate) directory: Directory,
    pub(crate) pages: Pages,
    pub(crate) inbox: Inbox,
    pub(crate) has_inbox: bool,
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) wrong_keys: WrongKeys,
    pub(crate) readiness: Readiness,
    tls: Option<Arc<TlsIdentity>>,
    max_connections: usize,
    /// Throwaway data lives as long as this.
    _folder: Option<TempDir>,
}

impl Server {
    /// Opens the database, brings it up to date, and reads the server's keys.
    ///
    /// # Errors
    /// No delivery is configured, or a file can't be used: the error names it.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        if !config.inbox && config.delivery.is_empty() {
            return Err(OpenError::NoDelivery);
        }
        let pages = pages::load(config.pages.as_deref())?;
        let tls = config.tls.as_ref().map(TlsIdentity::load).transpose()?;
        let (place, folder) = match config.database {
            Database::Ephemeral => {
                let folder =
                    TempDir::with_prefix("flexsecure-").map_err(OpenError::TemporaryFolder)?;
                (Place::File(folder.path().join("flexsecure.db")), Some(folder))
            }
            Database::Kept(place) => (place, None),
        };
        let waiters = Arc::<Waiters>::default();
        let (store, keys) =
            open_store(&place, config.server_keys.as_deref(), Some(Arc::clone(&waiters))).await?;
        let inbox = Inbox::default();
        let clock = config.clock;
        let public_url = config.public_url;
        let courier = Arc::new(Courier {
            store: Arc::clone(&store),
            pages: pages.clone(),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            public_url: public_url.clone(),
            inbox: config.inbox.then(|| inbox.clone()),
            providers: Providers::new(config.delivery, Arc::clone(&clock)),
            work: Work::default(),
        });
        let opened = (Arc::clone(&store), Arc::clone(&keys));
        let directory = Directory::new(opened, Arc::clone(&waiters), Arc::clone(&clock))
            .await
            .map_err(|source| place.failed(source))?;
        let challenges =
            Challenges { store, keys: Arc::clone(&keys), clock, courier, waiters, public_url };
        let inner = Inner {
            challenges,
            directory,
            pages,
            inbox,
            has_inbox: config.inbox,
            keys,
            proxies: Arc::new(TrustedProxies::new(config.trusted_proxies)),
            wrong_keys: WrongKeys::new(),
            readiness: Readiness::default(),
            tls,
            max_connections: config.max_connections,
            _folder: folder,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Systems, users and API keys.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// What users were sent; always empty unless [`Config::inbox`] is on.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inner.inbox
    }

    /// Serves until `shutdown` is ready, then drains: no connection is accepted, long polls are answered at once, starts
    /// are refused, and what is under way, messages included, gets up to 10 s to end. With [`Config::tls`], over TLS.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub async fn serve<F>(&self, listener: TcpListener, shutdown: F) -> Result<(), ServeError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tls = self.inner.tls.as_ref().map(TlsIdentity::acceptor).transpose()?;
        let (stop, stopping) = Stopping::new();
        let app = api::router(self.clone(), stopping.clone());
        let courier = &self.inner.challenges.courier;
        let sending = tokio::spawn({
            let (courier, stopping) = (Arc::clone(courier), stopping.clone());
            async move { courier.run(stopping).await }
        });
        let began = OnceLock::new();
        let stop_in_time = async {
            shutdown.await;
            stop.now();
            began.get_or_init(Instant::now);
            tracing::info!("stopping");
            sleep(CONNECTIONS_LIMIT).await;
            tracing::warn!("connections were still open at the end");
        };
        let serving =
            Box::pin(accept(listener, app, tls, self.inner.max_connections, stopping.clone()));
        tokio::select! {
            () = serving => {}
            () = stop_in_time => {}
            () = self.keep_up(stopping) => {}
        }
        let left = began
            .get()
            .map_or(Duration::ZERO, |began: &Instant| DRAIN_LIMIT.saturating_sub(began.elapsed()));
        // What it is about to see off is not to be lost by ending it in between.
        if sending.await.is_err_and(|error| error.is_panic()) {
            tracing::error!("the sending of messages has failed");
        }
        courier.drain(left).await;
        self.inner.challenges.store.announced().await;
        Ok(())
    }

    /// Reads the server's keys and the TLS certificate again, as after a rotation.
    ///
    /// # Errors
    /// A file can't be used. What was read before is kept.
    pub fn reload(&self) -> Result<(), ReloadError> {
        let keys = self.inner.keys.reload();
        let tls = self.inner.tls.as_ref().map_or(Ok(()), |tls| tls.reload());
        keys?;
        Ok(tls?)
    }

    /// What is done now and then, for as long as the server is served.
    async fn keep_up(&self, mut stopping: Stopping) {
        let mut sweeps = interval(SWEEP_EVERY);
        let mut looks = interval(LOOK_EVERY);
        for ticks in [&mut sweeps, &mut looks] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                _ = sweeps.tick() => self.sweep().await,
                _ = looks.tick() => self.look_at_certificate(),
                () = stopping.begun() => break,
            }
        }
        // Draining is watched elsewhere.
        std::future::pending().await
    }

    async fn sweep(&self) {
        self.inner.wrong_keys.sweep();
        if let Err(error) = self.inner.challenges.sweep().await {
            tracing::error!(error = %error, "expired challenges could not be swept");
        }
    }

    fn look_at_certificate(&self) {
        let Some(tls) = self.inner.tls.as_ref().filter(|tls| tls.is_stale()) else { return };
        match tls.reload() {
            Ok(()) => tracing::info!("a new TLS certificate is served"),
            Err(error) => {
                let source = std::error::Error::source(&error);
                tracing::warn!(error = %error, source, "the former TLS certificate is still served");
            }
        }
    }
}

/// The database and its key file. With `waiters`, they are woken by what other processes change.
///
/// A new key file would invalidate every API key, so it is only made as long as there is none.
pub(crate) async fn open_store(
    place: &Place,
    server_keys: Option<&Path>,
    waiters: Option<Arc<Waiters>>,
) -> Result<(SharedStore, Arc<ServerKeys>), OpenError> {
    let failed = |source| place.failed(source);
    let store: SharedStore = match place {
        Place::File(path) => Arc::new(Sqlite::open(path).await.map_err(failed)?),
        Place::Postgres(url) => Arc::new(Postgres::open(url, waiters).await.map_err(failed)?),
    };
    let in_use = store.any_api_key().await.map_err(failed)?;
    let default = place.default_key_file();
    let keys = ServerKeys::open(server_keys.unwrap_or(&default), !in_use)?;
    Ok((store, Arc::new(keys)))
}

impl Place {
    pub(crate) fn failed(&self, source: StoreError) -> OpenError {
        OpenError::Database { path: self.told().into(), source }
    }

    /// Where it is, without a password.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Postgres(url) => address(url),
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// From the signal to the end of the process.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The rest of that is for messages.
const CONNECTIONS_LIMIT: Duration = Duration::from_secs(8);
