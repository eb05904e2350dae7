//! A program under test, seen from outside: a process and its sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::client::{Client, Request};
use crate::legacy::Legacy;

/// A program and the environment it is to be started with.
#[derive(Clone, Debug)]
#[must_use]
pub struct Launch {
    program: PathBuf,
    environment: BTreeMap<&'static str, String>,
}

/// A program that runs; it ends with this value.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    address: SocketAddr,
    authority: Option<Authority>,
    counter: Option<SocketAddr>,
    output: Arc<Mutex<Vec<String>>>,
    /// Whatever it leaves behind is removed with it.
    _scratch: TempDir,
}

/// What a program says of itself.
struct Announced {
    address: SocketAddr,
    authority: Option<Authority>,
    counter: Option<SocketAddr>,
}

/// Where an authority listens, and a key to it.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its address.
    pub address: SocketAddr,
    /// A key to its API.
    pub key: String,
}

impl Launch {
    /// `program`, to listen wherever there is room.
    pub fn new(program: &str) -> Self {
        Self { program: program.into(), environment: BTreeMap::new() }
            .set("BANK_ADDR", "127.0.0.1:0")
            .set("AUTHORITY_ADDR", "127.0.0.1:0")
            .set("RUST_LOG", "warn")
    }

    /// Sets an environment variable.
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// With the authority at `address` instead of an embedded one.
    pub fn with_authority(self, address: SocketAddr, key: &str) -> Self {
        self.set("FLEXSECURE_URL", &format!("http://{address}")).set("FLEXSECURE_API_KEY", key)
    }

    /// With the store at `address`, which other nodes have too.
    pub fn with_store(self, address: SocketAddr) -> Self {
        self.set("REDIS_URL", &format!("redis://{address}"))
    }

    /// With an authority that knows only the v1 API.
    pub fn with_legacy(self, legacy: &Legacy) -> Self {
        self.with_authority(legacy.address(), Legacy::KEY)
    }

    /// Starts it, and waits until it says where it listens.
    pub async fn start(&self) -> Subject {
        let scratch = TempDir::new().expect("a folder of its own");
        let mut child = Command::new(&self.program)
            .env_clear()
            .envs(
                std::env::vars().filter(|(name, _)| name == "PATH" || name == "LLVM_PROFILE_FILE"),
            )
            .env("TMPDIR", scratch.path())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        let output = Arc::new(Mutex::new(Vec::new()));
        let (sender, mut lines) = mpsc::unbounded_channel();
        read_lines(child.stdout.take().expect("piped"), Arc::clone(&output), Some(sender));
        read_lines(child.stderr.take().expect("piped"), Arc::clone(&output), None);
        let announced = tokio::time::timeout(LONGEST_START, announcement(&mut lines)).await;
        let Ok(Some(Announced { address, authority, counter })) = announced else {
            panic!("{} does not listen: {:#?}", self.program.display(), lock(&output));
        };
        Subject { child, address, authority, counter, output, _scratch: scratch }
    }
}

impl Subject {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that it runs.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("an embedded authority")
    }

    /// Where it tells what it has counted.
    #[must_use]
    pub fn counter(&self) -> SocketAddr {
        self.counter.expect("a program that counts")
    }

    /// Somebody who is not logged in.
    #[must_use]
    pub const fn stranger(&self) -> Client {
        Client::new(self.address)
    }

    /// Somebody who has just logged in as `user`.
    pub async fn login(&self, user: &str) -> Client {
        let mut client = self.stranger();
        login(&mut client, user).await;
        client
    }

    /// Waits until it takes no more connections, and tells whether it came to that.
    pub async fn answers_nobody(&self) -> bool {
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(self.address).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    /// Whether it is still there.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All lines it has written so far.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        lock(&self.output).clone()
    }

    /// Asks it to end, as an operating system does at shut-down.
    pub async fn terminate(&self) {
        signal(self.id(), "TERM").await;
    }

    /// Ends it without warning.
    pub async fn kill(mut self) -> ExitStatus {
        self.child.start_kill().expect("a process that runs");
        self.child.wait().await.expect("a process")
    }

    /// What the operating system calls its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(LONGEST_DRAIN, self.child.wait()).await;
        ended.expect("it ends when it is asked to").expect("a process")
    }
}

/// Sends the process `id` a signal.
pub async fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().await;
    assert!(sent.expect("kill runs").success(), "the process is gone already");
}

/// Logs `client` in as `user`.
pub async fn login(client: &mut Client, user: &str) {
    client.send(Request::post("/login").json(&json!({"user": user}))).await.assert_status(204);
}

async fn announcement(lines: &mut mpsc::UnboundedReceiver<String>) -> Option<Announced> {
    let (mut authority, mut counter) = (None, None);
    while let Some(line) = lines.recv().await {
        if let Some(rest) = line.strip_prefix("authority on http://") {
            let (address, key) = rest.split_once(" key ")?;
            authority = Some(Authority { address: address.parse().ok()?, key: key.to_owned() });
        } else if let Some(address) = line.strip_prefix("counts on http://") {
            counter = address.parse().ok();
        } else if let Some(address) = line.strip_prefix("listening on http://") {
            return Some(Announced { address: address.parse().ok()?, authority, counter });
        }
    }
    None
}

fn read_lines(
    stream: impl AsyncRead + Send + Unpin + 'static,
    output: Arc<Mutex<Vec<String>>>,
    sender: Option<mpsc::UnboundedSender<String>>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            lock(&output).push(line.clone());
            if let Some(sender) = &sender {
                // Nobody listens any more once it is known where the subject does.
                let _ = sender.send(line);
            }
        }
    });
}

fn lock(output: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    output.lock().expect("nothing panics under this lock")
}

const LONGEST_START: Duration = Duration::from_secs(60);

/// What is promised is 30 seconds.
const LONGEST_DRAIN: Duration = Duration::from_secs(40);
