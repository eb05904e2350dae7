//! A Redis server of a test's own.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::subject::signal;

/// A server that ends with this value.
#[derive(Debug)]
pub struct Redis {
    process: Option<Child>,
    address: SocketAddr,
    folder: TempDir,
    keeps: bool,
}

impl Redis {
    /// One that has forgotten everything when it is started again.
    pub async fn start() -> Self {
        Self::start_as(false).await
    }

    /// One that writes everything down before it answers.
    pub async fn start_keeping() -> Self {
        Self::start_as(true).await
    }

    async fn start_as(keeps: bool) -> Self {
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = free.local_addr().expect("bound");
            drop(free);
            let folder = TempDir::new().expect("a folder of its own");
            let mut redis = Self { process: None, address, folder, keeps };
            // Somebody else may have been faster to take the port.
            if redis.run().await {
                return redis;
            }
        }
        panic!("redis-server finds no port to listen at");
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it without warning.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().expect("a server that runs");
        process.kill().await.expect("a process");
    }

    /// Starts it again, with what it has kept.
    pub async fn restart(&mut self) {
        assert!(self.run().await, "redis-server does not start again");
    }

    /// Has it do nothing until it is [thawed](Self::thaw); connections stay open.
    pub async fn freeze(&self) {
        signal(self.id(), "STOP").await;
    }

    /// Lets it go on.
    pub async fn thaw(&self) {
        signal(self.id(), "CONT").await;
    }

    /// What it answers to `command`, which is of plain words and answered at once.
    pub async fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a server");
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.expect("a server");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer.trim_end_matches("+OK\r\n").to_owned()
    }

    fn id(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).expect("a server that runs")
    }

    async fn run(&mut self) -> bool {
        let mut process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--save", "", "--appendonly", if self.keeps { "yes" } else { "no" }])
            .args(["--appendfsync", "always", "--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server: install the package redis-server to run these tests");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("Ready to accept connections") {
                    return true;
                }
            }
            false
        };
        let is_ready = tokio::time::timeout(LONGEST_START, ready).await.unwrap_or(false);
        // It must not be blocked by what nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.process = is_ready.then_some(process);
        is_ready
    }
}

const LONGEST_START: Duration = Duration::from_secs(60);
