//! A cluster of three primaries.

use flexsecure_core::test_util::acceptance;
use flexsecure_core::{Elevation, Store};
use flexsecure_redis::{Builder, RedisStore};

use crate::server::{Server, free_port, patient};
use crate::someone::{Someone, bank, eventually, present};

struct Cluster([Server; 3]);

impl Cluster {
    async fn start() -> Self {
        let node = |_| {
            loop {
                let (port, bus) = (free_port(), free_port().to_string());
                let settings = [
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--cluster-node-timeout",
                    "2000",
                ];
                if let Some(server) = Server::at(port, &settings) {
                    break (server, bus);
                }
            }
        };
        let nodes: [(Server, String); 3] = std::array::from_fn(node);
        let ranges = [(0, 5460), (5461, 10922), (10923, 16383)];
        for ((node, _), (first, last)) in nodes.iter().zip(ranges) {
            node.cluster(&["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
        }
        for (other, bus) in &nodes[1..] {
            nodes[0].0.cluster(&["MEET", "127.0.0.1", &other.port().to_string(), bus]).await;
        }
        for (node, _) in &nodes {
            eventually("the cluster is complete", async || {
                let info = node.cluster(&["INFO"]).await;
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        Self(nodes.map(|(node, _)| node))
    }

    fn builder(&self) -> Builder {
        let urls = self.0.each_ref().map(Server::url);
        RedisStore::builder(&urls[0]).cluster([urls[1].as_str()])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_on_a_cluster_has_every_property() {
    let cluster = Cluster::start().await;
    let store = patient(cluster.builder()).connect().unwrap();
    Someone::copying(&store).await;
    acceptance::run(async || store.clone()).await;
    for node in &cluster.0 {
        assert!(!node.keys("flexsecure:*").await.is_empty(), "each has some of it");
    }
}

#[tokio::test]
async fn copies_on_a_cluster_are_right_wherever_the_user_is_kept() {
    let cluster = Cluster::start().await;
    let (here, there) =
        (cluster.builder().connect().unwrap(), cluster.builder().connect().unwrap());
    for _ in 0..10 {
        let who = Someone::new();
        let single = who.elevate(&here, &bank().single_use()).await;
        who.be_copied(&there).await;
        assert!(here.consume(&who.session, &who.auth_id, single.flow(), present()).await.unwrap());
        eventually("the copy is gone", async || who.copied(&there).is_none()).await;
        assert!(who.held(&there).await.iter().all(Elevation::is_spent));
        who.be_copied(&there).await;
        here.revoke_user(&who.auth_id).await.unwrap();
        eventually("the copy is gone", async || who.copied(&there).is_none()).await;
    }
    let who = Someone::new();
    who.elevate(&here, &bank()).await;
    who.be_copied(&there).await;
    here.revoke_before(None, present().after(std::time::Duration::from_secs(1))).await.unwrap();
    eventually("the copy is gone", async || who.copied(&there).is_none()).await;
    assert_eq!(who.held(&there).await, []);
}

/// Its users can be asked for, but not shown from a copy.
#[tokio::test]
async fn no_copy_is_made_while_one_primary_is_not_watched() {
    let cluster = Cluster::start().await;
    let store = cluster.builder().connect().unwrap();
    let mut users = Vec::new();
    for _ in 0..20 {
        users.push(Someone::copying(&store).await);
    }
    let mut admin = cluster.0[2].admin().await;
    let mut forbid = redis::cmd("ACL");
    forbid.arg("SETUSER").arg("default").arg("-subscribe");
    forbid.exec_async(&mut admin).await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub").exec_async(&mut admin).await.unwrap();
    for who in &users {
        eventually("no copy is shown", async || who.copied(&store).is_none()).await;
    }
    for who in users.iter().cycle().take(100) {
        assert!(!who.held(&store).await.is_empty());
        assert!(who.copied(&store).is_none());
    }
}

/// Whose changes would be told is not known any more, so nothing is shown.
#[tokio::test]
async fn no_copy_is_shown_while_one_primary_is_away() {
    let cluster = Cluster::start().await;
    let store = cluster.builder().connect().unwrap();
    let mut users = Vec::new();
    for _ in 0..10 {
        users.push(Someone::copying(&store).await);
    }
    let Cluster(mut nodes) = cluster;
    nodes[2].kill();
    for who in &users {
        eventually("no copy is shown", async || who.copied(&store).is_none()).await;
    }
}
