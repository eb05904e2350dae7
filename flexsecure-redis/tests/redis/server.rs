//! A server of our own on a free port of this machine, without persistence, gone when dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flexsecure_core::flow::FlowId;
use flexsecure_redis::{Builder, RedisStore};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::someone::eventually;

pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[&str]) -> Self {
        loop {
            if let Some(server) = Self::at(free_port(), settings) {
                return server;
            }
        }
    }

    /// None if somebody else has taken the port.
    pub(crate) fn at(port: u16, settings: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let port_text = port.to_string();
        let mut process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--dir", "."])
            .args(["--appendonly", "no", "--daemonize", "no"])
            .args(settings)
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need a Redis server: apt-get install redis-server");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        if !is_ready {
            process.wait().unwrap();
            return None;
        }
        // It goes on writing, and must not find the pipe full or closed.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port, directory })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// For a machine that may be busy with other things.
    pub(crate) fn patient(&self) -> Builder {
        patient(RedisStore::builder(&self.url()))
    }

    pub(crate) fn store(&self) -> RedisStore {
        self.patient().connect().unwrap()
    }

    /// How many scripts have been called, by whomever.
    pub(crate) async fn scripts_run(&self) -> u64 {
        let mut info = redis::cmd("INFO");
        let info: String =
            info.arg("commandstats").query_async(&mut self.admin().await).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    /// News of a flow that there need not be; gives how many hear them.
    pub(crate) async fn publish(&self, flow: FlowId) -> u32 {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg("flexsecure:news").arg(flow.to_string());
        publish.query_async(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn configure(&self, name: &str, value: &str) {
        let mut configure = redis::cmd("CONFIG");
        configure.arg("SET").arg(name).arg(value);
        configure.exec_async(&mut self.admin().await).await.unwrap();
    }

    /// Tries to save to a directory that is gone.
    pub(crate) async fn fail_to_save(&self) {
        std::fs::remove_dir_all(self.directory.path()).unwrap();
        let mut admin = self.admin().await;
        self.configure("save", "3600 1").await;
        redis::cmd("BGSAVE").exec_async(&mut admin).await.unwrap();
        eventually("saving has failed", async || {
            let mut info = redis::cmd("INFO");
            let info: String =
                info.arg("persistence").query_async(&mut self.admin().await).await.unwrap();
            info.contains("rdb_last_bgsave_status:err")
        })
        .await;
    }

    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        redis::cmd("KEYS").arg(pattern).query_async(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn fields(&self, key: &str) -> Vec<String> {
        redis::cmd("HKEYS").arg(key).query_async(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn get(&self, key: &str, field: &str) -> String {
        let mut get = redis::cmd("HGET");
        get.arg(key).arg(field).query_async(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn set(&self, key: &str, field: &str, value: &[u8]) {
        let mut set = redis::cmd("HSET");
        set.arg(key).arg(field).arg(value);
        set.exec_async(&mut self.admin().await).await.unwrap();
    }

    pub(crate) async fn cluster(&self, arguments: &[&str]) -> String {
        let mut cluster = redis::cmd("CLUSTER");
        cluster.arg(arguments).query_async(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn replication(&self) -> String {
        let mut info = redis::cmd("INFO");
        info.arg("replication").query_async(&mut self.admin().await).await.unwrap()
    }

    /// A connection that goes past the store.
    pub(crate) async fn admin(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Server {
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn patient(builder: Builder) -> Builder {
    builder.time_limits(Duration::from_secs(10), Duration::from_secs(20))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
