use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is between a browser and a server, and can be cut; it runs until this value ends.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    is_whole: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Wire {
    /// To whoever listens at `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let is_whole = watch::Sender::new(true);
        let state = is_whole.subscribe();
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, state.clone()));
            }
        });
        Self { address, is_whole, server }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, and each that is tried from now on.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, mut is_whole: watch::Receiver<bool>) {
    if !*is_whole.borrow() {
        return;
    }
    let mut server = TcpStream::connect(target).await.expect("a server");
    tokio::select! {
        // Whoever ends first does.
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = is_whole.wait_for(|is_whole| !is_whole) => {}
    }
}
