//! A cluster of three primaries.

use flexsecure_core::test_util::acceptance;
use flexsecure_core::{Elevation, Store};
use flexsecure_redis::RedisStore;

use crate::server::{Server, free_port, patient};
use crate::someone::{Someone, bank, eventually, present};

struct Cluster([Server; 3]);

impl Cluster {
    async fn start() -> Self {
        let nodes: [Node; 3] = std::array::from_fn(|_| Node::start());
        let ranges = [(0, 5460), (5461, 10922), (10923, 16383)];
        for (node, (first, last)) in nodes.iter().zip(ranges) {
            node.server.cluster(&["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
        }
        for other in &nodes[1..] {
            other.meet(&nodes[0].server).await;
        }
        let cluster = Self(nodes.map(|node| node.server));
        cluster.complete(3).await;
        cluster
    }

    async fn complete(&self, nodes: usize) {
        for node in &self.0 {
            eventually("the cluster is complete", async || {
                let info = node.cluster(&["INFO"]).await;
                let nodes = format!("cluster_known_nodes:{nodes}\r");
                info.contains("cluster_state:ok") && info.contains(&nodes)
            })
            .await;
        }
    }

    /// A replica of the first node, with all that it has.
    async fn replica(&self) -> Server {
        let node = Node::start();
        node.meet(&self.0[0]).await;
        self.complete(4).await;
        let primary = self.0[0].cluster(&["MYID"]).await;
        eventually("the new node knows the first", async || {
            let mut admin = node.server.admin().await;
            let mut replicate = redis::cmd("CLUSTER");
            replicate.arg("REPLICATE").arg(&primary).exec_async(&mut admin).await.is_ok()
        })
        .await;
        eventually("the replica has everything", async || {
            node.server.replication().await.contains("master_link_status:up")
        })
        .await;
        node.server
    }

    fn store(&self) -> RedisStore {
        let urls = self.0.each_ref().map(Server::url);
        let builder = RedisStore::builder(&urls[0]).cluster([urls[1].as_str(), urls[2].as_str()]);
        patient(builder).connect().unwrap()
    }
}

struct Node {
    server: Server,
    bus: String,
}

impl Node {
    fn start() -> Self {
        loop {
            let (port, bus) = (free_port(), free_port().to_string());
            let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            let settings = [&settings[..], &["--cluster-port", &bus]].concat();
            if let Some(server) = Server::at(port, &settings) {
                return Self { server, bus };
            }
        }
    }

    async fn meet(&self, other: &Server) {
        let port = self.server.port().to_string();
        other.cluster(&["MEET", "127.0.0.1", &port, &self.bus]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_on_a_cluster_has_every_property() {
    let cluster = Cluster::start().await;
    let store = cluster.store();
    Someone::copying(&store).await;
    acceptance::run(async || store.clone()).await;
    for node in &cluster.0 {
        assert!(!node.keys("flexsecure:*").await.is_empty(), "each has some of it");
    }
}

#[tokio::test]
async fn copies_on_a_cluster_are_right_wherever_the_user_is_kept() {
    let cluster = Cluster::start().await;
    let (here, there) = (cluster.store(), cluster.store());
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

/// Who has taken over tells of the changes from then on.
#[tokio::test]
async fn copies_are_right_after_a_replica_has_taken_over() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let (here, there) = (cluster.store(), cluster.store());
    let mut users = Vec::new();
    for _ in 0..10 {
        users.push(Someone::copying(&here).await);
    }
    replica.cluster(&["FAILOVER"]).await;
    eventually("the replica has taken over", async || {
        replica.replication().await.contains("role:master")
    })
    .await;
    for who in &users {
        eventually("the store is back", async || who.is_served(&here).await).await;
        who.be_copied(&here).await;
        there.revoke_user(&who.auth_id).await.unwrap();
        eventually("the copy is gone", async || who.copied(&here).is_none()).await;
        assert_eq!(who.held(&here).await, []);
        who.elevate(&there, &bank()).await;
        who.be_copied(&here).await;
    }
    assert!(!replica.keys("flexsecure:elevations:*").await.is_empty());
}

/// Its users can be asked for, but not shown from a copy.
#[tokio::test]
async fn no_copy_is_made_while_one_primary_is_not_watched() {
    let cluster = Cluster::start().await;
    let store = cluster.store();
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
    let store = cluster.store();
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
