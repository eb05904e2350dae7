//! The authority of a test's own, in the test's process: it can be stopped and started again, and has as
//! many users as a test needs.

use std::net::SocketAddr;

use flexsecure_core::Method;
use flexsecure_server::{Config, NewUser, Policies, PublicUrl, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::inbox::{Message, messages_at};

/// An authority that ends with this value.
#[derive(Debug)]
pub struct Authority {
    address: SocketAddr,
    key: String,
    folder: TempDir,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    server: Server,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Authority {
    /// One that knows `users` for all systems of the doors and the banks.
    pub async fn start(users: &[(&str, Method)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let folder = TempDir::new().expect("a folder of its own");
        let running = run(listener, &folder).await;
        let directory = running.server.directory();
        for system in SYSTEMS {
            directory.add_system(system, Policies::both()).await.expect("a new system");
        }
        for (user, method) in users {
            let new = NewUser::new(*user).email(format!("{user}@example.com"));
            directory.add_user(new).await.expect("a new user");
            directory.assign(user, &SYSTEMS, *method).await.expect("a user of the systems");
        }
        let key = directory.create_key("bank").await.expect("a key").expose().to_owned();
        Self { address, key, folder, running: Some(running) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key to its API.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Ends it; nobody listens any more.
    pub async fn stop(&mut self) {
        let Running { server, stop, task } = self.running.take().expect("one that runs");
        // It may have ended by itself.
        let _ = stop.send(());
        task.await.expect("a server");
        drop(server);
    }

    /// Starts it again with the data that it had; messages are forgotten.
    pub async fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("its port");
        self.running = Some(run(listener, &self.folder).await);
    }

    /// All messages, the newest first.
    pub async fn messages(&self) -> Vec<Message> {
        messages_at(self.address).await
    }

    /// All messages to `user`, the newest first.
    pub async fn messages_to(&self, user: &str) -> Vec<Message> {
        let mut messages = self.messages().await;
        messages.retain(|message| message.to() == format!("{user}@example.com"));
        messages
    }

    /// The newest message to `user`, which has been sent.
    pub async fn newest_to(&self, user: &str) -> Message {
        let newest = self.messages_to(user).await.into_iter().next();
        newest.unwrap_or_else(|| panic!("{user} has got no message"))
    }
}

async fn run(listener: TcpListener, folder: &TempDir) -> Running {
    let address = listener.local_addr().expect("bound");
    let url = PublicUrl::parse(&format!("http://{address}")).expect("an address");
    let config = Config::new(folder.path().join("authority.db"), url).inbox(true);
    let server = Server::open(config).await.expect("an authority");
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = server.clone();
    let task = tokio::spawn(async move {
        let stopping = async {
            // A sender that is gone says the same as one that sends.
            let _ = stopping.await;
        };
        serving.serve(listener, stopping).await.expect("a server");
    });
    Running { server, stop, task }
}

const SYSTEMS: [&str; 5] = ["bank", "bank-transfers", "bank-admin", "account", "vault"];
