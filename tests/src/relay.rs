//! A wire to an authority on which its calls can be counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relay that runs until this value ends.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    checks: Arc<AtomicUsize>,
    long_checks: watch::Sender<usize>,
    server: JoinHandle<()>,
}

impl Relay {
    /// To the authority at `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (checks, long_checks) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let (counted, counted_long) = (Arc::clone(&checks), long_checks.clone());
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (counted, counted_long) = (Arc::clone(&counted), counted_long.clone());
                tokio::spawn(async move {
                    let authority = TcpStream::connect(target).await.expect("an authority");
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_authority, mut to_authority) = authority.into_split();
                    tokio::spawn(async move {
                        let _ = tokio::io::copy(&mut from_authority, &mut to_client).await;
                    });
                    let mut buffer = vec![0; 16 * 1024];
                    // A call is short, and is written in one piece.
                    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                        let text = String::from_utf8_lossy(&buffer[..length]).to_ascii_lowercase();
                        if text.starts_with("post /v1/check") {
                            counted.fetch_add(1, Ordering::SeqCst);
                            if text.contains("prefer: wait=") {
                                counted_long.send_modify(|count| *count += 1);
                            }
                        }
                        if to_authority.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, checks, long_checks, server }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many checks have gone to the authority.
    #[must_use]
    pub fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    /// Waits until the authority has been asked to answer when there is news: somebody waits now.
    pub async fn asked_for_news(&self) {
        let mut asked = self.long_checks.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(60), asked.wait_for(|it| *it > 0));
        let waited = waited.await.map(|asked| asked.map(|_| ()));
        assert!(matches!(waited, Ok(Ok(()))), "nobody waits for news");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}
