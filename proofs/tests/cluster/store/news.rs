//! How nodes learn what happened on other nodes: a connection each, which can break like any other.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::News;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use crate::Cluster;
use crate::wire::{read, write};

/// A flow was changed by a node.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    node: String,
    flow: FlowId,
}

#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Flow(String),
    /// Some are missing.
    Anything,
    /// None, but the connection is alive.
    Nothing,
}

impl Cluster {
    pub(super) fn tell(&self, node: &str, flow: FlowId) {
        // An error says that no node listens.
        let _ = self.news.send(Heard { node: node.to_owned(), flow });
    }
}

/// Tells each node what the others did.
pub(crate) async fn run_news(cluster: Arc<Cluster>) -> turmoil::Result {
    let listener = TcpListener::bind(format!("0.0.0.0:{PORT}")).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut news = cluster.news.subscribe();
        tokio::spawn(async move {
            let Ok(node) = read::<String>(&mut stream).await else { return };
            loop {
                let line = match timeout(ALIVE, news.recv()).await {
                    Ok(Ok(heard)) if heard.node == node => continue,
                    Ok(Ok(heard)) => Line::Flow(heard.flow.to_string()),
                    Ok(Err(RecvError::Lagged(_))) => Line::Anything,
                    Ok(Err(RecvError::Closed)) => return,
                    Err(_) => Line::Nothing,
                };
                if write(&mut stream, &line).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Listens for as long as the node lives. While there is no connection anything can have happened.
pub(super) async fn listen(node: &'static str, tell: Box<dyn Fn(News) + Send + Sync>) {
    loop {
        let connecting = TcpStream::connect(format!("store:{PORT}"));
        if let Ok(Ok(mut stream)) = timeout(DEAD, connecting).await
            && write(&mut stream, &node).await.is_ok()
        {
            tell(News::Anything);
            while let Ok(Ok(line)) = timeout(DEAD, read(&mut stream)).await {
                match line {
                    Line::Flow(flow) => tell(News::Flow(flow.parse().unwrap())),
                    Line::Anything => tell(News::Anything),
                    Line::Nothing => {}
                }
            }
        }
        sleep(PAUSE).await;
    }
}

const PORT: u16 = 81;

/// How often something is said, if only that there is nothing to say.
const ALIVE: Duration = Duration::from_millis(500);

/// How long a connection says nothing before it is taken for dead.
const DEAD: Duration = Duration::from_millis(1_500);

const PAUSE: Duration = Duration::from_millis(200);
