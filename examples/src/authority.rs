//! Who authenticates the bank's users: an authority in this process, or the configured one.

use std::net::SocketAddr;

use flexsecure_core::HttpAuthority;
use flexsecure_server::{Config, Method, NewUser, Policies, PublicUrl, Server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::startup::StartError;

/// An authority in this process, with throwaway data and an inbox in the place of e-mail and SMS.
#[derive(Debug)]
pub struct Embedded {
    url: String,
    key: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Starts one that listens at `address` and knows the demo data.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the address is taken, or there is no room for a database.
    pub async fn start(address: SocketAddr) -> Result<Self, StartError> {
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Bind {
            name: "AUTHORITY_ADDR",
            address,
            source,
        })?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        let url = format!("http://{address}");
        let public_url = PublicUrl::parse(&url).map_err(StartError::authority)?;
        let server =
            Server::open(Config::ephemeral(public_url)).await.map_err(StartError::authority)?;
        let key = fill(&server).await.map_err(StartError::authority)?;
        let (stop, stopping) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopping = async {
                // A sender that is gone says the same as one that sends.
                let _ = stopping.await;
            };
            if let Err(error) = server.serve(listener, stopping).await {
                tracing::error!(%error, "the embedded authority ended");
            }
        });
        Ok(Self { url, key, stop, task })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The API key of the bank, and of any other that is to use it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where all messages can be read.
    #[must_use]
    pub fn inbox(&self) -> String {
        format!("{}/inbox", self.url)
    }

    /// The client for it.
    ///
    /// # Errors
    ///
    /// [`StartError`] if this machine can make no HTTP client.
    pub fn client(&self) -> Result<HttpAuthority, StartError> {
        HttpAuthority::new(&self.url, self.key.clone()).map_err(StartError::authority)
    }

    /// Lets it finish what is under way.
    pub async fn stop(self) {
        // It may have ended by itself; it has said so then.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// The demo data: alice has PINs, bob has links but for the administration, and carol has nothing.
async fn fill(server: &Server) -> Result<String, flexsecure_server::DirectoryError> {
    let directory = server.directory();
    for system in ["bank", "bank-transfers", "bank-admin", "account", "vault"] {
        directory.add_system(system, Policies::both()).await?;
    }
    for user in crate::bank::USERS {
        directory.add_user(NewUser::new(user).email(format!("{user}@example.com"))).await?;
    }
    directory.assign("alice", &["bank", "bank-transfers", "bank-admin"], Method::Pin).await?;
    directory.assign("bob", &["bank", "bank-transfers"], Method::Passwordless).await?;
    directory.assign("bob", &["bank-admin"], Method::Pin).await?;
    // For the smaller examples.
    directory.assign("alice", &["account", "vault"], Method::Pin).await?;
    directory.assign("bob", &["account", "vault"], Method::Passwordless).await?;
    let key = directory.create_key("bank").await?;
    Ok(key.expose().to_owned())
}
