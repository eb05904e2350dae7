use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::serve::ListenerExt as _;
use flexsecure_core::page::Pages;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    Config, Directory, Inbox, OpenError, ServeError, StoreError, api,
    challenge::{Challenges, Waiters},
    config::{Database, Place},
    delivery::{Courier, Providers, Work},
    pages,
    secret::ServerKeys,
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
    /// Throwaway data lives as long as this.
    _folder: Option<TempDir>,
}

impl Server {
    /// Opens the database, brings it up to date, and reads the server's keys.
    ///
    /// # Errors
    /// No delivery is configured, or a file can't be used: the error names it.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        if !config.inbox && config.delivery.is_none() {
            return Err(OpenError::NoDelivery);
        }
        let pages = pages::load(config.pages.as_deref())?;
        let (place, folder) = match config.database {
            Database::Ephemeral => {
                let folder =
                    TempDir::with_prefix("flexsecure-").map_err(OpenError::TemporaryFolder)?;
                (Place::File(folder.path().join("flexsecure.db")), Some(folder))
            }
            Database::Kept(place) => (place, None),
        };
        let waiters = Arc::<Waiters>::default();
        let (store, keys) = open_store(&place, Some(Arc::clone(&waiters))).await?;
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
        let challenges = Challenges { store, keys, clock, courier, waiters, public_url };
        let inner =
            Inner { challenges, directory, pages, inbox, has_inbox: config.inbox, _folder: folder };
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

    /// Serves until `shutdown` is ready, then drains: long polls are answered at once, what is under way gets up to
    /// 10 s to end and messages another 5 s.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve<F>(&self, listener: TcpListener, shutdown: F) -> Result<(), ServeError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopping) = Stopping::new();
        let app = api::router(self.clone(), stopping.clone());
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = %error, "a connection keeps its delay");
            }
        });
        let courier = &self.inner.challenges.courier;
        let sending = tokio::spawn({
            let (courier, stopping) = (Arc::clone(courier), stopping.clone());
            async move { courier.run(stopping).await }
        });
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            shutdown.await;
            stop.now();
        });
        let served = tokio::select! {
            served = serving => served,
            () = self.sweep_until_overdue(stopping.clone()) => Ok(()),
        };
        // What it is about to see off is not to be lost by ending it in between.
        if sending.await.is_err() {
            tracing::error!("the sending of messages has failed");
        }
        courier.drain(SEND_LIMIT).await;
        Ok(served?)
    }

    /// Ends only when draining takes too long: a client that never finishes must not keep the process alive.
    async fn sweep_until_overdue(&self, mut stopping: Stopping) {
        let mut ticks = interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Err(error) = self.inner.challenges.sweep().await {
                        tracing::error!(error = %error, "expired challenges could not be swept");
                    }
                }
                () = stopping.begun() => break,
            }
        }
        sleep(DRAIN_LIMIT).await;
        tracing::warn!("connections were still open at the end");
    }
}

/// The database and its key file. With `waiters`, they are woken by what other processes change.
///
/// A new key file would invalidate every API key, so it is only made as long as there is none.
pub(crate) async fn open_store(
    place: &Place,
    waiters: Option<Arc<Waiters>>,
) -> Result<(SharedStore, Arc<ServerKeys>), OpenError> {
    let failed = |source| place.failed(source);
    let (store, keys): (SharedStore, _) = match place {
        Place::File(path) => (Arc::new(Sqlite::open(path).await.map_err(failed)?), key_file(path)),
        Place::Postgres { url, keys } => {
            (Arc::new(Postgres::open(url, waiters).await.map_err(failed)?), keys.clone())
        }
    };
    let in_use = store.any_api_key().await.map_err(failed)?;
    let keys = ServerKeys::open(&keys, !in_use)?;
    Ok((store, Arc::new(keys)))
}

impl Place {
    pub(crate) fn failed(&self, source: StoreError) -> OpenError {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Postgres { url, .. } => address(url).into(),
        };
        OpenError::Database { path, source }
    }
}

fn key_file(database: &Path) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(".keys");
    path.into()
}

const SWEEP_EVERY: Duration = Duration::from_secs(30);
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
const SEND_LIMIT: Duration = Duration::from_secs(5);
