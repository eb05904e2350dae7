//! Several nodes with one store and one authority, each node on wires of its own.

pub mod authority;
pub mod clock;
pub mod framing;
pub mod redis;
pub mod relay;

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use self::framing::Protocol;
use self::relay::Relay;
use crate::subject::{Launch, Subject};

/// A node and its wires.
#[derive(Debug)]
pub struct Node {
    /// The program.
    pub subject: Subject,
    /// To the authority.
    pub authority: Relay,
    /// To the store.
    pub store: Relay,
}

impl Node {
    /// Starts `launch` with wires to the `authority`, who lets it in with `key`, and to the `store`.
    pub async fn start(
        launch: &Launch,
        (authority, key): (SocketAddr, &str),
        store: SocketAddr,
    ) -> Self {
        let authority = Relay::to(authority, Protocol::Http).await;
        let store = Relay::to(store, Protocol::Redis).await;
        let launch = launch
            .clone()
            .with_authority(authority.address(), key)
            .with_store(store.address())
            .set("BANK_SECRET", "all nodes of a test have the same");
        Self { subject: launch.start().await, authority, store }
    }

    /// Ends it as a loss of power would; its wires stay as they are.
    pub async fn kill(self) -> ExitStatus {
        self.subject.kill().await
    }

    /// How many scripts have been sent to the store.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.store.exchanges(|request| request.contains("\r\nEVAL")).len()
    }

    /// Waits until it has made more than `calls`, and then nothing more: whoever was to wait here waits.
    pub async fn has_settled(&self, calls: usize) {
        let mut before = calls;
        let settled = async {
            loop {
                tokio::time::sleep(SETTLED).await;
                let now = self.calls();
                if now == before && now > calls {
                    return;
                }
                before = now;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), settled).await;
        waited.expect("it comes to rest");
    }

    /// The checks that it has made.
    #[must_use]
    pub fn checks(&self) -> Vec<relay::Exchange> {
        self.authority.exchanges(is_check)
    }
}

/// Whether it asks for a message.
#[must_use]
pub fn is_start(request: &str) -> bool {
    request.starts_with("POST /v1/start ")
}

/// Whether it asks how a login stands.
#[must_use]
pub fn is_check(request: &str) -> bool {
    request.starts_with("POST /v1/check ")
}

/// Whether it stores a flow that is in `state`.
pub fn stores(state: &'static str) -> impl Fn(&str) -> bool + Send + 'static {
    let written = format!("\"state\":\"{state}\"");
    move |request| request.contains(&written)
}

/// Whether it uses an elevation up.
#[must_use]
pub fn consumes(request: &str) -> bool {
    let names_elevation =
        |line: &str| line.len() == 97 && line.as_bytes()[64] == b'/' && !line.contains(':');
    request.contains("\r\nEVAL") && request.lines().any(names_elevation)
}

/// Long for something that is under way to go on, be the machine ever so busy.
const SETTLED: Duration = Duration::from_millis(200);
