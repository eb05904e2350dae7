//! The real program, as a process of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

/// The binary of the server, and what it is always told.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    /// Further arguments of `serve`.
    serve: Vec<String>,
    /// Where the server's keys are, for whichever database.
    keys: Arc<TempDir>,
}

impl Program {
    /// The one at `path`, or the one that cargo builds as this program was built: that is never
    /// older than its source.
    pub(crate) fn find(path: Option<PathBuf>, serve: Vec<String>) -> Result<Self, String> {
        let path = path.map_or_else(build, Ok)?;
        if !path.exists() {
            return Err(missing(&path));
        }
        let keys = tempfile::Builder::new().prefix("flexsecure-bench-keys-").tempdir();
        let keys = Arc::new(keys.map_err(|error| error.to_string())?);
        Ok(Self { path, serve, keys })
    }

    /// Runs a command of it on a database, and gives what it printed.
    pub(crate) fn run(&self, database: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(database).args(arguments).output();
        let output = output.map_err(|error| format!("{}: {error}", self.path.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// What it does is told by arguments alone. A URL can hold a password, and so is none.
    fn command(&self, database: &str) -> Command {
        let mut command = Command::new(&self.path);
        let keys = self.keys.path().join("flexsecure.keys");
        command.env_clear().env("FLEXSECURE_DATABASE", database).stdin(Stdio::null());
        command.env("FLEXSECURE_SERVER_KEYS", keys);
        command
    }
}

/// A server that runs, and does not outlive this.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Ends it if this process is killed.
    watchdog: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on a free port, sending mails to `mail`, and waits until it listens.
    pub(crate) fn start(
        program: &Program,
        database: &str,
        mail: SocketAddr,
        folder: &Path,
    ) -> Result<Self, String> {
        let log = folder.join("server.log");
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut child = program
            .command(database)
            .args(["serve", "--listen", "127.0.0.1:0", "--public-url", "http://localhost"])
            .args(["--smtp-url", &format!("smtp://{mail}"), "--mail-from", "bench@example.com"])
            .args(&program.serve)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.path.display()))?;
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let mut lines = lines.into_iter().flatten().map_while(Result::ok);
        let address = lines.find_map(|line| {
            line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(format!("the server does not listen: {}", said.trim()));
        };
        // It must not find the pipe closed.
        std::thread::spawn(move || lines.for_each(drop));
        match watch(child.id()) {
            Ok(watchdog) => Ok(Self { child, watchdog, address }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("sh: {error}"))
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First, so that it ends no other process that gets the same number.
        for child in [&mut self.watchdog, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A shell whose input ends with this process.
fn watch(id: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", r#"trap '' INT TERM HUP; read -r _; kill -KILL "$1""#, "sh", &id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn build() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.parent().unwrap_or(&own);
    let path = folder.join(format!("flexsecure-server{}", std::env::consts::EXE_SUFFIX));
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(path) };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "flexsecure-server"]);
    command.args(["--bin", "flexsecure-server"]);
    if folder.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    match command.status() {
        Ok(status) if status.success() => Ok(path),
        Ok(_) => Err("the server cannot be built".to_owned()),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

fn missing(path: &Path) -> String {
    format!(
        "{} is missing: run this program by `cargo run`, or name a server with --server",
        path.display()
    )
}
