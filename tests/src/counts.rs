//! How often each door was gone through: kept by the program, read by the scenario.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;

use crate::client::{Client, Request};

/// Counts by the name of a door; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<String, usize>>>);

impl Counts {
    /// Somebody has gone through `door`, or so many of something have.
    pub fn add(&self, door: &str, count: usize) {
        *self.lock().entry(door.to_owned()).or_default() += count;
    }

    /// Tells the counts to whoever asks, at an address of its own that nothing protects.
    ///
    /// # Errors
    ///
    /// What the operating system says if there is no free port.
    pub async fn serve(&self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = self.clone();
        let tell = move || std::future::ready(axum::body::Bytes::from(counts.json()));
        let app = axum::Router::new().fallback(axum::routing::any(tell));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(address)
    }

    fn json(&self) -> String {
        serde_json::json!(*self.lock()).to_string()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().expect("nothing panics under this lock")
    }
}

/// What is told at `address`.
pub async fn read(address: SocketAddr) -> BTreeMap<String, usize> {
    let told = Client::new(address).get("/").await.with(200);
    serde_json::from_slice(&told.body).expect("names and counts")
}

impl crate::subject::Subject {
    /// How often each door was gone through.
    pub async fn counts(&self) -> BTreeMap<String, usize> {
        read(self.counter()).await
    }

    /// How often `door` was.
    pub async fn came_through(&self, door: &str) -> usize {
        self.counts().await.get(door).copied().unwrap_or_default()
    }

    /// Somebody who says who they are with each request: `USER.SESSION`.
    #[must_use]
    pub fn bearer(&self, bearer: &str) -> Bearer {
        Bearer { client: self.stranger(), authorization: format!("Bearer {bearer}") }
    }
}

/// A client with a token.
#[derive(Clone, Debug)]
pub struct Bearer {
    client: Client,
    authorization: String,
}

impl Bearer {
    /// Sends `request` with the token.
    pub async fn send(&self, request: Request) -> crate::client::Answer {
        self.client.peek(self.signed(request)).await
    }

    /// `GET path` with the token.
    pub async fn get(&self, path: &str) -> crate::client::Answer {
        self.send(Request::get(path)).await
    }

    /// `request` with the token.
    pub fn signed(&self, request: Request) -> Request {
        request.header("authorization", &self.authorization)
    }

    /// The request with the token as it goes over the wire.
    #[must_use]
    pub fn wire_form(&self, request: Request) -> Vec<u8> {
        self.client.wire_form(&self.signed(request))
    }

    /// The value of its `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// The same token at another address.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { client: Client::new(address), authorization: self.authorization.clone() }
    }

    /// Without the token.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }
}
