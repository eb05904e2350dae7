//! One watcher for each server that takes writes: the only one, or every primary of a cluster.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use redis::{Client, Value};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::fault::Fault;
use crate::link::TRY;
use crate::server::{Address, Server};
use crate::validity::BETWEEN_QUESTIONS;
use crate::watch::{Post, Watched, watch};

/// Watches until it is dropped.
pub(crate) struct Watchers(JoinHandle<()>);

impl Watchers {
    pub(crate) fn post(server: Arc<Server>, watched: Arc<Watched>) -> Self {
        Self(tokio::spawn(async move {
            if server.is_cluster() {
                watch_cluster(&server, &watched).await;
            } else if let Ok(client) = server.watching(None) {
                watch(Post { name: FIRST.to_owned(), client, is_in_cluster: false }, watched).await;
            }
        }))
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Learns every half second which nodes are primaries. That counts as a watcher, too: without it
/// nobody would notice a primary that is not watched yet.
async fn watch_cluster(server: &Server, watched: &Arc<Watched>) {
    let mut tasks = JoinSet::new();
    let mut posts: HashMap<Address, AbortHandle> = HashMap::new();
    loop {
        let asked_at = Instant::now();
        let known = posts.keys().cloned().chain(server.addresses());
        if let Some(primaries) = primaries(server, known).await {
            let mut expected: HashSet<String> = primaries.iter().map(Address::to_string).collect();
            expected.insert(FIRST.to_owned());
            if watched.validity.expect(&expected) {
                watched.clear();
            }
            posts.retain(|address, task| {
                let stays = primaries.contains(address);
                if !stays {
                    task.abort();
                }
                stays
            });
            for address in primaries {
                let Ok(client) = server.watching(Some(&address)) else { continue };
                let name = address.to_string();
                posts.entry(address).or_insert_with(|| {
                    let post = Post { name, client, is_in_cluster: true };
                    tasks.spawn(watch(post, Arc::clone(watched)))
                });
            }
            watched.validity.answered(FIRST, asked_at);
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

/// As the first node tells that answers.
async fn primaries(
    server: &Server,
    known: impl Iterator<Item = Address>,
) -> Option<HashSet<Address>> {
    for address in known {
        let Ok(client) = server.watching(Some(&address)) else { continue };
        if let Ok(Ok(slots)) = timeout(TRY, ask(&client)).await {
            return Some(slots.into_iter().filter_map(|slot| primary_of(slot, &address)).collect());
        }
    }
    None
}

async fn ask(client: &Client) -> Result<Vec<Value>, Fault> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let slots: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    if let Value::Array(slots) = slots { Ok(slots) } else { Err(Fault::Unexpected) }
}

/// The first node that is named after the two ends of a range; without a host it is the one asked.
fn primary_of(slot: Value, asked: &Address) -> Option<Address> {
    let Value::Array(slot) = slot else { return None };
    let Some(Value::Array(node)) = slot.into_iter().nth(2) else { return None };
    let mut node = node.into_iter();
    let host = if let Value::BulkString(host) = node.next()? { host } else { Vec::new() };
    let host = String::from_utf8(host).ok().filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| asked.host.clone());
    let Value::Int(port) = node.next()? else { return None };
    Some(Address { host, port: u16::try_from(port).ok()? })
}

/// Whose answer is awaited from the beginning: the only server, or whoever knows the others.
pub(crate) const FIRST: &str = "first";
