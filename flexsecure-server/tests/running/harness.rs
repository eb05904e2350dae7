use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

/// What takes longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what has to come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it did not come")
}

pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder with a database in which alice has a PIN and bob a link on `bank`, and an API key.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) key: String,
}

impl Place {
    pub(crate) async fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: String::new() }
    }

    pub(crate) async fn new() -> Self {
        let mut place = Self::empty().await;
        place.works(&["system", "add", "bank"]).await;
        for (user, method) in [("alice", "pin"), ("bob", "passwordless")] {
            let email = format!("{user}@example.com");
            place.works(&["user", "add", user, "--email", &email]).await;
            place.works(&["user", "assign", user, "bank", "--method", method]).await;
        }
        place.key = place.works(&["key", "create", "tests"]).await.trim().to_owned();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), arguments)
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments)).await
    }

    pub(crate) async fn works(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", output.err);
        output.out
    }

    /// A server with an inbox, on a port of its own.
    pub(crate) async fn serve(&self, more: &[&str]) -> Running {
        let url = ["serve", "--listen", "127.0.0.1:0", "--public-url", PUBLIC, "--inbox"];
        Running::start(self.command(&[&url, more].concat()), &self.key).await
    }
}

pub(crate) const PUBLIC: &str = "https://auth.example.com";

pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flexsecure-server"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLEXSECURE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) async fn run(mut command: Command) -> Output {
    let output = soon(command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

/// A server that runs, and ends with this value.
pub(crate) struct Running {
    child: Child,
    pub(crate) base: String,
    /// Where metrics are, if they are on.
    pub(crate) metrics: Option<String>,
    pub(crate) key: String,
    pub(crate) http: reqwest::Client,
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
}

impl Running {
    pub(crate) async fn start(mut command: Command, key: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = watch::channel(0);
        let log = Arc::<Mutex<String>>::default();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok(Some(line)) = err.next_line().await {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                    sender.send_modify(|count| *count += 1);
                }
            }
        });
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = async || soon(out.next_line()).await.unwrap();
        let first = line().await.unwrap_or_else(|| panic!("it ended: {}", log.lock().unwrap()));
        let base = first.strip_prefix("listening on ").unwrap().to_owned();
        let asked = format!("{:?}", command.as_std());
        let metrics = if asked.contains("metrics") {
            let line = line().await.unwrap();
            Some(line.strip_prefix("metrics on ").unwrap().to_owned())
        } else {
            None
        };
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { child, base, metrics, key: key.to_owned(), http, log, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        self.base.split_once("://").unwrap().1
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon(self.child.wait()).await.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) async fn until_logged(&mut self, text: &str) {
        let log = Arc::clone(&self.log);
        let seen = async {
            while !log.lock().unwrap().contains(text) {
                self.lines.changed().await.expect("it ended");
            }
        };
        let seen = timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "`{text}` is not in {}", self.log());
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).header("apikey", &self.key).json(body)
    }

    pub(crate) async fn start_of(&self, user: &str) -> Value {
        let body = json!({"system": "bank", "authid": user});
        let answer = send(self.post("/v1/start", &body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn check(&self, user: &str, mut more: Value) -> Answer {
        more["system"] = json!("bank");
        more["authid"] = json!(user);
        send(self.post("/v1/check", &more)).await
    }

    /// The newest message of the inbox.
    pub(crate) async fn newest(&self) -> Value {
        send(self.get("/inbox.json")).await.json()[0].clone()
    }

    /// Asks for something that needs a key and does nothing else.
    pub(crate) async fn ask_with(&self, key: &str) -> Answer {
        send(self.get("/v1/capabilities").header("apikey", key)).await
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = soon(request.send()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

/// Sends bytes as they are.
pub(crate) async fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything until the other side closes; a reset is an end, too.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
