use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::connection;
use crate::{metrics, stopping::Stopping};

/// Takes connections until `stopping`, then lets those that there are end; who drops this future cuts them off.
///
/// At most `max_connections` are open; the next one waits in the queue of the operating system. Running out of file
/// descriptors only slows accepting down.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    max_connections: usize,
    mut stopping: Stopping,
) {
    let room = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    let mut trouble = Trouble::default();
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = stopping.begun() => break,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                drop(permit);
                tokio::select! {
                    () = trouble.wait(&error) => continue,
                    () = stopping.begun() => break,
                }
            }
        };
        trouble = Trouble { told: trouble.told, ..Trouble::default() };
        without_delay(&stream);
        let serving =
            connection::serve(stream, peer.ip(), router.clone(), tls.clone(), stopping.clone());
        connections.spawn(async move {
            let _open = metrics::open_connection();
            serving.await;
            drop(permit);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// How accepting fails: twice as long a pause each time, and a line in the log now and then.
#[derive(Debug, Default)]
struct Trouble {
    pause: Duration,
    told: Option<Instant>,
}

impl Trouble {
    async fn wait(&mut self, error: &io::Error) {
        if is_of_one_connection(error) {
            return;
        }
        self.pause = self.pause.saturating_mul(2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::error!(error = %error, "no connection can be accepted for now");
        }
        sleep(self.pause).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::ConnectionAborted
        || kind == io::ErrorKind::ConnectionReset
        || kind == io::ErrorKind::ConnectionRefused
}

fn without_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "a connection keeps its delay");
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(10);
